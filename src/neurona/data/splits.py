"""Splitting samples into training, validation and test parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data.dataset import Dataset
from neurona.data.order import permutation

# The loader's streams are its epochs; the last one is out of their reach, so that with the same
# seed the split says nothing about the order of an epoch.
_STREAM = (1 << 64) - 1


@overload
def split(
    data: Dataset,
    fractions: Sequence[float] = ...,
    *,
    seed: int = ...,
    stratify: ArrayLike | None = ...,
) -> tuple[Dataset, ...]: ...
@overload
def split(
    data: tuple[NDArray[Any], ...],
    fractions: Sequence[float] = ...,
    *,
    seed: int = ...,
    stratify: ArrayLike | None = ...,
) -> tuple[tuple[NDArray[Any], ...], ...]: ...
def split(
    data: Dataset | tuple[NDArray[Any], ...],
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int = 0,
    stratify: ArrayLike | None = None,
) -> tuple[Dataset, ...] | tuple[tuple[NDArray[Any], ...], ...]:
    """Split a data set, or arrays of the same length, at random into disjoint parts.

    Every sample is in exactly one part, and a part keeps the order of the data. Sizes follow the
    rule of `split_indices`. `stratify` is a label for each sample, `(sample,)`, whose shares every
    part should keep, usually `data.targets`.

    Raises what `split_indices` raises, ShapeError when the arrays' lengths differ.

    >>> x, y = np.arange(10.0), np.arange(10) % 2
    >>> train, validation, test = split((x, y))
    >>> [len(part[0]) for part in (train, validation, test)]
    [8, 1, 1]
    """
    if isinstance(data, Dataset):
        parts = split_indices(len(data), fractions, seed=seed, stratify=stratify)
        return tuple(data.take(part) for part in parts)
    if not data or len({len(array) for array in data}) != 1:
        raise ShapeError(
            "split: needs arrays of one length on their first axis, found shapes "
            f"{[np.shape(array) for array in data]}"
        )
    parts = split_indices(len(data[0]), fractions, seed=seed, stratify=stratify)
    return tuple(tuple(array[part] for array in data) for part in parts)


def split_indices(
    length: int,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int = 0,
    stratify: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], ...]:
    """Return the sorted sample numbers of each part.

    Rule for the sizes: each part gets the whole number in fraction·length; the samples left over go
    one each to the parts with the largest remainders, earlier parts first among equals.
    With `stratify` the sizes stay the same; part by part, the places of a part are shared out among
    the labels by the same rule, in proportion to the samples that each label has left. Each part
    is then within one sample of the label's share of what was left.

    Raises ArgumentError when the fractions are not positive or do not add up to 1, when a part
    would be empty, or when `stratify` is not one label a sample.

    >>> [part.tolist() for part in split_indices(5, (0.6, 0.4), seed=3, stratify=list("aabbb"))]
    [[1, 2, 3], [0, 4]]
    """
    if not all(0 < fraction <= 1 for fraction in fractions) or not math.isclose(
        sum(fractions), 1, abs_tol=1e-6
    ):
        raise ArgumentError(
            f"split: fractions must be positive and add up to 1, found {tuple(fractions)}"
        )
    sizes = _share_out(length, np.array(fractions, dtype=np.float64))
    if min(sizes) == 0:
        raise ArgumentError(
            f"split: {length} samples leave a part of {tuple(fractions)} empty: sizes {sizes}"
        )
    order = permutation(length, seed=seed, stream=_STREAM)
    if stratify is None:
        return tuple(np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1]))
    labels = np.asarray(stratify)
    if labels.shape != (length,):
        raise ArgumentError(
            f"split: stratify must hold one label for each of {length} samples, shape "
            f"({length},), found shape {labels.shape}"
        )
    _, label_of = np.unique(labels, return_inverse=True)
    grouped = order[np.argsort(label_of[order], kind="stable")]  # label by label, random within
    left = np.bincount(label_of)
    next_of = np.cumsum(left) - left
    parts = []
    for size in sizes:
        counts = np.array(_share_out(size, left.astype(np.float64)))
        spans = zip(next_of.tolist(), (next_of + counts).tolist(), strict=True)
        parts.append(np.sort(np.concatenate([grouped[start:stop] for start, stop in spans])))
        next_of = next_of + counts
        left = left - counts
    return tuple(parts)


def _share_out(total: int, weights: NDArray[np.float64]) -> list[int]:
    """Divide `total` in proportion to `weights` by largest remainder, earlier first among ties."""
    exact = total * (weights / weights.sum())
    # 0.1 * 30 is 3.0000000000000004 and 0.29 * 100 is 28.999999999999996: both are meant whole.
    exact = np.where(np.abs(exact - exact.round()) < 1e-12 * total, exact.round(), exact)
    sizes = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(sizes - exact, kind="stable")
    sizes[by_remainder[: total - int(sizes.sum())]] += 1
    return [int(size) for size in sizes]
