"""Memory of values: where it lies and when it is used again."""

from __future__ import annotations

import gc
import multiprocessing
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core import buffer
from neurona.core.buffer import (
    ALIGNMENT,
    KNOWN,
    PAGE,
    RECYCLED,
    RECYCLER,
    Recycler,
    address,
    aligned_empty,
    result_empty,
)
from neurona.core.node import constant
from neurona.core.op import Array

SIZE = 2 * RECYCLED
FLOAT = np.dtype(np.float32)


@pytest.mark.parametrize("make", [aligned_empty, result_empty])
@pytest.mark.parametrize("shape", [(RECYCLED,), (3, RECYCLED // 2, 5)])
def test_memory_lies_on_cache_lines(make: Callable[..., Array], shape: tuple[int, ...]) -> None:
    found = make(shape, FLOAT)
    assert found.shape == shape
    assert found.flags.c_contiguous
    assert found.flags.writeable
    assert address(found) % ALIGNMENT == 0


def test_a_dropped_block_is_used_again() -> None:
    recycler = Recycler(4 * SIZE)
    first = recycler.block(SIZE)
    place = address(first)
    second = recycler.block(SIZE)
    assert address(second) != place
    del first
    assert address(recycler.block(SIZE)) == place


HOLDERS: dict[str, Callable[[Array], Any]] = {
    "array": lambda x: x,
    "view": lambda x: x[5:],
    "view of a view": lambda x: x.reshape(2, -1).T[1:].view(np.int32)[:, ::2],
    "memoryview": memoryview,
    "DLPack": lambda x: x.__dlpack__(),
    "array made from it": np.from_dlpack,
    "tensor": lambda x: ne.Tensor(constant(x)),
    "view of a tensor": lambda x: ne.Tensor(constant(x))[3:],
    "iterator": iter,
    "closure": lambda x: lambda: x,
}


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS.keys())
def test_memory_that_somebody_has_is_not_used_again(
    holder: Callable[[Array], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "RECYCLER", Recycler(100 * SIZE))
    shape = (SIZE // 4,)
    result = result_empty(shape, FLOAT)
    # Within a block an array's place may differ by a page.
    place = range(address(result) - PAGE, address(result) + PAGE)
    held = holder(result)
    del result
    others = [result_empty(shape, FLOAT) for _ in range(KNOWN - 1)]
    assert not any(address(other) in place for other in others)
    del held
    gc.collect()
    assert any(address(result) in place for result in [*others, result_empty(shape, FLOAT)])


def test_known_bytes_are_bounded() -> None:
    recycler = Recycler(10 * SIZE)
    held = [recycler.block(SIZE + i % 7) for i in range(100)]
    assert recycler.nbytes <= recycler.limit
    assert len({address(block) for block in held}) == 100
    del held
    free = [recycler.block(SIZE) for _ in range(20)]
    assert recycler.nbytes <= recycler.limit
    assert len({address(block) for block in free}) == 20
    assert recycler.block(11 * SIZE).nbytes == 11 * SIZE
    assert recycler.nbytes <= recycler.limit


def test_free_blocks_make_room_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    recycler = Recycler(10 * SIZE)
    recycler.block(SIZE)
    known: list[int] = []

    def scarce(nbytes: int, dtype: Any) -> Array:
        known.append(recycler.nbytes)
        if recycler.nbytes:
            raise MemoryError
        return np.zeros(nbytes, dtype)

    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", scarce)
        assert recycler.block(2 * SIZE).nbytes == 2 * SIZE
    assert known == [SIZE, 0]


def test_threads_never_share_a_block() -> None:
    recycler = Recycler(100 * SIZE)
    wrong: list[int] = []

    def use(mark: int) -> None:
        for _ in range(300):
            block = recycler.block(RECYCLED)
            block[:: RECYCLED // 16] = mark
            view = block[:: RECYCLED // 16]
            del block
            if not (view == mark).all():
                wrong.append(mark)

    threads = [threading.Thread(target=use, args=(mark,)) for mark in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_compiled_results_keep_their_values() -> None:
    double = ne.compile(lambda x: x * 2)
    x = np.arange(SIZE // 4, dtype=np.float32)
    results = [double(x + i) for i in range(2 * KNOWN)]
    slices = [double(x + i)[::1000] for i in range(2 * KNOWN)]
    for i in range(2 * KNOWN):
        np.testing.assert_array_equal(np.asarray(results[i]), 2 * (x + i))
        np.testing.assert_array_equal(np.asarray(slices[i]), 2 * (x[::1000] + i))


def test_compiled_results_come_back_to_the_same_memory() -> None:
    double = ne.compile(lambda x: x * 2)
    x = np.ones(SIZE // 4 + 24, np.float32)
    before = RECYCLER.nbytes
    for _ in range(20):
        result = double(x)
    assert result.shape == x.shape
    assert RECYCLER.nbytes - before <= 2 * (x.nbytes + 2 * RECYCLED)


def child(known: int) -> None:
    RECYCLER.block(SIZE)
    sys.exit(0 if RECYCLER.nbytes >= known else 1)


def test_a_forked_child_recycles_too() -> None:
    result_empty((SIZE,), FLOAT)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=child, args=(RECYCLER.nbytes,))
    process.start()
    process.join()
    assert process.exitcode == 0
