"""Chains that should be one pass over memory: softmax, layer norm, cross-entropy, GELU."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.calls import function_builds
from benchmarks.operation import EPSILON, Expected, Group, Inputs, Operation
from benchmarks.sizes import normal, rows_for, traffic_beyond, traffic_inside

WIDTH = 1024
CLASSES = 1000
VARIANCE_FLOOR = 1e-5  # the default of layer_norm everywhere
TINY = 1e-30  # an allowed error is never 0


def softmax(where: str, traffic: int) -> Operation:
    def expect(inputs: Inputs) -> list[Expected]:
        x = inputs[0].astype(np.float64)
        x -= x.max(axis=-1, keepdims=True)
        value = np.exp(x)
        value /= value.sum(axis=-1, keepdims=True)
        # x − max x is rounded before exp makes a relative error of it.
        return [Expected(value, EPSILON * (16 - x) * value + TINY)]

    def function_of(library: Any) -> Callable[..., Any]:
        f = library.nn.functional.softmax
        return lambda x: f(x, dim=-1)

    rows = rows_for(traffic, 8 * WIDTH)
    return Operation(
        name=f"softmax-{where}",
        description=f"softmax over the last axis of ({rows}, {WIDTH})",
        make_inputs=lambda rng: [normal(rng, rows, WIDTH)],
        expect=expect,
        builds=function_builds(function_of, [("Softmax", ["x0"], "y", {"axis": -1})]),
        traffic=8 * rows * WIDTH,
        beside_copy=True,
    )


def layer_norm(where: str, traffic: int) -> Operation:
    def expect(inputs: Inputs) -> list[Expected]:
        x, weight, bias = (array.astype(np.float64) for array in inputs)
        x -= x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + VARIANCE_FLOOR)
        allowed = 16 * EPSILON * (np.abs(weight) * (1 + np.abs(x)) + np.abs(bias))
        return [Expected(x * weight + bias, allowed)]

    def function_of(library: Any) -> Callable[..., Any]:
        f = library.nn.functional.layer_norm
        return lambda x, weight, bias: f(x, (WIDTH,), weight, bias)

    rows = rows_for(traffic, 8 * WIDTH)
    nodes = [("LayerNormalization", ["x0", "x1", "x2"], "y", {"epsilon": VARIANCE_FLOOR})]
    return Operation(
        name=f"layer-norm-{where}",
        description=f"layer norm with weight and bias over the last axis of ({rows}, {WIDTH})",
        make_inputs=lambda rng: [
            normal(rng, rows, WIDTH),
            1 + normal(rng, WIDTH) / 10,
            normal(rng, WIDTH),
        ],
        expect=expect,
        builds=function_builds(function_of, nodes),
        traffic=8 * (rows + 1) * WIDTH,
        beside_copy=True,
    )


def cross_entropy(where: str, traffic: int) -> Operation:
    def expect(inputs: Inputs) -> list[Expected]:
        x, labels = inputs[0].astype(np.float64), inputs[1]
        x -= x.max(axis=-1, keepdims=True)
        picked = np.take_along_axis(x, labels[:, None], axis=-1)[:, 0]
        losses = np.log(np.exp(x).sum(axis=-1)) - picked
        value = np.asarray(losses.mean())
        return [Expected(value, 16 * EPSILON * (1 + value))]

    def function_of(library: Any) -> Callable[..., Any]:
        return library.nn.functional.cross_entropy

    rows = rows_for(traffic, 4 * CLASSES + 8)
    return Operation(
        name=f"cross-entropy-{where}",
        description=f"softmax cross-entropy of ({rows}, {CLASSES}) with labels, mean",
        make_inputs=lambda rng: [normal(rng, rows, CLASSES), rng.integers(0, CLASSES, rows)],
        expect=expect,
        builds=function_builds(
            function_of, [("SoftmaxCrossEntropyLoss", ["x0", "x1"], "y", {"reduction": "mean"})]
        ),
        traffic=rows * (4 * CLASSES + 8) + 4,
        beside_copy=True,
    )


def gelu(where: str, traffic: int) -> Operation:
    def expect(inputs: Inputs) -> list[Expected]:
        x = inputs[0].astype(np.float64)
        scaled = (x * math.sqrt(0.5)).ravel()
        erf = np.fromiter(map(math.erf, scaled.tolist()), np.float64, scaled.size)
        value = 0.5 * x * (1 + erf.reshape(x.shape))
        return [Expected(value, 8 * EPSILON * np.abs(x) + TINY)]

    def function_of(library: Any) -> Callable[..., Any]:
        return library.nn.functional.gelu

    rows = rows_for(traffic, 8 * WIDTH)
    return Operation(
        name=f"gelu-{where}",
        description=f"x·Φ(x), exact, of ({rows}, {WIDTH})",
        make_inputs=lambda rng: [normal(rng, rows, WIDTH)],
        expect=expect,
        builds=function_builds(function_of, [("Gelu", ["x0"], "y", {})]),
        traffic=8 * rows * WIDTH,
        beside_copy=True,
    )


SOURCE = Group(
    "chains",
    "fused chains inside and beyond the last-level cache",
    tuple(
        make(where, traffic)
        for where, traffic in (("inside", traffic_inside()), ("beyond", traffic_beyond()))
        for make in (softmax, layer_norm, cross_entropy, gelu)
    ),
)
