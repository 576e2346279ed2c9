"""The digits network of the training case, answering: a NumPy array in, a NumPy array out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.calls import onnx_session
from benchmarks.cases.mlp import WIDTHS, make_weights
from benchmarks.dense import FLOAT_BYTES, count_parameters, digit_batches
from benchmarks.operation import EPSILON, Call, Expected, Inputs, Network, Operation

REQUESTS = 16  # different inputs, cycled over
LAYERS = ("0", "2", "4")


def split(inputs: Inputs) -> tuple[Inputs, dict[str, np.ndarray]]:
    """The requests, and the weights by PyTorch's names."""
    names = [f"{layer}.{kind}" for layer in LAYERS for kind in ("weight", "bias")]
    return inputs[:REQUESTS], dict(zip(names, inputs[REQUESTS:], strict=True))


def expect(inputs: Inputs) -> list[Expected]:
    """The logits of the last request; rounding errors of the layers add up as independent ones."""
    requests, weights = split(inputs)
    x = requests[-1].astype(np.float64)
    error = np.zeros_like(x)
    for layer in LAYERS:
        w, b = (weights[f"{layer}.{kind}"].astype(np.float64) for kind in ("weight", "bias"))
        x, terms = x @ w.T + b, np.abs(x) @ np.abs(w).T + np.abs(b)
        error = np.sqrt(error**2 @ (w**2).T) + EPSILON * terms
        if layer != LAYERS[-1]:
            x = np.maximum(x, 0)
    return [Expected(x, error)]


def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    import neurona as ne
    from neurona import nn

    requests, weights = split(inputs)
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    model.load_state_dict(weights)
    model.eval()

    @ne.compile
    def predict(x: Any) -> Any:
        return model(x)

    return Call(run=lambda i: predict(requests[i % REQUESTS]).numpy())


def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    import torch
    from torch import nn

    requests, weights = split(inputs)
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    model.eval()
    return Call(
        run=lambda i: model(torch.from_numpy(requests[i % REQUESTS])).numpy(),
        scope=torch.inference_mode,
    )


def build_onnx(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    requests, weights = split(inputs)
    nodes: list[Any] = []
    x = "x"
    for layer in LAYERS:
        names = [x, f"{layer}.weight", f"{layer}.bias"]
        nodes.append(("Gemm", names, f"{layer}.output", {"transB": 1}))
        x = f"{layer}.output"
        if layer != LAYERS[-1]:
            nodes.append(("Relu", [x], f"{layer}.activation", {}))
            x = f"{layer}.activation"
    session = onnx_session(nodes, {"x": requests[0]}, options, weights)
    return Call(run=lambda i: session.run(None, {"x": requests[i % REQUESTS]})[0])


def at_batch(batch: int) -> Operation:
    """Inference at one batch size."""

    def make_inputs(rng: np.random.Generator) -> Inputs:
        weights = make_weights(rng)
        batches = digit_batches(rng, count=2 * REQUESTS, batch=batch)
        requests = [x for x, _ in batches[::2]]  # pictures come twice, labelled anew
        return [*requests, *weights.values()]

    return Operation(
        name=str(batch),
        description=f"inference of 784-512-512-10 ReLU, batch {batch}",
        batch=batch,
        make_inputs=make_inputs,
        expect=expect,
        builds={"neurona": build_neurona, "torch": build_torch, "onnxruntime": build_onnx},
        flops=2 * batch * sum(inner * outer for inner, outer in pairwise(WIDTHS)),
        traffic=FLOAT_BYTES * (count_parameters(WIDTHS) + batch * (WIDTHS[0] + WIDTHS[-1])),
        checked_calls=REQUESTS,
    )


SOURCE = Network("mlp", "784-512-512-10 ReLU", at_batch, batches=(1, 128))
