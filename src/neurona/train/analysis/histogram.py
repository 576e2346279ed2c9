"""Counts of values in bins of one width, small enough to be kept for every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 40
MOST_VALUES = 50_000
"""Of more values, evenly spaced ones are counted: the shape of the histogram stays the same."""


def thinned(values: NDArray[Any], most: int = MOST_VALUES) -> NDArray[Any]:
    """At most so many of the values, evenly spaced, as one axis."""
    flat = np.ravel(values)
    return flat[:: max(1, -(-flat.size // most))]


def histogram(values: NDArray[Any]) -> dict[str, Any]:
    """low, high, counts of `BINS` equal bins between them; mean, std, share of zeros.

    Values that are not finite are counted apart.

    >>> found = histogram(np.array([0.0, 0.0, 1.0, 3.0]))
    >>> found["low"], found["high"], found["counts"][0], found["counts"][-1], found["zeros"]
    (0.0, 3.0, 2, 1, 0.5)
    """
    flat = thinned(values).astype(np.float64)
    finite = flat[np.isfinite(flat)]
    found: dict[str, Any] = {"values": int(values.size), "not_finite": int(flat.size - finite.size)}
    if not finite.size:
        return found | {
            "low": 0.0,
            "high": 0.0,
            "counts": [],
            "mean": 0.0,
            "std": 0.0,
            "zeros": 0.0,
        }
    low, high = float(finite.min()), float(finite.max())
    # All values the same, or so close that 40 bins between them have no width.
    narrow = not high - low > abs(high) * 1e-12
    edges = (low - 0.5, low + 0.5) if narrow else (low, high)
    counts, _ = np.histogram(finite, BINS, edges)
    return found | {
        "low": low,
        "high": high,
        "counts": counts.tolist(),
        "mean": float(finite.mean()),
        "std": float(finite.std()),
        "zeros": float((finite == 0).mean()),
    }
