"""The PyTorch side that the cases share: optimiser choice, compilation, the loop body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import torch

from benchmarks.case import Problem, Training

OptimizerOf = Callable[..., torch.optim.Optimizer]


def torch_training(
    problem: Problem,
    options: Mapping[str, Any],
    model: torch.nn.Module,
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    optimizer_of: OptimizerOf,
) -> Training:
    """A training step in PyTorch, from `model`, `loss_of(output, target)` and an optimiser.

    Options: `fused` picks the optimiser's fused kernel; `channels_last` keeps pictures and filters
    in that layout; `compile` is "forward" (model and loss,
    whose backward is compiled with them) or "step" (the optimiser too); `mode` is handed to
    `torch.compile`.
    """
    missing, _ = model.load_state_dict(
        {name: torch.from_numpy(value) for name, value in problem.weights.items()}, strict=False
    )
    if left := [name for name in missing if not name.endswith("num_batches_tracked")]:
        raise ValueError(f"the case gives no initial value for {', '.join(left)}")
    batches = [tuple(torch.from_numpy(part) for part in batch) for batch in problem.batches]
    if options.get("channels_last"):
        last = torch.channels_last
        model = model.to(memory_format=last)
        batches = [(x.to(memory_format=last), *rest) for x, *rest in batches]
    optimizer = optimizer_of(model.parameters(), fused=True if options.get("fused") else None)

    def forward(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return loss_of(model(x), target)

    scope, mode = options.get("compile"), options.get("mode", "default")
    if scope == "forward":
        forward = torch.compile(forward, mode=mode)

    def train(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = forward(x, target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    if scope == "step":
        train = torch.compile(train, mode=mode)

    def step(i: int) -> torch.Tensor:
        return train(*batches[i % len(batches)])

    def state() -> dict[str, Any]:
        return {name: value.numpy().copy() for name, value in model.state_dict().items()}

    def step_memory() -> int:
        # What the allocator hands out and takes back; gradients are gone between steps.
        cpu = torch.profiler.ProfilerActivity.CPU
        with torch.profiler.profile(activities=[cpu], profile_memory=True) as profile:
            step(0)
        found = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
        found.sort(key=lambda event: event.start_ns())
        return max(accumulate(event.nbytes() for event in found))

    return Training(step=step, state=state, wait=lambda loss: loss.item(), step_memory=step_memory)
