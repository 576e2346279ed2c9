"""The data that `fit`, `evaluate` and `predict` take, ready to be served in batches."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data.dataset import Dataset
from neurona.data.loader import Loader
from neurona.train.weighting import ClassTable, checked_weights

Batch = tuple[NDArray[Any], ...]
Prepare = Callable[[Batch], Batch]


class Part:
    """A part of the data: a loader, and what is still to be done to each of its batches.

    arrays: inputs and targets of all samples, where they lie in memory.
    """

    def __init__(
        self, loader: Any, prepare: Prepare | None = None, arrays: tuple[NDArray[Any], ...] = ()
    ) -> None:
        self.loader = loader
        self.prepare = prepare
        self.arrays = arrays
        self.samples: int = loader.samples
        self.batch_size: int = loader.batch_size

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self.loader)

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from one on."""
        batches: Iterator[Batch] = self.loader.epoch(epoch, start_batch=start_batch)
        return batches if self.prepare is None else map(self.prepare, batches)

    def peek(self) -> Batch:
        """The first one or two samples, prepared."""
        batch: Batch = self.loader.peek()
        return batch if self.prepare is None else self.prepare(batch)

    @property
    def waited(self) -> float:
        """Seconds that the current epoch has waited for data."""
        return float(self.loader.waited)

    def fingerprint(self) -> dict[str, Any]:
        """What shows whether these are the same data in the same order, fit for JSON."""
        checksum = 0
        for array in self.arrays or getattr(self.loader, "arrays", ()) or self.peek():
            checksum = zlib.crc32(repr((array.shape[1:], array.dtype.str)).encode(), checksum)
            checksum = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, checksum)
        return {
            "samples": self.samples,
            "batches": len(self),
            "batch_size": self.batch_size,
            "seed": self.loader.seed,
            "checksum": f"{checksum:08x}",
        }


def is_loader(x: Any) -> bool:
    """Whether x serves batches itself."""
    return all(hasattr(x, name) for name in ("epoch", "peek", "samples", "batch_size", "seed"))


def arrays_of(
    x: Any, y: Any, weights: Any, transform: Callable[[Any], Any], name: str
) -> tuple[NDArray[Any], ...]:
    """Inputs, preprocessed, and targets, and weights if there are any, as arrays of one length.

    Raises `ShapeError`, `DTypeError` or `DataError` that names the first bad place.
    """
    if isinstance(x, Dataset):
        if y is not None:
            raise ArgumentError(f"{name} data: a Dataset has its targets; leave y out")
        x, y = x.arrays
    if y is None:
        raise ArgumentError(f"{name} data: targets are needed, as in fit(x, y)")
    inputs, targets = Dataset(inputs=transform(x), targets=y, name=name).arrays
    if len(inputs) == 0:
        raise ShapeError(f"Dataset {name!r}: inputs {inputs.shape} hold no samples")
    if weights is None:
        return inputs, targets
    return inputs, targets, checked_weights(weights, len(inputs), f"Dataset {name!r}")


def in_memory(
    arrays: tuple[NDArray[Any], ...], dtype: Any, classes: ClassTable | None, **options: Any
) -> Part:
    """A part of arrays: inputs, targets, and weights if there are any."""
    if classes is not None:
        weights = classes.of(arrays[1])
        arrays = (*arrays[:2], weights * arrays[2] if len(arrays) > 2 else weights)
    return Part(Loader(*arrays, dtype=dtype, **options), arrays=arrays)


def streamed(
    loader: Any,
    transform: Callable[[Any], Any] | None,
    dtype: Any,
    classes: ClassTable | None,
    name: str,
) -> Part:
    """A part that somebody else's loader serves."""

    def prepare(batch: Batch) -> Batch:
        if len(batch) not in (2, 3):
            raise ArgumentError(
                f"{name} data: the loader serves {len(batch)} arrays; inputs and targets are "
                "needed, and weights if there are any"
            )
        x, y, *weights = batch
        parts = [x if transform is None else transform(x), y]
        if weights:
            parts.append(checked_weights(weights[0], len(y), f"{name} data"))
        if classes is not None:
            own = classes.of(y)
            parts = [*parts[:2], own * parts[2] if weights else own]
        return tuple([as_dtype(part, dtype) for part in parts])

    return Part(loader, prepare)


def as_dtype(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Floating arrays in the network's dtype, others as they are."""
    array = np.asarray(array)
    return array.astype(dtype) if array.dtype.kind == "f" and array.dtype != dtype else array
