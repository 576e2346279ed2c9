"""The samples that an analysis looks at, and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.trace import no_grad
from neurona.nn.module import Module
from neurona.nn.summary import Summary
from neurona.train import checks
from neurona.train.losses import Loss

if TYPE_CHECKING:
    from neurona.train.model import Model

MOST_SAMPLES = 2000
MOST_OPERATIONS = 2e10
"""Floating-point operations of all forward passes together: about a second, eagerly."""
BATCH = 256
SMALLEST_SIDE = 4
WIDEST = 8.0
"""Sides below, or of a ratio above, are rather a table or a series than a picture."""
PICTURE_SIDE = 96
"""Larger pictures are made smaller, or sixteen of them would make the report large."""


class LeftOut(Exception):  # noqa: N818  (a reason, not a mistake)
    """A part of the analysis that does not apply; the message is the reason, for the report."""


@dataclass(frozen=True, slots=True)
class Material:
    """A model and the samples that it is looked at with.

    raw: inputs as given; inputs: as the network takes them; `(sample, …)` both. indices: where in
    the part they lie. outputs: what the network makes of them. names: of the features of a table.
    """

    model: Model
    raw: NDArray[Any]
    inputs: NDArray[Any]
    targets: NDArray[Any]
    indices: NDArray[np.intp]
    outputs: NDArray[Any]
    names: tuple[str, ...]
    raw_names: tuple[str, ...]
    summary: Summary
    of: int

    @property
    def network(self) -> Module:
        """The network that is looked at."""
        return self.model.network

    @property
    def loss(self) -> Loss:
        """The loss. Raises `LeftOut` where none was chosen."""
        if self.model.loss is None:
            raise LeftOut("the model has no loss")
        return self.model.loss


def gather(model: Model, inputs: Any, targets: Any, *, prepared: bool) -> Material:
    """Choose samples, evenly spaced over the part, and run the network on them."""
    inputs, targets = np.asarray(inputs), np.asarray(targets)
    if not inputs.ndim or inputs.shape[:1] != targets.shape[:1]:
        raise ShapeError(
            f"analyse: inputs {inputs.shape} and targets {targets.shape} must have the same number "
            "of samples on their first axis"
        )
    if not len(inputs):
        raise ShapeError(f"analyse: inputs {inputs.shape} hold no samples")
    if targets.dtype.kind not in "biuf":
        raise ArgumentError(f"analyse: targets must be numbers, found {targets.dtype}")
    dtype = checks.dtype_of(model.network)
    first = _ready(model, inputs[:1], dtype, prepared)
    summary = model.network.summary(first)
    most = max(16, min(MOST_SAMPLES, int(MOST_OPERATIONS / max(summary.flops, 1))))
    indices = spread(len(inputs), most)
    raw = inputs[indices]
    ready = _ready(model, raw, dtype, prepared)
    outputs = _outputs(model.network, ready)
    width = ready.shape[1] if ready.ndim == 2 else 0
    raw_width = raw.shape[1] if raw.ndim == 2 else 0
    return Material(
        model,
        raw,
        ready,
        _cast(targets[indices], dtype),
        indices,
        outputs,
        feature_names(model, width),
        feature_names(model, raw_width),
        summary,
        len(inputs),
    )


def _outputs(network: Module, inputs: NDArray[Any]) -> NDArray[Any]:
    with no_grad():
        parts = [network(inputs[i : i + BATCH]).numpy() for i in range(0, len(inputs), BATCH)]
    outputs: NDArray[Any] = np.concatenate(parts).astype(np.float64)
    return outputs


def spread(length: int, most: int) -> NDArray[np.intp]:
    """At most so many positions in 0…length−1, evenly spaced.

    >>> spread(10, 4).tolist(), spread(3, 4).tolist()
    ([0, 2, 5, 7], [0, 1, 2])
    """
    count = min(length, most)
    positions: NDArray[np.intp] = np.arange(count, dtype=np.intp) * length // max(count, 1)
    return positions


def _ready(model: Model, inputs: NDArray[Any], dtype: DType, prepared: bool) -> NDArray[Any]:
    if not prepared and model.preprocessing is not None:
        inputs = model.preprocessing.transform(inputs)
    return _cast(np.asarray(inputs), dtype)


def _cast(array: NDArray[Any], dtype: DType) -> NDArray[Any]:
    """Floats as the network's, like the loader does; integers stay."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def feature_names(model: Model, count: int) -> tuple[str, ...]:
    """The names of a table's columns as the preprocessing knows them, or none."""
    for name in ("feature_names", "names"):
        names = getattr(model.preprocessing, name, None)
        if isinstance(names, Sequence) and not isinstance(names, str) and len(names) == count:
            return tuple(str(one) for one in names)
    return ()


# --- pictures ---


def picture_layout(shape: Sequence[int]) -> str | None:
    """How a sample of this shape is a picture: "HW", "HWC", "CHW", or None.

    >>> [picture_layout(s) for s in [(28, 28), (32, 32, 3), (3, 32, 32), (64,), (2, 100)]]
    ['HW', 'HWC', 'CHW', None, None]
    """
    match tuple(shape):
        case (h, w) if _is_picture(h, w):
            return "HW"
        case (h, w, 1 | 3) if _is_picture(h, w):
            return "HWC"
        case (1 | 3, h, w) if _is_picture(h, w):
            return "CHW"
    return None


def _is_picture(height: int, width: int) -> bool:
    low, high = sorted((height, width))
    return low >= SMALLEST_SIDE and high <= WIDEST * low


def as_pictures(samples: NDArray[Any], layout: str) -> NDArray[Any]:
    """Samples of a layout as `(sample, row, column)` or `(sample, row, column, 3)`."""
    if layout == "CHW":
        samples = np.moveaxis(samples, 1, -1)
    return samples[..., 0] if layout != "HW" and samples.shape[-1] == 1 else samples


def to_bytes(pictures: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Pictures as 0…255 from `low` to `high`, no side longer than `PICTURE_SIDE`."""
    scale = 255 / (high - low) if high > low else 0.0
    levels = np.clip((pictures.astype(np.float64) - low) * scale, 0, 255).round().astype(np.uint8)
    step = -(-max(levels.shape[1:3]) // PICTURE_SIDE)
    if step == 1:
        return levels
    rows, columns = (extent // step * step for extent in levels.shape[1:3])
    blocks = levels[:, :rows, :columns].reshape(
        len(levels), rows // step, step, columns // step, step, *levels.shape[3:]
    )
    small: NDArray[np.uint8] = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    return small
