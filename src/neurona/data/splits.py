"""Splitting samples into training, validation and test parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data.dataset import Dataset
from neurona.data.order import permutation
from neurona.data.source import Source
from neurona.data.table import Table

# The loader's streams are its epochs; the last one is out of their reach, so that with the same
# seed the split says nothing about the order of an epoch.
_STREAM = (1 << 64) - 1


_Samples = TypeVar("_Samples", Dataset, Table, Source)


@overload
def split(
    data: _Samples,
    fractions: Sequence[float] = ...,
    *,
    seed: int = ...,
    stratify: ArrayLike | None = ...,
    groups: ArrayLike | None = ...,
    order: ArrayLike | None = ...,
) -> tuple[_Samples, ...]: ...
@overload
def split(
    data: tuple[NDArray[Any], ...],
    fractions: Sequence[float] = ...,
    *,
    seed: int = ...,
    stratify: ArrayLike | None = ...,
    groups: ArrayLike | None = ...,
    order: ArrayLike | None = ...,
) -> tuple[tuple[NDArray[Any], ...], ...]: ...
def split(
    data: Dataset | Table | Source | tuple[NDArray[Any], ...],
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int = 0,
    stratify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    order: ArrayLike | None = None,
) -> tuple[Any, ...]:
    """Split a data set, a table, a source, or arrays of the same length into disjoint parts.

    Every sample is in exactly one part, and a part keeps the order of the data. Sizes follow the
    rule of `split_indices`. Samples are dealt out at random by `seed`, and at most one of these
    says more, each with a value for every sample, `(sample,)`:

    - `stratify`: labels whose shares every part should keep, usually `data.targets`.
    - `groups`: labels of which none is in two parts, e.g. the person that samples come from.
    - `order`: numbers, dates or texts by which the first samples go to the first part, e.g. times,
      so that what comes later is told from what was before. Nothing is random then.

    Raises what `split_indices` raises, ShapeError when the arrays' lengths differ.

    >>> x, y = np.arange(10.0), np.arange(10) % 2
    >>> train, validation, test = split((x, y))
    >>> [len(part[0]) for part in (train, validation, test)]
    [8, 1, 1]
    """
    arrays = data if isinstance(data, tuple) else (np.empty(len(data)),)
    if not arrays or len({len(array) for array in arrays}) != 1:
        raise ShapeError(
            "split: needs arrays of one length on their first axis, found shapes "
            f"{[np.shape(array) for array in arrays]}"
        )
    parts = split_indices(
        len(arrays[0]), fractions, seed=seed, stratify=stratify, groups=groups, order=order
    )
    if isinstance(data, tuple):
        return tuple(tuple(array[part] for array in data) for part in parts)
    return tuple(data.take(part) for part in parts)


def split_indices(
    length: int,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    seed: int = 0,
    stratify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    order: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], ...]:
    """Return the sorted sample numbers of each part; the arguments are those of `split`.

    Rule for the sizes: each part gets the whole number in fraction·length; the samples left over go
    one each to the parts with the largest remainders, earlier parts first among equals.

    - With `stratify` the sizes stay the same; part by part, the places of a part are shared out
      among the labels by the same rule, in proportion to the samples that each label has left. Each
      part is then within one sample of the label's share of what was left.
    - With `groups` the largest group comes first (in random order among equals), and each goes to
      the part that lacks most, except that none stays empty. A part is too large by no more than
      the largest group.
    - With `order` the sizes stay the same; equal values keep the order of the data.

    Raises ArgumentError when the fractions are not positive or do not add up to 1, when a part
    would be empty, when two of the arguments are given or one is not a value a sample.

    >>> [part.tolist() for part in split_indices(5, (0.6, 0.4), seed=3, stratify=list("aabbb"))]
    [[1, 2, 3], [0, 4]]
    >>> [part.tolist() for part in split_indices(5, (0.6, 0.4), seed=3, groups=list("aabbb"))]
    [[2, 3, 4], [0, 1]]
    >>> [part.tolist() for part in split_indices(5, (0.6, 0.4), order=[9, 8, 5, 6, 7])]
    [[2, 3, 4], [0, 1]]
    """
    if not all(0 < fraction <= 1 for fraction in fractions) or not math.isclose(
        sum(fractions), 1, abs_tol=1e-6
    ):
        raise ArgumentError(
            f"split: fractions must be positive and add up to 1, found {tuple(fractions)}"
        )
    given = {"stratify": stratify, "groups": groups, "order": order}
    both = [name for name, values in given.items() if values is not None]
    if len(both) > 1:
        raise ArgumentError(f"split: give {' or '.join(both)}, not both")
    sizes = _share_out(length, np.array(fractions, dtype=np.float64))
    if min(sizes) == 0:
        raise ArgumentError(
            f"split: {length} samples leave a part of {tuple(fractions)} empty: sizes {sizes}; "
            "choose larger shares for it, leave it out, or gather more samples"
        )
    if order is not None:
        return _cut(_ascending(_values("order", order, length)), sizes)
    shuffled = permutation(length, seed=seed, stream=_STREAM)
    if stratify is not None:
        labels = _numbered(_values("stratify", stratify, length))
        return _in_proportion(shuffled, sizes, labels)
    if groups is not None:
        return _whole_groups(shuffled, sizes, _numbered(_values("groups", groups, length)))
    return _cut(shuffled, sizes)


def _cut(order: NDArray[np.int64], sizes: list[int]) -> tuple[NDArray[np.int64], ...]:
    return tuple(np.sort(part) for part in np.split(order, np.cumsum(sizes)[:-1]))


def _in_proportion(
    order: NDArray[np.int64], sizes: list[int], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    grouped = order[np.argsort(labels[order], kind="stable")]  # label by label, random within
    left = np.bincount(labels)
    next_of = np.cumsum(left) - left
    parts = []
    for size in sizes:
        counts = np.array(_share_out(size, left.astype(np.float64)))
        spans = zip(next_of.tolist(), (next_of + counts).tolist(), strict=True)
        parts.append(np.sort(np.concatenate([grouped[start:stop] for start, stop in spans])))
        next_of = next_of + counts
        left = left - counts
    return tuple(parts)


def _whole_groups(
    order: NDArray[np.int64], sizes: list[int], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], ...]:
    counts = np.bincount(labels)
    if len(counts) < len(sizes):
        raise ArgumentError(f"split: {len(counts)} groups leave one of {len(sizes)} parts empty")
    shuffled = list(dict.fromkeys(labels[order].tolist()))
    wanted = np.array(sizes)
    found = np.zeros(len(sizes), dtype=np.int64)
    part_of = np.empty(len(counts), dtype=np.int64)
    for k, label in enumerate(sorted(shuffled, key=lambda label: -counts[label])):
        lacking = wanted - found
        if len(counts) - k <= np.count_nonzero(found == 0):  # one left for each empty part
            lacking[found > 0] = lacking.min() - 1
        part = int(lacking.argmax())
        part_of[label] = part
        found[part] += counts[label]
    return tuple(np.flatnonzero(part_of[labels] == part) for part in range(len(sizes)))


def _values(role: str, given: ArrayLike, length: int) -> NDArray[Any]:
    """The argument `(sample,)`, without a gap except for `stratify`, where it is a label."""
    values = np.asarray(given)
    if values.shape != (length,):
        raise ArgumentError(
            f"split: {role} must hold one {'value' if role == 'order' else 'label'} for each of "
            f"{length} samples, shape ({length},), found shape {values.shape}"
        )
    gaps = values != values  # NaN and NaT
    if values.dtype == object:
        gaps = np.array([value is None or value != value for value in values], dtype=bool)
    if role != "stratify" and gaps.any():
        raise ArgumentError(f"split: {role} has no value for sample {int(gaps.argmax())}")
    return values


def _numbered(labels: NDArray[Any]) -> NDArray[np.int64]:
    """A number 0…K−1 for each of K labels, `(sample,)`."""
    if labels.dtype == object:  # text with gaps: np.unique cannot sort None
        number_of = {label: k for k, label in enumerate(dict.fromkeys(labels.tolist()))}
        return np.array([number_of[label] for label in labels.tolist()], dtype=np.int64)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _ascending(values: NDArray[Any]) -> NDArray[np.int64]:
    try:
        return np.argsort(values, kind="stable").astype(np.int64)
    except TypeError as error:
        raise ArgumentError(f"split: order: {error}") from None


def _share_out(total: int, weights: NDArray[np.float64]) -> list[int]:
    """Divide `total` in proportion to `weights` by largest remainder, earlier first among ties."""
    exact = total * (weights / weights.sum())
    # 0.1 * 30 is 3.0000000000000004 and 0.29 * 100 is 28.999999999999996: both are meant whole.
    exact = np.where(np.abs(exact - exact.round()) < 1e-12 * total, exact.round(), exact)
    sizes = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(sizes - exact, kind="stable")
    sizes[by_remainder[: total - int(sizes.sum())]] += 1
    return [int(size) for size in sizes]
