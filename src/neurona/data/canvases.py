"""Pictures of several digits, made when they are read: for segmentation and detection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, ShapeError, nearest
from neurona.data.dataset import Dataset
from neurona.data.images import resize_image
from neurona.data.source import Sample, Source

TASKS = ("segmentation", "detection", "both")
_INK = 0.3  # share of a digit's strongest ink from which a pixel belongs to it
_TRIES = 20  # places that are tried for a digit before it is left out


class DigitCanvases(Source):
    """Canvases on which digits lie at random places and in random sizes.

    - `digits`: a data set of grey pictures `(sample, row, column)`, uint8, bright ink on black.
    - `samples`: canvases in an epoch. Each epoch has others.
    - `task`: what a sample is, "segmentation": (image, class map), "detection": (image, objects),
      "both": (image, class map, objects).
    - `size`: rows and columns of a canvas. `count`: the least and the most digits on it; a digit
      for which there is no room is left out.
    - `side`: the least and the greatest length in pixels of the longer side of a digit.
    - `overlap`: the largest intersection over union of the boxes of two digits.

    image: float32 `(1, row, column)` in 0…1; where digits overlap, the brighter ink.
    class map: int64 `(row, column)`, 0 for the background, 1 + its class for a digit's ink.
    objects: float32 `(most digits, 5)`, of each digit (left, top, right, bottom, class), the box
    just around its ink in pixels, right and bottom exclusive; rows of −1 stand for no digit.

    Raises ShapeError and ArgumentError for pictures of another kind and numbers out of range.

    >>> from neurona.data import digits
    >>> canvases = DigitCanvases(digits(), 100, task="both", count=(2, 2))
    >>> image, classes, objects = canvases.read_batch(np.arange(8))
    >>> image.shape, classes.shape, objects.shape
    ((8, 1, 64, 64), (8, 64, 64), (8, 2, 5))
    >>> left, top, right, bottom, digit = objects[0, 0].astype(int)
    >>> bool((classes[0, top:bottom, left:right] == 1 + digit).any())
    True
    """

    def __init__(
        self,
        digits: Dataset,
        samples: int,
        *,
        task: str = "both",
        size: tuple[int, int] = (64, 64),
        count: tuple[int, int] = (1, 5),
        side: tuple[int, int] = (14, 28),
        overlap: float = 0.05,
    ) -> None:
        _check_digits(digits)
        if task not in TASKS:
            raise ArgumentError(
                f"DigitCanvases: unknown task {task!r}{nearest(str(task), TASKS)} "
                f"(known: {', '.join(TASKS)})"
            )
        if samples < 1:
            raise ArgumentError(f"DigitCanvases: samples must be at least 1, found {samples}")
        if not 0 <= count[0] <= count[1] or count[1] < 1:
            raise ArgumentError(f"DigitCanvases: count is (least, most) digits, found {count}")
        if not 4 <= side[0] <= side[1] <= min(size):
            raise ArgumentError(
                f"DigitCanvases: side is (least, greatest) in 4…{min(size)} pixels, the smaller "
                f"side of the canvas, found {side}"
            )
        if not 0 <= overlap <= 1:
            raise ArgumentError(f"DigitCanvases: overlap must be in 0…1, found {overlap}")
        self.task = task
        self.samples = samples
        self.size = size
        self.count = count
        self.side = side
        self.overlap = overlap
        self.classes = (
            ("background", *digits.classes) if task == "segmentation" else tuple(digits.classes)
        )
        self._name = digits.name
        self._labels = digits.targets
        self._pictures = digits.inputs
        self._boxes = _ink_boxes(digits.inputs)

    def __len__(self) -> int:
        return self.samples

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        image = np.zeros((1, *self.size), np.float32)
        classes = np.zeros(self.size, np.int64)
        objects = np.full((self.count[1], 5), -1, np.float32)
        placed = 0
        for _ in range(int(generator.integers(self.count[0], self.count[1] + 1))):
            chosen = int(generator.integers(len(self._labels)))
            ink = self._scaled(chosen, int(generator.integers(self.side[0], self.side[1] + 1)))
            box = self._place(ink.shape, objects[:placed, :4], generator)
            if box is None:
                continue
            left, top, right, bottom = box.tolist()
            here = image[0, top:bottom, left:right]
            mine = (ink >= _INK) & (ink > here)
            classes[top:bottom, left:right][mine] = 1 + self._labels[chosen]
            np.maximum(here, ink, out=here)
            objects[placed] = *box, self._labels[chosen]
            placed += 1
        if self.task == "segmentation":
            return image, classes
        return (image, objects) if self.task == "detection" else (image, classes, objects)

    def _scaled(self, chosen: int, side: int) -> NDArray[np.float32]:
        """The ink of a digit in 0…1, without margins, its longer side of so many pixels."""
        top, bottom, left, right = self._boxes[chosen].tolist()
        picture = self._pictures[chosen, top:bottom, left:right]
        factor = side / max(picture.shape)
        rows, columns = (max(1, round(length * factor)) for length in picture.shape)
        # Stretched to 0…255 first: the UCI digits have 17 levels, too few to interpolate in.
        picture = (picture * (255.0 / picture.max())).astype(np.uint8)
        scaled = resize_image(picture, (rows, columns), resize="stretch")
        ink = scaled.astype(np.float32) / scaled.max()
        return np.ascontiguousarray(_trimmed(ink))

    def _place(
        self, shape: tuple[int, ...], others: NDArray[Any], generator: np.random.Generator
    ) -> NDArray[np.int64] | None:
        """A box (left, top, right, bottom) of that shape apart from the others, if one is found."""
        rows, columns = shape
        room = self.size[1] - columns + 1, self.size[0] - rows + 1
        for _ in range(_TRIES):
            left, top = generator.integers(0, room).tolist()
            box = np.array([left, top, left + columns, top + rows])
            if _greatest_overlap(box, others) <= self.overlap:
                return box
        return None

    def __repr__(self) -> str:
        return f"{self.samples} canvases of {self._name!r} for {self.task}"


def _check_digits(digits: Dataset) -> None:
    pictures = digits.inputs
    if pictures.ndim != 3 or pictures.dtype != np.uint8 or not digits.classes:
        raise ShapeError(
            "DigitCanvases: needs grey pictures (sample, row, column) of uint8 with classes, "
            f"found {digits!r}"
        )
    empty = np.max(pictures, axis=(1, 2), initial=0) == 0
    if empty.any():
        raise ArgumentError(f"DigitCanvases: picture {int(empty.argmax())} has no ink")


def _ink_boxes(pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(sample, 4): top, bottom, left, right of each picture's ink, the ends exclusive."""
    ends = []
    for axis in (2, 1):
        inked = np.max(pictures, axis=axis) > 0
        ends += [inked.argmax(axis=1), inked.shape[1] - inked[:, ::-1].argmax(axis=1)]
    return np.stack(ends, axis=1)


def _trimmed(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the margins that are too faint to belong to the digit."""
    rows = np.flatnonzero((ink >= _INK).any(axis=1))
    columns = np.flatnonzero((ink >= _INK).any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _greatest_overlap(box: NDArray[Any], others: NDArray[Any]) -> float:
    """The largest intersection over union of a box with others, 0 without any."""
    if not len(others):
        return 0.0
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return float(np.max(common / (areas - common)))
