"""Sums over rows, columns and everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.calls import function_builds
from benchmarks.operation import EPSILON, Expected, Group, Inputs, Operation
from benchmarks.sizes import normal, rows_for, traffic_beyond, traffic_inside

AXES = {"rows": 1, "columns": 0, "full": None}  # what is summed: each row, each column, all


def total(what: str, where: str, rows: int, width: int) -> Operation:
    """The sum of (rows, width) over one axis or both."""
    axis = AXES[what]

    def expect(inputs: Inputs) -> list[Expected]:
        x = inputs[0].astype(np.float64)
        allowed = 8 * EPSILON * np.sum(np.abs(x), axis=axis)
        return [Expected(np.asarray(np.sum(x, axis=axis)), np.asarray(allowed))]

    def function_of(library: Any) -> Callable[..., Any]:
        f = library.sum
        return f if axis is None else lambda x: f(x, axis=axis)

    results = {"rows": rows, "columns": width, "full": 1}[what]
    axes = [] if axis is None else ["axes"]
    return Operation(
        name=f"{what}-{where}",
        description=f"sum of ({rows}, {width}) over "
        + ("both axes" if axis is None else f"axis {axis}"),
        make_inputs=lambda rng: [normal(rng, rows, width)],
        expect=expect,
        builds=function_builds(
            function_of,
            [("ReduceSum", ["x0", *axes], "y", {"keepdims": 0})],
            {} if axis is None else {"axes": np.array([axis])},
        ),
        traffic=4 * (rows * width + results),
        beside_copy=True,
    )


SHAPES = {
    "small": (128, 512),
    "inside": (rows_for(traffic_inside(), 4 * 1024), 1024),
    "beyond": (rows_for(traffic_beyond(), 4 * 1024), 1024),
}
SOURCE = Group(
    "reductions",
    "sums of rows, columns and everything",
    tuple(total(what, where, *shape) for where, shape in SHAPES.items() for what in AXES),
)
