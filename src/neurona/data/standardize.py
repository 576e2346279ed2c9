"""Standardisation of inputs with the statistics of the training part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, CheckpointError, DataError, DTypeError, ShapeError
from neurona.data.loader import Batches

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False, slots=True)
class Standardizer:
    """Moves every column to mean 0 and standard deviation 1, and back.

        μ_j = Σ_n x_nj / N      σ_j² = Σ_n (x_nj − μ_j)² / (N − 1)      z_nj = (x_nj − μ_j) / σ_j

    - `mean`, `scale`: μ and σ, float64, shaped like one sample `(…)`, with length 1 on an axis
      along which all places share their statistics.

    A constant column has scale 1: it becomes 0, and `inverse` gives the constant back.
    Make one with `fit`, from the training part only: the other parts must not be looked at.
    Source: Y. LeCun et al., "Efficient BackProp" (1998), section 4.3.

    >>> train = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    >>> standardizer = Standardizer.fit(train)
    >>> standardizer.transform(train).tolist()
    [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    >>> bool((standardizer.inverse(standardizer.transform(train)) == train).all())
    True
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(
        cls, inputs: NDArray[Any] | Batches, *, axis: int | tuple[int, ...] = 0
    ) -> Standardizer:
        """Measure mean and scale of `inputs`, `(sample, …)`, in float64.

        A loader is read once, its epoch 0; the first array of a batch holds the inputs.

        `axis`: the axes over which statistics are taken, 0 among them. `axis=(0, 1, 2)` gives the
        images `(sample, row, column)` one mean and one scale for all their pixels.

        Raises DataError for no samples, with its place for a NaN or an infinity, and for values
        beyond 1e154 or so, whose squares are infinite; DTypeError for arrays that are not numbers;
        ArgumentError for axes that are not there.
        """
        blocks, shape = _blocks(inputs)
        axes = (axis,) if isinstance(axis, int) else tuple(axis)
        if 0 not in axes or len(set(axes)) < len(axes) or not set(axes) <= set(range(len(shape))):
            raise ArgumentError(
                f"Standardizer: axis must hold 0 and no more than the axes of {shape}, found {axis}"
            )
        if 0 in shape:
            raise DataError(f"Standardizer: no values to measure in inputs of shape {shape}")
        count, mean, squares, constant = _moments(blocks, axes)
        deviation = np.sqrt(squares / max(count - 1, 1))
        if not (np.isfinite(deviation) | constant).all():
            raise DataError(
                "Standardizer: inputs holds values whose squares exceed float64; rescale them first"
            )
        # A deviation can round to 0 although the column is not constant.
        return cls(mean=mean, scale=np.where(constant | (deviation == 0), 1.0, deviation))

    def transform(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return (inputs − mean) / scale, shape `(sample, …)`.

        Floating inputs keep their dtype, integers and booleans become float32; the arithmetic is
        float64. Raises ShapeError when a sample has another shape than those of `fit`.
        """
        inputs, result = self._prepare(inputs)
        np.subtract(inputs, self.mean, out=result, dtype=np.float64, casting="same_kind")
        np.divide(result, self.scale, out=result, dtype=np.float64, casting="same_kind")
        return result

    def inverse(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return outputs·scale + mean, the way back, under the same rules as `transform`."""
        outputs, result = self._prepare(outputs)
        np.multiply(outputs, self.scale, out=result, dtype=np.float64, casting="same_kind")
        np.add(result, self.mean, out=result, dtype=np.float64, casting="same_kind")
        return result

    def state(self) -> dict[str, NDArray[np.float64]]:
        """Return `mean` and `scale` by name, for the model file; `tolist()` makes them JSON.

        >>> state = Standardizer.fit(np.array([[1.0], [3.0]])).state()
        >>> {name: array.tolist() for name, array in state.items()}
        {'mean': [2.0], 'scale': [1.4142135623730951]}
        """
        return {"mean": self.mean.copy(), "scale": self.scale.copy()}

    @classmethod
    def from_state(cls, state: Mapping[str, ArrayLike]) -> Standardizer:
        """Return the Standardizer whose `state`, as arrays or as nested lists, this is.

        Raises CheckpointError when names or shapes are others, a value is not finite or a scale is
        not positive.
        """
        if set(state) != {"mean", "scale"}:
            raise CheckpointError(
                f"Standardizer: state must hold 'mean' and 'scale', found {sorted(state)}"
            )
        try:
            mean = np.array(state["mean"], dtype=np.float64)
            scale = np.array(state["scale"], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"Standardizer: state does not hold numbers: {error}") from None
        if mean.shape != scale.shape:
            raise CheckpointError(
                f"Standardizer: state has mean {mean.shape} and scale {scale.shape}, which must be "
                "the same shape"
            )
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise CheckpointError("Standardizer: state must be finite, with every scale above 0")
        return cls(mean=mean, scale=scale)

    def _prepare(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        values = _numbers(values)
        shape = self.mean.shape
        fits = values.ndim == 1 + len(shape) and all(
            here in (1, there) for here, there in zip(shape, values.shape[1:], strict=True)
        )
        if not fits:
            raise ShapeError(
                f"Standardizer: inputs {values.shape} must be (sample, …) with samples that fit "
                f"the statistics {shape} measured on the training part"
            )
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
        return values, np.empty(values.shape, dtype)


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise DTypeError(f"Standardizer: inputs must be numbers, found {values.dtype}")
    if values.ndim == 0:
        raise ShapeError("Standardizer: inputs needs a sample axis, found shape ()")
    return values


def _blocks(inputs: NDArray[Any] | Batches) -> tuple[Iterator[NDArray[Any]], tuple[int, ...]]:
    """Return inputs block by block, and the shape of all of them."""
    if isinstance(inputs, Batches):
        shape = (inputs.samples, *_numbers(inputs.peek()[0]).shape[1:])
        return (_numbers(batch[0]) for batch in inputs.epoch(0)), shape
    whole = _numbers(inputs)
    starts = range(0, len(whole), _ROWS_AT_ONCE)
    return (whole[start : start + _ROWS_AT_ONCE] for start in starts), whole.shape


def _moments(
    blocks: Iterator[NDArray[Any]], axes: tuple[int, ...]
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return values a column, their mean, their Σ(x − mean)², and which columns are constant."""
    count, mean, squares = 0, np.float64(0), np.float64(0)
    low, high = np.float64(np.inf), np.float64(-np.inf)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller says so in words
        start = 0
        for block in blocks:
            rows = block.astype(np.float64)
            if not np.isfinite(rows).all():
                place = np.unravel_index(int(np.argmin(np.isfinite(rows))), rows.shape)
                index = (start + int(place[0]), *(int(k) for k in place[1:]))
                found = block[tuple(int(k) for k in place)]
                raise DataError(f"Standardizer: inputs holds {found} at index {index}")
            start += len(rows)
            low = np.minimum(low, rows.min(axis=axes, keepdims=True))
            high = np.maximum(high, rows.max(axis=axes, keepdims=True))
            # Chan, Golub, LeVeque (1979): merge count, mean and sum of squares of two parts.
            rows_mean = rows.mean(axis=axes, keepdims=True)
            rows_squares = np.square(rows - rows_mean).sum(axis=axes, keepdims=True)
            rows_count = rows.size // rows_mean.size
            total = count + rows_count
            shift = rows_mean - mean
            squares = squares + rows_squares + np.square(shift) * (count * rows_count / total)
            mean = mean + shift * (rows_count / total)
            count = total
    constant = np.asarray(low == high)  # exact, where rounding could leave a tiny deviation
    return count, np.where(constant, low, mean)[0], np.asarray(squares)[0], constant[0]
