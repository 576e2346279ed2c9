"""What an analysis starts from: samples, what the network makes of them, how they look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.trace import no_grad
from neurona.nn.module import Module
from neurona.nn.summary import Summary
from neurona.train.analysis.samples import Samples, feature_names
from neurona.train.losses import Loss

if TYPE_CHECKING:
    from neurona.train.model import Model

MOST_SAMPLES = 2000
MOST_OPERATIONS = 2e10
"""Floating-point operations of all forward passes together: about a second, eagerly."""
BATCH = 256
PASS_OPERATIONS = 5e9
"""Of a pass that is timed or differentiated: large networks get smaller batches."""
SMALLEST_SIDE = 4
WIDEST = 8.0
"""Sides below, or of a ratio above, are rather a table or a series than a picture."""
PICTURE_SIDE = 96
"""Larger pictures are made smaller, or sixteen of them would make the report large."""


class LeftOut(Exception):  # noqa: N818  (a reason, not a mistake)
    """A part of the analysis that does not apply; the message is the reason, for the report."""


@dataclass(frozen=True, slots=True)
class Material:
    """A model, the samples that it is looked at with, and what it makes of them.

    outputs: `(sample, …)`, float64, as the network gives them. names: of a table's features.
    """

    model: Model
    samples: Samples
    outputs: NDArray[Any]
    names: tuple[str, ...]
    summary: Summary

    @property
    def network(self) -> Module:
        """The network that is looked at."""
        return self.model.network

    @property
    def raw(self) -> NDArray[Any]:
        """The inputs as in the data files, as far as that is known."""
        return self.samples.raw

    @property
    def inputs(self) -> NDArray[Any]:
        """The inputs as the network takes them."""
        return self.samples.inputs

    @property
    def targets(self) -> NDArray[Any]:
        """The targets as the loss takes them."""
        scaling, targets = self.model.target_scaling, self.samples.targets
        return targets if scaling is None else scaling.transform(targets)

    @property
    def predicted(self) -> NDArray[Any]:
        """The outputs in the units of the data, `samples.targets`."""
        scaling = self.model.target_scaling
        return self.outputs if scaling is None else scaling.inverse(self.outputs)

    @property
    def batch(self) -> int:
        """Samples of a pass that is timed or differentiated."""
        affordable = int(PASS_OPERATIONS / max(self.summary.flops, 1))
        return min(len(self.inputs), BATCH, max(1, affordable))

    @property
    def loss(self) -> Loss:
        """The loss. Raises `LeftOut` where none was chosen."""
        if self.model.loss is None:
            raise LeftOut("the model has no loss")
        return self.model.loss


def most_samples(flops: int) -> int:
    """How many samples are looked at, by the operations of a forward pass of one."""
    return max(16, min(MOST_SAMPLES, int(MOST_OPERATIONS / max(flops, 1))))


def gather(model: Model, take: Callable[[int], Samples]) -> Material:
    """Run the network on samples. take: the samples, when told how many at most."""
    summary = model.network.summary(take(1).inputs)
    samples = take(most_samples(summary.flops))
    inputs = samples.inputs
    with no_grad():
        batches = [inputs[i : i + BATCH] for i in range(0, len(inputs), BATCH)]
        outputs = np.concatenate([model.network(x).numpy() for x in batches]).astype(np.float64)
    names = feature_names(model, inputs.shape[1]) if inputs.ndim == 2 else ()
    return Material(model, samples, outputs, names, summary)


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
