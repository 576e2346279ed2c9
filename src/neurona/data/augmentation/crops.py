"""Cutting out and scaling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, ShapeError, nearest
from neurona.data.augmentation.transform import (
    Images,
    Shape,
    Transform,
    between,
    bounds,
    factor_between,
    require,
)

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""
RESIZES = ("crop", "stretch")


@dataclass(frozen=True)
class Resized(Transform):
    """What gives pictures of another size; the base of `Crop` and the others.

    - `size`: (rows, columns), or one number for both.
    """

    size: int | tuple[int, int]

    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        pair = self.extents
        valid = len(pair) == 2 and all(
            isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in pair
        )
        require(self, "size", valid, "a number of pixels, or (rows, columns)")
        require(self, "p", self.p == 1, "1: all pictures of a batch have one size")

    @property
    def extents(self) -> tuple[int, int]:
        """Rows and columns."""
        pair = tuple(self.size) if isinstance(self.size, (tuple, list)) else (self.size, self.size)
        return pair  # type: ignore[return-value]

    def shape(self, shape: Shape) -> Shape:
        return *self.extents, shape[2]

    def require_room(self, shape: Shape, padding: int = 0) -> tuple[int, int]:
        """How many rows and columns are left over. Raises ShapeError when they are too few."""
        rows, columns = (
            there + 2 * padding - wanted
            for there, wanted in zip(shape[:2], self.extents, strict=True)
        )
        if rows < 0 or columns < 0:
            around = f" with a padding of {padding}" if padding else ""
            raise ShapeError(
                f"{type(self).__name__}: {self.extents} does not fit into pictures of {shape[:2]}"
                f"{around}"
            )
        return rows, columns


@dataclass(frozen=True)
class Crop(Resized):
    """A part of the picture from a place drawn evenly; no value changes.

    - `padding`: so many pixels are put around the picture first, filled as `fill` says: a share
      of white, "edge" or "reflect".

    In evaluation, the part in the middle.
    Source: A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
    (2012), section 4.1.
    """

    padding: int = 0
    fill: float | str = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = isinstance(self.padding, int) and not isinstance(self.padding, bool)
        require(self, "padding", valid and self.padding >= 0, "a whole number of at least 0")
        valid = self.fill in ("edge", "reflect") or (
            not isinstance(self.fill, str) and 0 <= self.fill <= 1
        )
        require(self, "fill", valid, 'in 0…1, a share of white, or "edge" or "reflect"')

    def shape(self, shape: Shape) -> Shape:
        self.require_room(shape, self.padding)
        return super().shape(shape)

    def draw(self, generator: np.random.Generator, shape: Shape) -> tuple[int, int]:
        rows, columns = self.require_room(shape, self.padding)
        down, right = generator.random(2).tolist()
        return int(down * (rows + 1)), int(right * (columns + 1))

    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        level = 0.0 if isinstance(self.fill, str) else self.fill * white
        level = round(level) if images.dtype == np.uint8 else level
        return self._cut(images, drawn, level)

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        return self._cut(maps, drawn, fill)

    def _cut(self, images: NDArray[Any], drawn: Sequence[Any], level: float) -> NDArray[Any]:
        if self.padding:
            around = [(0, 0), (self.padding,) * 2, (self.padding,) * 2, (0, 0)][: images.ndim]
            if isinstance(self.fill, str):
                mode: Any = "edge" if self.fill == "edge" else "symmetric"
                images = np.pad(images, around, mode)
            else:
                images = np.pad(images, around, constant_values=level)
        height, width = self.extents
        result = np.empty((len(images), height, width, *images.shape[3:]), images.dtype)
        for place, (image, (row, column)) in enumerate(zip(images, drawn, strict=True)):
            result[place] = image[row : row + height, column : column + width]
        return result

    def evaluation(self) -> Transform | None:
        return CentreCrop(self.size)


@dataclass(frozen=True)
class CentreCrop(Resized):
    """The part in the middle; nothing is random."""

    def shape(self, shape: Shape) -> Shape:
        self.require_room(shape)
        return super().shape(shape)

    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        return self._cut(images)

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        return self._cut(maps)

    def _cut(self, images: NDArray[Any]) -> NDArray[Any]:
        height, width = self.extents
        top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
        return images[:, top : top + height, left : left + width]

    def evaluation(self) -> Transform | None:
        return self


@dataclass(frozen=True)
class ResizedCrop(Resized):
    """A part of random area and shape, scaled to one size, as networks for ImageNet are trained.

    - `area`: of the part, as a share of the picture's, drawn evenly.
    - `aspect`: width divided by height, drawn evenly in its logarithm.

    A part that does not fit is made as large as it can be. In evaluation, the largest part in the
    middle that has the shape of `size`.
    Source: C. Szegedy et al., "Going deeper with convolutions" (2014), section 6.
    """

    area: tuple[float, float] = field(default=(0.08, 1.0), kw_only=True)
    aspect: tuple[float, float] = field(default=(3 / 4, 4 / 3), kw_only=True)
    _areas: ClassVar[tuple[float, float]]
    _aspects: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "area", not isinstance(self.area, (int, float)), "(low, high)")
        require(self, "aspect", not isinstance(self.aspect, (int, float)), "(low, high)")
        self._keep(areas=bounds(self, "area", least=1e-3, most=1.0))
        self._keep(aspects=bounds(self, "aspect", least=0.01, most=100.0))

    def draw(self, generator: np.random.Generator, shape: Shape) -> Box:
        rows, columns = shape[:2]
        area = between(self._areas, generator.random()) * rows * columns
        aspect = factor_between(self._aspects, generator.random())
        height, width = min(math.sqrt(area / aspect), rows), min(math.sqrt(area * aspect), columns)
        down, right = generator.random(2).tolist()
        left, top = right * (columns - width), down * (rows - height)
        return left, top, left + width, top + height

    def apply(self, images: Images, drawn: Sequence[Box], white: float) -> Images:
        return scaled(images, drawn, self.extents)

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        return scaled_maps(maps, drawn, self.extents)

    def evaluation(self) -> Transform | None:
        return Resize(self.size)


@dataclass(frozen=True)
class Resize(Resized):
    """Scaled to one size; nothing is random.

    - `mode`: "crop" scales by one factor to cover the size and cuts off evenly what sticks out,
      "stretch" scales each side by its own.
    """

    mode: str = "crop"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode not in RESIZES:
            raise ArgumentError(
                f"Resize: unknown mode {self.mode!r}{nearest(str(self.mode), RESIZES)} "
                f"(known: {', '.join(RESIZES)})"
            )

    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        return scaled(images, [self._box(images)] * len(images), self.extents)

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        return scaled_maps(maps, [self._box(maps)] * len(maps), self.extents)

    def _box(self, images: NDArray[Any]) -> Box:
        height, width = images.shape[1:3]
        rows, columns = self.extents
        if self.mode == "stretch":
            return 0.0, 0.0, width, height
        scale = max(rows / height, columns / width)
        left, top = max(width - columns / scale, 0) / 2, max(height - rows / scale, 0) / 2
        return left, top, width - left, height - top

    def evaluation(self) -> Transform | None:
        return self


def scaled(images: Images, boxes: Sequence[Box], size: tuple[int, int]) -> Images:
    """Parts of pictures scaled to a size, with an average over what falls on a pixel."""
    from PIL import Image

    rows, columns = size
    bilinear = Image.Resampling.BILINEAR
    result = np.empty((len(images), rows, columns, images.shape[3]), images.dtype)
    for image, box, place in zip(images, boxes, result, strict=True):
        if image.dtype == np.uint8 and image.shape[2] == 3:
            part = Image.fromarray(image).resize((columns, rows), bilinear, box=box)
            place[:] = np.asarray(part)
            continue
        for channel in range(image.shape[2]):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            place[..., channel] = np.asarray(plane.resize((columns, rows), bilinear, box=box))
    return result


def scaled_maps(maps: NDArray[Any], boxes: Sequence[Box], size: tuple[int, int]) -> NDArray[Any]:
    """The same for maps of labels: each pixel has the label at its centre."""
    rows, columns = size
    result = np.empty((len(maps), rows, columns), maps.dtype)
    for labels, (left, top, right, bottom), place in zip(maps, boxes, result, strict=True):
        row = (top + (np.arange(rows) + 0.5) * ((bottom - top) / rows)).astype(np.int64)
        column = (left + (np.arange(columns) + 0.5) * ((right - left) / columns)).astype(np.int64)
        row, column = row.clip(0, len(labels) - 1), column.clip(0, labels.shape[1] - 1)
        place[:] = labels[row[:, None], column]
    return result
