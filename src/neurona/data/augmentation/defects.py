"""Dead pixels, covered parts and blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurona.data.augmentation.colour import Levels, Values, finished
from neurona.data.augmentation.transform import (
    Images,
    Shape,
    Transform,
    between,
    bounds,
    factor_between,
    require,
)

_AT_ONCE = 1 << 15
"""Values averaged at once, so that they stay in the cache."""


@dataclass(frozen=True)
class SaltAndPepper(Levels):
    """Single pixels white or black, each as likely.

    - `share`: of the pixels.
    """

    share: float = 0.02

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "share", 0 <= self.share <= 1, "in 0…1, a share of the pixels")

    def draw(self, generator: np.random.Generator, shape: Shape) -> NDArray[np.float32]:
        return generator.random(shape[:2], dtype=np.float32)

    def change(self, values: Values, drawn: Sequence[Any], white: float) -> Values:
        for image, chance in zip(values, drawn, strict=True):
            image[chance < self.share / 2] = white
            image[chance >= 1 - self.share / 2] = 0
        return values


@dataclass(frozen=True)
class Erase(Transform):
    """A rectangle covered, so that no single part can be relied on.

    - `area`: of the rectangle, as a share of the picture's, drawn evenly. `aspect`: its width
      divided by its height, drawn evenly in its logarithm.
    - `fill`: a share of white, or "noise": every pixel drawn evenly.

    `p` is ½ unless said. Sources: Z. Zhong et al., "Random erasing data augmentation" (2017);
    T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout"
    (2017).
    """

    area: tuple[float, float] = (0.02, 0.2)
    aspect: tuple[float, float] = field(default=(1 / 3, 3.0), kw_only=True)
    fill: float | str = field(default=0.0, kw_only=True)
    p: float = field(default=0.5, kw_only=True)
    _areas: ClassVar[tuple[float, float]]
    _aspects: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "area", not isinstance(self.area, (int, float)), "(low, high)")
        require(self, "aspect", not isinstance(self.aspect, (int, float)), "(low, high)")
        self._keep(areas=bounds(self, "area", least=0.0, most=1.0))
        self._keep(aspects=bounds(self, "aspect", least=0.01, most=100.0))
        valid = self.fill == "noise" or (not isinstance(self.fill, str) and 0 <= self.fill <= 1)
        require(self, "fill", valid, 'in 0…1, a share of white, or "noise"')

    def draw(self, generator: np.random.Generator, shape: Shape) -> Any:
        rows, columns, channels = shape
        area = between(self._areas, generator.random()) * rows * columns
        aspect = factor_between(self._aspects, generator.random())
        height = min(round(math.sqrt(area / aspect)), rows)
        width = min(round(math.sqrt(area * aspect)), columns)
        down, right = generator.random(2).tolist()
        top, left = int(down * (rows - height + 1)), int(right * (columns - width + 1))
        box = slice(top, top + height), slice(left, left + width)
        noise = None
        if self.fill == "noise":
            noise = generator.random((height, width, channels), dtype=np.float32)
        return box, noise

    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        result = images.copy()
        for image, (box, noise) in zip(result, drawn, strict=True):
            level = np.full(1, self.fill, np.float32) if noise is None else noise
            image[box] = finished(level * np.float32(white), images.dtype, white)
        return result


@dataclass(frozen=True)
class Blur(Transform):
    """Out of focus: a Gaussian average whose width is drawn evenly.

    - `sigma`: its standard deviation in pixels, at most, or (low, high).

    Outside, the border goes on.
    """

    sigma: float | tuple[float, float] = (0.1, 1.5)
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = bounds(self, "sigma")
        low = low if isinstance(self.sigma, (tuple, list)) else 0.0
        require(self, "sigma", 0 <= low <= high <= 50, "in 0…50 pixels")
        self._keep(range=(low, high))

    def draw(self, generator: np.random.Generator, shape: Shape) -> float:
        return between(self._range, generator.random())

    def apply(self, images: Images, drawn: Sequence[float], white: float) -> Images:
        # The same reach for all, so that many pictures are averaged at once.
        reach = math.ceil(3 * self._range[1])
        if reach == 0:
            return images
        width = np.array(drawn, np.float64)[:, None].clip(1e-3)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        result = np.empty(images.shape, np.float32)
        at_once = max(1, _AT_ONCE // images[0].size)
        for begin in range(0, len(images), at_once):
            some = slice(begin, begin + at_once)
            result[some] = _blurred(images[some].astype(np.float32), weights[some])
        return finished(result, images.dtype, white)


def _blurred(images: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weighted average over rows, then over columns; weights (batch, place)."""
    reach = weights.shape[1] // 2
    for axis in (1, 2):
        around = [(0, 0)] * 4
        around[axis] = (reach, reach)
        wide = np.pad(images, around, "edge")
        total, part = np.zeros_like(images), np.empty_like(images)
        for place in range(weights.shape[1]):
            view = wide[:, place : place + images.shape[1]]
            view = view if axis == 1 else wide[:, :, place : place + images.shape[2]]
            np.multiply(view, weights[:, place, None, None, None], out=part)
            total += part
        images = total
    return images
