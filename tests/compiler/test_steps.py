"""What a step of a loop does, and what is done before the loop."""

from __future__ import annotations

from neurona.compiler.ir.loops import Kernel, Nest, Param, Store, check
from neurona.compiler.ir.scalar import Builder, Expr
from neurona.compiler.machine.abreast import emit
from neurona.compiler.machine.steps import fixed_parts
from neurona.core import dtypes


def scaled(extent: int | Expr, k: Builder) -> Kernel:
    """Each row of b0 divided by √b1[row] + 1."""
    row, column = k.variable("r0"), k.variable("c0")
    place = row * 40 + column
    root = k.call("sqrt", k.load("b1", row, dtypes.float32))
    value = k.load("b0", place, dtypes.float32) / (root + 1.0)
    params = (
        Param("b0", dtypes.float32, 200, "read"),
        Param("b1", dtypes.float32, 5, "read"),
        Param("b2", dtypes.float32, 200, "write"),
    )
    nest = Nest((("c0", extent),), (Store("b2", place, value),))
    return check(Kernel("kernel", params, 1, (("r0", 5),), (nest,)))


def test_what_a_loop_does_not_change_is_computed_once() -> None:
    lines = emit(scaled(40, Builder()), 16).splitlines()
    roots = [i for i, line in enumerate(lines) if "call float @llvm.sqrt" in line]
    divisions = [i for i, line in enumerate(lines) if "fdiv" in line]
    assert len(roots) == 1
    assert len(divisions) == 2  # in the loop and in its rest
    assert roots[0] < divisions[0]
    assert any(line.startswith("head") for line in lines[roots[0] : divisions[0]])


def test_nothing_is_read_ahead_of_a_loop_that_may_be_empty() -> None:
    k = Builder()
    extent = k.minimum(k.variable("r0") - 1, 40)
    lines = emit(scaled(extent, k), 16).splitlines()
    reads = [i for i, line in enumerate(lines) if "load float, ptr" in line]
    heads = [i for i, line in enumerate(lines) if line.startswith("head")]
    assert reads
    assert min(reads) > heads[2]  # after those of chunks and rows


def test_buffers_that_may_change_are_read_in_the_loop() -> None:
    nest = scaled(40, Builder()).body[0]
    assert isinstance(nest, Nest)
    ahead, some = fixed_parts(nest, ("b0", "b1")), fixed_parts(nest, ())
    assert any(part.payload == "add" and part.dtype == dtypes.float32 for part in ahead)
    assert all(part.dtype == dtypes.int64 for part in some)
