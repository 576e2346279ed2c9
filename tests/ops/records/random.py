"""The record of random bits."""

from __future__ import annotations

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import ShapeError
from neurona.ops.random import random_bits
from tests.ops.record import Array, Failure, OpRecord, Sample, Special, tensor
from tests.ops.samples import Rng

MASK = 0xFFFFFFFF


def _block(counter: int, key: tuple[int, int]) -> tuple[int, int]:
    """Threefry-2x32-20 in Python's integers, round by round as in the paper's figure."""
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (counter + key[0]) & MASK, ((counter >> 32) + key[1]) & MASK
    turns = (13, 15, 26, 6, 17, 29, 16, 24)
    for step in range(20):
        x = (x + y) & MASK
        turn = turns[step % 8]
        y = ((y << turn) & MASK | y >> (32 - turn)) ^ x
        if step % 4 == 3:
            done = step // 4 + 1
            x = (x + schedule[done % 3]) & MASK
            y = (y + schedule[(done + 1) % 3] + done) & MASK
    return x, y


def _random_bits(key: Array, counter: Array, *, shape: tuple[int, ...], dtype: str) -> Array:
    words = (int(key[0]), int(key[1]))
    start, size = int(counter), int(np.prod(shape, dtype=np.int64))
    values = []
    for i in range(size):
        block = i if dtype == "uint64" else i // 32 * 16 + i % 16
        low, high = _block((start + block) % (1 << 64), words)
        values.append(low | high << 32 if dtype == "uint64" else (high if i // 16 % 2 else low))
    return np.array(values, dtype).reshape(shape)


def _samples(rng: Rng, dtype: dtypes.DType) -> list[Sample]:
    return [
        Sample(
            (
                rng.integers(0, MASK, 2, np.uint32, endpoint=True),
                np.asarray(rng.integers(0, 1 << 63), np.uint64),
            ),
            {"shape": shape, "dtype": dtype.name},
        )
        for shape in ((), (1,), (0,), (7, 19), (16,), (32,), (33,), (2, 0, 3))
    ]


def _known(counter: int, key: tuple[int, int], block: tuple[int, int]) -> Special:
    """An answer of the paper's reference code (Random123, `kat_vectors`)."""
    return Special(
        (np.array(key, np.uint32), np.array(counter, np.uint64)),
        block[0] | block[1] << 32,
        (dtypes.uint64,),
        {"shape": (), "dtype": "uint64"},
    )


RANDOM_BITS = OpRecord(
    "random_bits",
    (dtypes.uint32, dtypes.uint64),
    _samples,
    _random_bits,
    result=lambda sample: dtypes.as_dtype(sample.attrs["dtype"]),
    specials=(
        _known(0, (0, 0), (0x6B200159, 0x99BA4EFE)),
        _known((1 << 64) - 1, (MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
        _known(0x85A308D3_243F6A88, (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ),
    failures=(
        Failure(
            lambda: random_bits(
                tensor(np.zeros(3, np.uint32)), tensor(np.uint64(0)), (2,), dtypes.uint32
            ),
            ShapeError,
            "random_bits: the key is uint32 (3,), the counter uint64 ()",
        ),
    ),
)
