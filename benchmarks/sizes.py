"""Sizes that operations share: inside the last-level cache and well beyond it."""

from __future__ import annotations

import numpy as np

from benchmarks.machine import last_level_cache

MEBIBYTE = 1 << 20


def traffic_inside() -> int:
    """Bytes that stay in the last-level cache beside what else is there: 8 MiB or a quarter."""
    return min(8 * MEBIBYTE, last_level_cache() // 4)


def traffic_beyond() -> int:
    """Four times the last-level cache, from 64 MiB to 1 GiB."""
    return min(1024 * MEBIBYTE, max(64 * MEBIBYTE, 4 * last_level_cache()))


def rows_for(traffic: int, row_bytes: int) -> int:
    """How many rows, a multiple of 64, move about `traffic` bytes."""
    return max(64, traffic // row_bytes // 64 * 64)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """N(0, 1) in float32."""
    return rng.standard_normal(shape, dtype=np.float32)
