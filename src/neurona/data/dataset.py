"""The value that every reader returns: inputs, targets and what their axes and numbers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Dataset:
    """Inputs and targets of the same length, checked once and read-only from then on.

    - `inputs`: numbers or booleans, `(sample, …)`; images are `(sample, row, column)` or
      `(sample, row, column, channel)`, tables `(sample, feature)`.
    - `targets`: class indices, integers `(sample,)`, or values, `(sample, …)`.
    - `name`: short name for messages and file names.
    - `axes`: name of each axis of `inputs`, first to last, each with the labels along it or None.
    - `classes`: the name of each class index; empty for a regression.
    - `target_name`: what the targets are, in words.
    - `description`: a few sentences: what it is, units, ranges, origin, licence.

    Arrays are not copied; the data set sees them through read-only views.

    Raises ShapeError when lengths or the number of axes differ, DTypeError for arrays that are not
    numbers, ArgumentError for labels or classes that do not fit, and DataError, with its place, for
    the first NaN, infinity or class index out of range.

    >>> points = Dataset(inputs=[[0.0, 1.0], [2.0, 3.0]], targets=[1, 0], classes=("no", "yes"))
    >>> points
    Dataset 'data': inputs (2, 2) float64, targets (2,) int64, 2 classes
    >>> Dataset(inputs=[[0.0], [np.nan]], targets=[0, 1])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    neurona.core.errors.DataError: Dataset 'data': inputs holds nan at sample 1, feature 0; ...
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    name: str = "data"
    axes: Mapping[str, Sequence[str] | None] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    target_name: str = "target"
    description: str = ""

    def __post_init__(self) -> None:
        inputs, targets = self._array("inputs", self.inputs), self._array("targets", self.targets)
        if len(inputs) != len(targets):
            raise ShapeError(
                f"{self._who}: inputs {inputs.shape} and targets {targets.shape} must have the "
                "same number of samples on their first axis"
            )
        axes = self._named_axes(inputs.shape)
        put = object.__setattr__  # the class is frozen; these are the checked values
        put(self, "inputs", inputs)
        put(self, "targets", targets)
        put(self, "axes", axes)
        put(self, "classes", tuple(self.classes))
        _require_finite(self._who, "inputs", inputs, axes)
        _require_finite(self._who, "targets", targets, dict.fromkeys(["sample", "output"]))
        if self.classes:
            self._check_class_indices()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.inputs)

    def __repr__(self) -> str:
        return (
            f"{self._who}: inputs {self.inputs.shape} {self.inputs.dtype}, "
            f"targets {self.targets.shape} {self.targets.dtype}"
            + (f", {len(self.classes)} classes" if self.classes else "")
        )

    @property
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Inputs and targets, as `Loader(*dataset.arrays, …)` takes them."""
        return self.inputs, self.targets

    def take(self, indices: ArrayLike) -> Dataset:
        """Return the samples at `indices` (integers `(sample,)`), in that order, as a data set.

        >>> Dataset(inputs=[[1], [2], [3]], targets=[0, 1, 0]).take([2, 0]).inputs.tolist()
        [[3], [1]]
        """
        chosen = np.asarray(indices)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise ArgumentError(
                f"{self._who}: take needs a list of sample numbers, found "
                f"{chosen.dtype} of shape {chosen.shape}"
            )
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(self)):
            wrong = chosen[(chosen < 0) | (chosen >= len(self))][0]
            raise ArgumentError(f"{self._who}: take: sample {wrong} is not in 0…{len(self) - 1}")
        axes = dict(self.axes)
        first, labels = next(iter(axes.items()))
        if labels is not None:
            axes[first] = tuple(labels[index] for index in chosen)
        return Dataset(
            inputs=self.inputs.take(chosen, 0),
            targets=self.targets.take(chosen, 0),
            name=self.name,
            axes=axes,
            classes=self.classes,
            target_name=self.target_name,
            description=self.description,
        )

    @property
    def _who(self) -> str:
        return f"Dataset {self.name!r}"

    def _array(self, role: str, values: ArrayLike) -> NDArray[Any]:
        try:
            array = np.asarray(values)
        except ValueError as error:  # rows of different lengths
            raise ShapeError(f"{self._who}: {role} are no array: {error}") from None
        if array.dtype.kind not in "biuf":
            raise DTypeError(
                f"{self._who}: {role} must hold numbers or booleans, found {array.dtype}; "
                "encode text and categories as numbers first"
            )
        if array.ndim == 0:
            raise ShapeError(f"{self._who}: {role} needs a sample axis, found shape ()")
        view = array.view()
        view.flags.writeable = False
        return view

    def _named_axes(self, shape: tuple[int, ...]) -> dict[str, tuple[str, ...] | None]:
        if not self.axes:
            names = ["feature"] if len(shape) == 2 else [f"axis {k}" for k in range(1, len(shape))]
            return dict.fromkeys(["sample", *names])
        if len(self.axes) != len(shape):
            raise ShapeError(
                f"{self._who}: inputs {shape} has {len(shape)} axes, but axes names "
                f"{len(self.axes)}: {', '.join(self.axes)}"
            )
        axes: dict[str, tuple[str, ...] | None] = {}
        for (axis, labels), length in zip(self.axes.items(), shape, strict=True):
            axes[axis] = None if labels is None else tuple(labels)
            if labels is not None and len(labels) != length:
                raise ArgumentError(
                    f"{self._who}: axis {axis!r} of inputs {shape} has length {length}, "
                    f"found {len(labels)} labels"
                )
        return axes

    def _check_class_indices(self) -> None:
        targets = self.targets
        if targets.dtype.kind not in "iu" or targets.ndim != 1:
            raise ArgumentError(
                f"{self._who}: targets of classes must be integers of shape (sample,), found "
                f"{targets.dtype} of shape {targets.shape}"
            )
        if len(targets) and not (targets.min() >= 0 and targets.max() < len(self.classes)):
            row = int(np.argmax((targets < 0) | (targets >= len(self.classes))))
            raise DataError(
                f"{self._who}: targets holds class {targets[row]} at sample {row}; the "
                f"{len(self.classes)} classes are numbered 0…{len(self.classes) - 1}"
            )


def _require_finite(
    who: str, role: str, array: NDArray[Any], axes: Mapping[str, Sequence[str] | None]
) -> None:
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), _ROWS_AT_ONCE):  # bounded memory for the mask
        rows = array[start : start + _ROWS_AT_ONCE]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(rows.sum()):  # no NaN and no infinity, at the price of a sum
                continue
        bad = ~np.isfinite(rows)
        if not bad.any():
            continue
        place = np.unravel_index(int(np.argmax(bad)), bad.shape)
        index = (start + int(place[0]), *(int(k) for k in place[1:]))
        names = [*axes, *(f"axis {k}" for k in range(len(axes), len(index)))]
        where = []
        for axis, k in zip(names, index, strict=False):
            labels = axes.get(axis)
            where.append(f"{axis} {k}" + ("" if labels is None else f" ({labels[k]!r})"))
        raise DataError(
            f"{who}: {role} holds {array[index]} at {', '.join(where)}; "
            "drop these samples or fill the gaps first"
        )
