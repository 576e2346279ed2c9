"""Matrix products: square, skinny, odd, batched, and with operands that lie transposed."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from benchmarks.calls import Nodes, function_builds
from benchmarks.operation import EPSILON, Expected, Group, Inputs, Operation
from benchmarks.sizes import normal

# n: the operand is stored as it is multiplied; t: it is stored transposed.
LAYOUTS: dict[str, Callable[[Any, Any], Any]] = {
    "nn": lambda a, b: a @ b,
    "tn": lambda a, b: a.T @ b,
    "nt": lambda a, b: a @ b.T,
    "tt": lambda a, b: a.T @ b.T,
}


def product(
    m: int, k: int, n: int, *, layout: str = "nn", batch: tuple[int, ...] = (), name: str = ""
) -> Operation:
    """(*batch, m, k) @ (*batch, k, n), float32."""
    left = (k, m) if layout[0] == "t" else (m, k)
    right = (n, k) if layout[1] == "t" else (k, n)
    multiply = LAYOUTS[layout]

    def make_inputs(rng: np.random.Generator) -> Inputs:
        return [normal(rng, *batch, *left), normal(rng, *batch, *right)]

    def expect(inputs: Inputs) -> list[Expected]:
        a, b = (array.astype(np.float64) for array in inputs)
        return [Expected(multiply(a, b), 8 * EPSILON * multiply(np.abs(a), np.abs(b)))]

    suffix = "" if layout == "nn" else f"-{layout}"
    return Operation(
        name=name or f"{m}x{k}x{n}{suffix}",
        description=f"{prod(batch)} × " * bool(batch) + f"({m}, {k}) @ ({k}, {n})",
        make_inputs=make_inputs,
        expect=expect,
        builds=function_builds(lambda library: multiply, onnx_nodes(layout)),
        flops=2 * prod(batch) * m * k * n,
        traffic=4 * prod(batch) * (m * k + k * n + m * n),
    )


def onnx_nodes(layout: str) -> Nodes:
    nodes: list[Any] = []
    names = []
    for name, kind in zip(("x0", "x1"), layout, strict=True):
        names.append(name)
        if kind == "t":
            nodes.append(("Transpose", [name], f"{name}t", {"perm": [1, 0]}))
            names[-1] = f"{name}t"
    return [*nodes, ("MatMul", names, "y", {})]


SOURCE = Group(
    "matmul",
    "matrix products",
    (
        *(product(n, n, n, name=f"square-{n}") for n in (64, 128, 256, 512, 1024, 2048)),
        product(128, 784, 512),
        product(512, 128, 784),
        product(1, 784, 512),
        product(4096, 64, 10),
        *(product(512, 512, 512, layout=a, name=f"square-512-{a}") for a in ("tn", "nt", "tt")),
        *(product(128, 784, 512, layout=layout) for layout in ("tn", "nt", "tt")),
        product(64, 64, 64, batch=(32,), name="batch-32x64x64x64"),
        *(product(n, n, n, name=f"square-{n}") for n in (127, 129, 1000)),
        product(127, 129, 1000),
    ),
)
