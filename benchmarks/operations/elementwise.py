"""Elementwise arithmetic: from a size where the call counts to one where memory does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.calls import Nodes, function_builds
from benchmarks.operation import EPSILON, Expected, Group, Inputs, Operation
from benchmarks.sizes import normal, rows_for, traffic_beyond, traffic_inside

WIDTH = 1024
SMALL_ROWS = 4
TINY = 1e-30  # an allowed error is never 0


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula of arrays (rows, WIDTH); an array marked False in `full` is one row, (WIDTH,).

    `rounding` is the sum of the absolute values that are rounded on the way, in units of eps.
    """

    name: str
    text: str
    full: tuple[bool, ...]
    function_of: Callable[[Any], Callable[..., Any]]
    nodes: Nodes
    value: Callable[..., np.ndarray]
    rounding: Callable[..., np.ndarray]


def bias_relu_of(library: Any) -> Callable[..., Any]:
    relu = library.nn.functional.relu
    return lambda x, b: relu(x + b)


def multiply_add_of(library: Any) -> Callable[..., Any]:
    if library.__name__ == "torch":  # which has a kernel for it
        return lambda x, y, z: library.addcmul(z, x, y)
    return lambda x, y, z: x * y + z


FORMULAS = (
    Formula(
        name="add",
        text="x + y",
        full=(True, True),
        function_of=lambda library: lambda x, y: x + y,
        nodes=[("Add", ["x0", "x1"], "z", {})],
        value=np.add,
        rounding=lambda x, y: np.abs(x + y),
    ),
    Formula(
        name="multiply-add",
        text="x·y + z",
        full=(True, True, True),
        function_of=multiply_add_of,
        nodes=[("Mul", ["x0", "x1"], "p", {}), ("Add", ["p", "x2"], "r", {})],
        value=lambda x, y, z: x * y + z,
        rounding=lambda x, y, z: np.abs(x * y) + np.abs(z),
    ),
    Formula(
        name="bias-relu",
        text="max(x + b, 0), b a row",
        full=(True, False),
        function_of=bias_relu_of,
        nodes=[("Add", ["x0", "x1"], "s", {}), ("Relu", ["s"], "y", {})],
        value=lambda x, b: np.maximum(x + b, 0),
        rounding=lambda x, b: np.abs(x + b),
    ),
    Formula(
        name="exp",
        text="exp(x)",
        full=(True,),
        function_of=lambda library: library.exp,
        nodes=[("Exp", ["x0"], "y", {})],
        value=np.exp,
        rounding=lambda x: 4 * np.exp(x),
    ),
    Formula(
        name="tanh",
        text="tanh(x)",
        full=(True,),
        function_of=lambda library: library.tanh,
        nodes=[("Tanh", ["x0"], "y", {})],
        value=np.tanh,
        rounding=lambda x: 4 * np.abs(np.tanh(x)),
    ),
)


def elementwise(formula: Formula, where: str, traffic: int | None) -> Operation:
    """The formula on as many rows as move `traffic` bytes, or on a few."""
    streams = sum(formula.full) + 1
    rows = SMALL_ROWS if traffic is None else rows_for(traffic, 4 * WIDTH * streams)

    def make_inputs(rng: np.random.Generator) -> Inputs:
        return [normal(rng, *((rows, WIDTH) if full else (WIDTH,))) for full in formula.full]

    def expect(inputs: Inputs) -> list[Expected]:
        exact = [array.astype(np.float64) for array in inputs]
        return [Expected(formula.value(*exact), EPSILON * formula.rounding(*exact) + TINY)]

    return Operation(
        name=f"{formula.name}-{where}",
        description=f"{formula.text} of ({rows}, {WIDTH})",
        make_inputs=make_inputs,
        expect=expect,
        builds=function_builds(formula.function_of, formula.nodes),
        traffic=4 * WIDTH * (streams * rows + formula.full.count(False)),
        beside_copy=traffic is not None,
    )


SIZES = {"small": None, "inside": traffic_inside(), "beyond": traffic_beyond()}
SOURCE = Group(
    "elementwise",
    "arithmetic on every element",
    tuple(
        elementwise(formula, where, traffic)
        for where, traffic in SIZES.items()
        for formula in FORMULAS
    ),
)
