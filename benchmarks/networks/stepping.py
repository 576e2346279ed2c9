"""An LSTM that answers one step of time a call and keeps its state between the calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.calls import onnx_session
from benchmarks.dense import FLOAT_BYTES
from benchmarks.operation import EPSILON, Call, Expected, Inputs, Network, Operation
from benchmarks.peers import Variant

REQUESTS = 16  # different inputs, cycled over
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
WAYS = (Variant("LSTM", {"cells": False}), Variant("LSTMCell", {"cells": True}))


def split(inputs: Inputs) -> tuple[Inputs, list[tuple[np.ndarray, ...]]]:
    """The requests, and the weights of each layer in the order of `KINDS`."""
    arrays = inputs[REQUESTS:]
    return inputs[:REQUESTS], [tuple(arrays[i : i + 4]) for i in range(0, len(arrays), 4)]


def expect(inputs: Inputs) -> list[Expected]:
    """The last state of the last layer in float64, after all requests in turn.

    A gate passes on at most a quarter of its error, tanh all of it; what a state hands on to the
    next steps is less than it got, so that a few times the error of a step bounds their sum.
    """
    requests, layers = split(inputs)
    x = np.stack(requests).astype(np.float64)  # (time, batch, features)
    for layer in layers:
        w_ih, w_hh, b_ih, b_hh = (value.astype(np.float64) for value in layer)
        h = c = np.zeros((x.shape[1], w_hh.shape[1]))
        states = []
        for row in x:
            z = row @ w_ih.T + h @ w_hh.T + (b_ih + b_hh)
            terms = np.abs(row) @ np.abs(w_ih.T) + np.abs(h) @ np.abs(w_hh.T) + 1
            i, f, g, o = np.split(z, 4, axis=1)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            h = np.tanh(c) / (1 + np.exp(-o))
            states.append(h)
        x = np.stack(states)
    return [Expected(x[-1], np.float64(2 * len(layers) * EPSILON * terms.max()))]


def modules(nn: Any, layers: list[tuple[np.ndarray, ...]], *, cells: bool) -> Any:
    """What the layers are in a library: a list of cells, or one module; and their weights."""
    sizes = [(weights[0].shape[1], weights[1].shape[1]) for weights in layers]
    if cells:
        module = nn.ModuleList([nn.LSTMCell(*size) for size in sizes])
        names = [f"{i}.{kind}" for i in range(len(layers)) for kind in KINDS]
    else:
        module = nn.LSTM(*sizes[0], len(layers))
        names = [f"{kind}_l{i}" for i in range(len(layers)) for kind in KINDS]
    arrays = [array for weights in layers for array in weights]
    return module.eval(), dict(zip(names, arrays, strict=True))


def beginning(
    zeros: Callable[[tuple[int, ...]], Any],
    layers: list[tuple[np.ndarray, ...]],
    batch: int,
    *,
    cells: bool,
) -> tuple[Any, ...]:
    """The first state: of cells h and c of each in turn, of a module one h and c (layers, …)."""
    shape = (batch, layers[0][1].shape[1])
    if cells:
        return tuple(zeros(shape) for _ in range(2 * len(layers)))
    return tuple(zeros((len(layers), *shape)) for _ in range(2))


def stepper(model: Any, *, cells: bool) -> Callable[..., Any]:
    """One step in time of either library: what comes out, and the state after."""

    def step(x: Any, *state: Any) -> Any:
        if not cells:
            y, state = model(x[None], state)
            return y[0], *state
        after = []
        for cell, h, c in zip(model, state[::2], state[1::2], strict=True):
            x, c = cell(x, (h, c))
            after += [x, c]
        return x, *after

    return step


def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    import neurona as ne
    from neurona import nn

    requests, layers = split(inputs)
    cells = options["cells"]
    model, weights = modules(nn, layers, cells=cells)
    model.load_state_dict(weights)

    step = ne.compile(stepper(model, cells=cells))
    state = beginning(ne.zeros, layers, len(requests[0]), cells=cells)

    def run(i: int) -> np.ndarray:
        nonlocal state
        y, *state = step(requests[i % REQUESTS], *state)
        return np.asarray(y.numpy())

    return Call(run=run, scope=ne.no_grad)


def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    import torch

    requests, layers = split(inputs)
    cells = options["cells"]
    model, weights = modules(torch.nn, layers, cells=cells)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})

    step = stepper(model, cells=cells)
    state = beginning(torch.zeros, layers, len(requests[0]), cells=cells)

    def run(i: int) -> np.ndarray:
        nonlocal state
        y, *state = step(torch.from_numpy(requests[i % REQUESTS]), *state)
        return np.asarray(y.numpy())

    return Call(run=run, scope=torch.inference_mode)


def build_onnx(inputs: Inputs, options: Mapping[str, Any]) -> Call:
    """One LSTM node a layer; the state is handed back in with every call."""
    requests, layers = split(inputs)
    nodes: list[Any] = [("Unsqueeze", ["x", "first"], "y0", {})]
    constants = {"first": np.zeros(1, np.int64)}
    values = {"x": requests[0]}
    for i, (w_ih, w_hh, b_ih, b_hh) in enumerate(layers):
        order = [0, 3, 1, 2]  # ONNX has the gates i, o, f, g
        for name, weight in (("W", w_ih), ("R", w_hh)):
            parts = np.split(weight, 4)
            constants[f"{name}{i}"] = np.concatenate([parts[j] for j in order])[None]
        biases = [np.split(bias, 4)[j] for bias in (b_ih, b_hh) for j in order]
        constants[f"B{i}"] = np.concatenate(biases)[None]
        names = [f"y{i}", *(f"{kind}{i}" for kind in "WRB"), "", f"h{i}", f"c{i}"]
        outputs = [f"Y{i}", f"h{i}'", f"c{i}'"]
        nodes.append(("LSTM", names, outputs, {"hidden_size": w_hh.shape[1]}))
        nodes.append(("Squeeze", [f"Y{i}", "direction"], f"y{i + 1}", {}))
        for kind in "hc":
            values[f"{kind}{i}"] = np.zeros((1, len(requests[0]), w_hh.shape[1]), np.float32)
    constants["direction"] = np.ones(1, np.int64)
    nodes.append(("Squeeze", [f"y{len(layers)}", "first"], "y", {}))
    states = [name for name in values if name != "x"]
    results = ["y", *(f"{name}'" for name in states)]
    session = onnx_session(nodes, values, options, constants, results)

    def run(i: int) -> np.ndarray:
        values["x"] = requests[i % REQUESTS]
        y, *after = session.run(results, values)
        values.update(zip(states, after, strict=True))
        return np.asarray(y)

    return Call(run=run)


def stepping(name: str, features: int, layers: int) -> Network:
    """The network, whose inputs have as many features as its layers."""

    def at_batch(batch: int) -> Operation:
        def make_inputs(rng: np.random.Generator) -> Inputs:
            bound = features**-0.5
            shapes = [(4 * features, features)] * 2 + [(4 * features,)] * 2
            requests = [
                rng.standard_normal((batch, features), dtype=np.float32) for _ in range(REQUESTS)
            ]
            weights = [rng.uniform(-bound, bound, shape) for _ in range(layers) for shape in shapes]
            return [*requests, *(weight.astype(np.float32) for weight in weights)]

        products = layers * 8 * features**2
        return Operation(
            name=str(batch),
            description=f"one step in time of {layers}×{features} LSTM, batch {batch}",
            batch=batch,
            make_inputs=make_inputs,
            expect=expect,
            builds={"neurona": build_neurona, "torch": build_torch, "onnxruntime": build_onnx},
            flops=2 * batch * products,
            traffic=FLOAT_BYTES * (products + 8 * layers * features + 2 * batch * features),
            checked_calls=REQUESTS,
            variants={"neurona": WAYS, "torch": WAYS},
        )

    return Network(
        name, f"{layers}×{features} LSTM, a step in time, the state kept", at_batch, batches=(1,)
    )
