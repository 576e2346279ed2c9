"""Loop IR: what its checker refuses, and how kernels print."""

from __future__ import annotations

import pytest

from neurona.compiler.ir.loops import (
    Fold,
    Kernel,
    KernelError,
    Nest,
    Param,
    Store,
    check,
    chunk_bounds,
)
from neurona.compiler.ir.scalar import INDEX, Builder, Expr
from neurona.core import dtypes

F32 = dtypes.float32
K = Builder()
ROW, COLUMN = K.variable("r0"), K.variable("c0")


def kernel(*body: Nest | Store, size: int = 12, params: tuple[Param, ...] = ()) -> Kernel:
    """`body` in rows r0 of 3, with b0 to read and b1 to write."""
    given = (Param("b0", F32, size, "read"), Param("b1", F32, size, "write"), *params)
    return Kernel("kernel", given, 1, (("r0", 3),), tuple(body))


def load(offset: Expr, name: str = "b0") -> Expr:
    return K.load(name, offset, F32)


def nest(*stores: Store, folds: tuple[Fold, ...] = (), extent: int | Expr = 4) -> Nest:
    return Nest((("c0", extent),), stores, folds)


AT = ROW * 4 + COLUMN
GOOD = Store("b1", AT, load(AT))


def refuse(built: Kernel, words: str) -> None:
    with pytest.raises(KernelError, match=words):
        check(built)


def test_a_good_kernel_is_handed_on() -> None:
    built = kernel(nest(GOOD))
    assert check(built) is built


def test_reads_and_writes_beyond_the_end() -> None:
    refuse(kernel(nest(GOOD), size=11), r"b\d\[.*\] reaches 0…11 of 11")
    refuse(kernel(nest(Store("b1", AT, load(AT + 1)))), "reaches 1…12 of 12")
    refuse(kernel(nest(Store("b1", AT + 1, load(AT)))), "reaches 1…12 of 12")


def test_reads_before_the_beginning() -> None:
    refuse(kernel(nest(Store("b1", AT, load(COLUMN - ROW)))), "reaches -2…3 of 12")


def test_a_loop_without_iterations_reads_nothing() -> None:
    check(kernel(nest(Store("b1", AT, load(AT + 99)), extent=0)))


def test_bounds_inside_deep_expressions() -> None:
    value = K.where(load(AT) < 0.0, K.call("exp", load(AT + 5)), load(AT))
    refuse(kernel(nest(Store("b1", AT, value))), "reaches 5…16 of 12")


def test_what_a_buffer_may_not_do() -> None:
    refuse(kernel(nest(Store("b0", AT, load(AT)))), "writes b0, which it may only read")
    refuse(kernel(nest(Store("b9", AT, load(AT)))), "no buffer 'b9'")
    refuse(kernel(nest(Store("b1", AT, load(AT, "b9")))), "no buffer 'b9'")
    twice = (Param("b1", F32, 12, "write"),)
    refuse(kernel(nest(GOOD), params=twice), "two buffers of one name")


def test_variables_nobody_has_bound() -> None:
    refuse(kernel(nest(Store("b1", AT, load(K.variable("z"))))), "z is used before it is known")
    refuse(kernel(Store("b1", AT, load(ROW))), "c0 is used before it is known")
    late = Nest((("c0", K.variable("later")),), (GOOD,))
    refuse(kernel(late), "later is used before it is known")


def test_loop_variables_that_are_taken() -> None:
    refuse(kernel(Nest((("r0", 4),), (GOOD,))), "the loop variable r0 is taken")
    built = Kernel("kernel", (), 1, (("r0", 3), ("r0", 2)), ())
    refuse(built, "two row loops of one name")


def test_offsets_are_whole_numbers() -> None:
    wrong = K.cast(AT, dtypes.int32)
    refuse(kernel(nest(Store("b1", wrong, load(AT)))), "offset .* is int32")


# --- folds ---


def fold(name: str = "f0", value: Expr | None = None, start: Expr | None = None) -> Fold:
    return Fold(
        name,
        "add",
        K.constant(0, F32) if start is None else start,
        load(AT) if value is None else value,
    )


def test_a_fold_is_known_after_its_nest_and_not_before() -> None:
    total = K.variable("f0", F32)
    after = Store("b1", ROW, total)
    check(kernel(nest(folds=(fold(),)), after))
    refuse(kernel(after, nest(folds=(fold(),))), "f0 is used before it is known")
    refuse(kernel(nest(Store("b1", AT, total), folds=(fold(),))), "f0 is used before it is known")


def test_folds_start_from_a_constant_of_their_dtype() -> None:
    refuse(kernel(nest(folds=(fold(start=K.constant(0, INDEX)),))), "mixes dtypes")
    refuse(kernel(nest(folds=(fold(start=load(ROW * 0 + COLUMN)),))), "c0 is used before")


def test_a_fold_needs_a_loop() -> None:
    refuse(kernel(Nest((), (), (fold(value=load(ROW)),))), "a fold outside of any loop")


def test_statements_before_and_after_a_chunk_know_no_rows() -> None:
    built = Kernel(
        "kernel", (Param("b1", F32, 12, "write"),), 1, (("r0", 3),), (),
        before=(Store("b1", ROW, K.constant(0, F32)),),
    )  # fmt: skip
    refuse(built, "r0 is used before it is known")
    chunk = Store("b1", K.variable("chunk"), K.constant(0, F32))
    check(Kernel("kernel", built.params, 12, (("r0", 3),), (), before=(chunk,), after=(chunk,)))
    refuse(Kernel("kernel", built.params, 13, (("r0", 3),), (), after=(chunk,)), "0…12 of 12")


# --- chunks and printing ---


@pytest.mark.parametrize("chunks", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("extent", [0, 1, 5, 16, 33])
def test_chunks_cover_all_rows_once(extent: int, chunks: int) -> None:
    part = chunk_bounds(extent, chunks)
    starts = [min(i * part, extent) for i in range(chunks + 1)]
    assert starts[0] == 0
    assert starts[-1] == extent or extent == 0


def test_kernels_print_as_loops() -> None:
    total = Store("b1", ROW, K.variable("f0", F32))
    lines = str(kernel(nest(GOOD, folds=(fold(),)), total)).splitlines()
    assert lines == [
        "kernel kernel",
        "  read    b0: float32[12]",
        "  write   b1: float32[12]",
        "  for chunk in 1:",
        "    for r0 in 3 (this chunk of it):",
        "      for c0 in 4:",
        "        f0 = add(f0, b0[add(multiply(r0, 4), c0)])",
        "        b1[add(multiply(r0, 4), c0)] = b0[add(multiply(r0, 4), c0)]",
        "      b1[r0] = f0",
    ]
