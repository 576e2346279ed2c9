"""The samples that an analysis looks at, taken from arrays or from what a loader serves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data.columns import ColumnEncoder, NumericColumn
from neurona.data.standardize import Standardizer
from neurona.data.stream import StreamLoader
from neurona.train import checks, parts
from neurona.train.parts import Part
from neurona.train.selection import evaluation_mode

if TYPE_CHECKING:
    from neurona.train.model import Model

VALUES = 40
"""Of a row or a sequence, so many values are shown."""
PROBE_OPERATIONS = 2e8
"""Floating-point operations of one forward pass that is made after an epoch: some milliseconds."""

Row = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a part, `(sample, …)`.

    raw: inputs as in the data files, as far as that is known. inputs: as the network takes them.
    indices: where in the part they lie, of `of` samples. names: what messages call them, or none.
    """

    raw: NDArray[Any]
    inputs: NDArray[Any]
    targets: NDArray[Any]
    indices: NDArray[np.intp]
    of: int
    names: tuple[str, ...] = ()


def spread(length: int, most: int) -> NDArray[np.intp]:
    """At most so many positions in 0…length−1, evenly spaced.

    >>> spread(10, 4).tolist(), spread(3, 4).tolist()
    ([0, 2, 5, 7], [0, 1, 2])
    """
    count = min(length, most)
    positions: NDArray[np.intp] = np.arange(count, dtype=np.intp) * length // max(count, 1)
    return positions


def from_arrays(model: Model, x: Any, y: Any, most: int) -> Samples:
    """Samples of inputs before preprocessing, or a Table, and targets."""
    targets = np.asarray(y)
    if isinstance(x, (list, tuple)):
        x = np.asarray(x)
    if not targets.ndim or not hasattr(x, "__len__") or len(x) != len(targets):
        found = getattr(x, "shape", None) or f"of {len(x) if hasattr(x, '__len__') else 'no'} rows"
        raise ShapeError(
            f"analyse: inputs {found} and targets {targets.shape} must have the same number of "
            "samples on their first axis"
        )
    if not len(targets):
        raise ShapeError("analyse: there are no samples")
    if targets.dtype.kind not in "biuf":
        raise ArgumentError(f"analyse: targets must be numbers, found {targets.dtype}")
    indices = spread(len(targets), most)
    chosen = x[indices] if isinstance(x, np.ndarray) else x.take(indices)
    transform = (lambda x: x) if model.preprocessing is None else model.preprocessing.transform
    dtype = checks.dtype_of(model.network)
    inputs = parts.as_dtype(np.asarray(transform(chosen)), dtype)
    raw = chosen if isinstance(chosen, np.ndarray) else inputs
    return Samples(raw, inputs, parts.as_dtype(targets[indices], dtype), indices, len(targets))


def from_part(model: Model, part: Part, most: int) -> Samples:
    """Samples of a part that training or validation is served from."""
    loader = part.loader
    names: tuple[str, ...] = ()
    if part.arrays:
        indices = spread(part.samples, most)
        batch = tuple(array[indices] for array in part.arrays[:2])
    elif isinstance(loader, StreamLoader):
        indices = spread(part.samples, most)
        names = tuple(loader.source.name(int(i)) for i in indices)
        batch = _served(loader.source.read_batch(indices.astype(np.int64)), part)
    else:
        batch, indices = _collected(part, most)
    dtype = checks.dtype_of(model.network)
    inputs, targets = (parts.as_dtype(array, dtype) for array in batch)
    return Samples(_undone(model, inputs), inputs, targets, indices, part.samples, names)


def probe_of(model: Model, part: Part, most: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A few samples of the training part, fewer where the network is large."""
    first = part.peek()
    with evaluation_mode(model.network):
        flops = model.network.summary(first[0][:1]).flops
    count = max(8, min(most, int(PROBE_OPERATIONS / max(flops, 1))))
    if part.arrays or isinstance(part.loader, StreamLoader):
        samples = from_part(model, part, count)
        return samples.inputs, samples.targets
    dtype = checks.dtype_of(model.network)
    return parts.as_dtype(first[0], dtype), parts.as_dtype(first[1], dtype)


def _served(batch: Sequence[NDArray[Any]], part: Part) -> tuple[NDArray[Any], ...]:
    whole = tuple(batch)
    return (whole if part.prepare is None else part.prepare(whole))[:2]


def _collected(part: Part, most: int) -> tuple[tuple[NDArray[Any], ...], NDArray[np.intp]]:
    """Evenly spaced samples in the order in which somebody's own loader serves epoch 0."""
    wanted = spread(part.samples, most)
    begun, found = 0, []
    for batch in part.epoch(0):
        here = wanted[(wanted >= begun) & (wanted < begun + len(batch[0]))] - begun
        if len(here):
            found.append([array[here] for array in batch[:2]])
        begun += len(batch[0])
    columns = zip(*found, strict=True)
    return tuple(np.concatenate(column) for column in columns), wanted[wanted < begun]


def _undone(model: Model, inputs: NDArray[Any]) -> NDArray[Any]:
    """Inputs as they were before preprocessing, where that is known and matters to the eye."""
    if isinstance(model.preprocessing, Standardizer):
        return model.preprocessing.inverse(inputs)
    return inputs


def encoder_of(model: Model, count: int) -> ColumnEncoder | None:
    """What made so many features from the columns of a table: the preprocessing or the reader."""
    for encoder in (model.preprocessing, getattr(model.reader, "encoder", None)):
        if isinstance(encoder, ColumnEncoder) and len(encoder.feature_names) == count:
            return encoder
    return None


def feature_names(model: Model, count: int) -> tuple[str, ...]:
    """The names of a table's features, or none."""
    encoder = encoder_of(model, count)
    return () if encoder is None else encoder.feature_names


def row_of(model: Model, samples: Samples, i: int) -> tuple[Row, int]:
    """The values of a sample with their names, and how many there are in all."""
    flat = np.ravel(samples.raw[i])
    encoder = encoder_of(model, len(flat)) if samples.raw.ndim == 2 else None
    if encoder is not None:
        row = _decoded(encoder, flat)
    else:
        plain = "feature {}" if flat.dtype.kind == "f" and samples.raw.ndim == 2 else "[{}]"
        row = [[plain.format(k), value] for k, value in enumerate(flat.tolist())]
    return row[:VALUES], len(row)


def _decoded(encoder: ColumnEncoder, features: NDArray[Any]) -> Row:
    """The columns that a row of features was made from."""
    row: Row = []
    start = 0
    for column in encoder.columns:
        own = features[start : start + len(column.features)]
        start += len(own)
        if isinstance(column, NumericColumn):
            gap = column.gaps and bool(own[1])
            number = float(own[0]) * column.scale + column.mean
            # Single precision has seven digits, of the mean and the scale too.
            digits = 6 - math.ceil(math.log10(max(abs(number), abs(column.mean), column.scale)))
            row.append([column.name, "missing" if gap else round(number, digits)])
            continue
        marked = np.flatnonzero(own)
        if not len(marked):
            row.append([column.name, "unknown"])
        elif marked[0] == len(column.categories):
            row.append([column.name, "missing"])
        else:
            row.append([column.name, column.categories[marked[0]]])
    return row
