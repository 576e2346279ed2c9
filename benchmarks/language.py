"""What the training cases on texts share: data, and the builds for each framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from benchmarks.case import Arrays, Batch, Case, Problem, Tolerance, Training
from benchmarks.dense import FLOAT_BYTES, update_traffic
from benchmarks.peers import Variant

SYMBOLS = 65  # as many as Shakespeare's plays have


def symbol_batches(
    rng: np.random.Generator, *, count: int, batch: int, length: int, time_first: bool = False
) -> list[Batch]:
    """Symbols (batch, length) of a random Markov chain, and the symbols that follow each; int64.

    With `time_first` both are (length, batch). Every batch comes twice, a third of what follows
    drawn anew each time, so that nothing can learn it by heart.
    """
    odds = np.exp(2 * rng.standard_normal((SYMBOLS, SYMBOLS)))
    below = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
    kinds = count // 2
    chains = np.empty((length + 1, kinds * batch), np.int64)
    chains[0] = rng.integers(0, SYMBOLS, kinds * batch)
    for now, after in pairwise(chains):
        chance = rng.random((kinds * batch, 1))
        after[:] = np.minimum((below[now] < chance).sum(axis=1), SYMBOLS - 1)
    batches: list[Batch] = []
    for text in np.split(chains, kinds, axis=1):
        for _ in range(2):
            anew = rng.random((length, batch)) < 1 / 3
            targets = np.where(anew, rng.integers(0, SYMBOLS, (length, batch)), text[1:])
            pair = (text[:-1], targets) if time_first else (text[:-1].T, targets.T)
            batches.append(tuple(np.ascontiguousarray(part) for part in pair))
    return batches


def language_case(
    name: str,
    description: str,
    *,
    batch: int,
    length: int,
    flops: int,
    make_weights: Callable[[np.random.Generator], Arrays],
    neurona_model: Callable[[], Any],
    torch_model: Callable[[Mapping[str, Any]], Any],
    jax_scores: Callable[[Mapping[str, Any]], Callable[[Any, Any], Any]],
    learning_rate: float,
    weight_decay: float | None = None,
    time_first: bool = False,
    count: int = 16,
    tolerance: Tolerance,
    variants: Mapping[str, tuple[Variant, ...]] | None = None,
) -> Case:
    """A case of softmax cross-entropy of the next symbol, and Adam; AdamW with `weight_decay`.

    `torch_model(options)` makes the module, `jax_scores(options)` the function of parameters and
    symbols, for a variant's options; scores have the axis of the symbols last.
    """

    def build_neurona(problem: Problem, options: Mapping[str, Any]) -> Training:
        import neurona as ne
        from neurona import nn, optim

        model = neurona_model()
        model.load_state_dict(problem.weights)
        if weight_decay is None:
            optimizer: Any = optim.Adam(model.parameters(), learning_rate=learning_rate)
        else:
            optimizer = optim.AdamW(
                model.parameters(), learning_rate=learning_rate, weight_decay=weight_decay
            )
        batches = problem.batches

        @ne.compile
        def train(symbols: Any, targets: Any) -> Any:
            loss = nn.functional.token_cross_entropy(model(symbols), targets)
            loss.backward()
            optimizer.step()
            return loss

        return Training(
            step=lambda i: train(*batches[i % len(batches)]),
            state=model.state_dict,
            step_memory=lambda: train.explain(*batches[0]).memory.total,
        )

    def build_torch(problem: Problem, options: Mapping[str, Any]) -> Training:
        import torch

        from benchmarks.torch_training import torch_training

        def loss_of(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(scores.flatten(0, 1), targets.flatten())

        if weight_decay is None:
            optimizer_of: Any = partial(torch.optim.Adam, lr=learning_rate)
        else:
            optimizer_of = partial(torch.optim.AdamW, lr=learning_rate, weight_decay=weight_decay)
        return torch_training(problem, options, torch_model(options), loss_of, optimizer_of)

    def build_jax(problem: Problem, options: Mapping[str, Any]) -> Training:
        from benchmarks.jax_training import adam, cross_entropy, jax_training

        scores_of = jax_scores(options)

        def loss_of(p: Any, buffers: Any, symbols: Any, targets: Any) -> Any:
            scores = scores_of(p, symbols)
            return cross_entropy(scores.reshape(-1, SYMBOLS), targets.reshape(-1)), buffers

        rule = adam(learning_rate, weight_decay or 0.0)
        return jax_training(problem, options, loss_of, rule)

    weights = make_weights(np.random.default_rng(0))
    parameters = sum(prod(value.shape) for value in weights.values())
    return Case(
        name=name,
        description=description,
        batch=batch,
        flops=flops,
        # Symbols count as four bytes, as where they are read as int32.
        traffic=update_traffic(parameters, slots=2) + 2 * FLOAT_BYTES * batch * length,
        tolerance=tolerance,
        make_weights=make_weights,
        make_batches=partial(
            symbol_batches, count=count, batch=batch, length=length, time_first=time_first
        ),
        builds={"neurona": build_neurona, "torch": build_torch, "jax": build_jax},
        variants=variants or {},
    )
