"""Contrast, brightness and colour: changes of each pixel's value, rounded once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data.augmentation.transform import (
    Group,
    Images,
    Shape,
    Transform,
    between,
    bounds,
    checked,
    require,
)

Values = NDArray[np.float32]
"""(batch, row, column, channel), 0 for black; may leave 0…white for a while."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""
# Luma and the two colour differences of the YIQ colour space.
_YIQ = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
_RGB = np.linalg.inv(_YIQ)


@dataclass(frozen=True)
class Levels(Transform):
    """What changes values and moves nothing; the base of `Brightness` and the others."""

    def change(self, values: Values, drawn: Sequence[Any], white: float) -> Values:
        """Return the values changed; those given may be written to."""
        raise NotImplementedError

    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        values = images.astype(np.float32)
        return finished(self.change(values, drawn, white), images.dtype, white)


class LevelsGroup(Levels, Group):
    """Neighbours, cut off and rounded once."""

    def __init__(self, parts: tuple[Levels, ...]) -> None:
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "p", 1.0)

    def shape(self, shape: Shape) -> Shape:
        for part in self.parts:
            shape = part.shape(shape)
        return shape

    def draw(self, generator: np.random.Generator, shape: Shape) -> list[Any] | None:
        drawn = [part.done(generator, shape) for part in self.parts]
        return None if all(one is None for one in drawn) else drawn

    def change(self, values: Values, drawn: Sequence[Any], white: float) -> Values:
        for number, part in enumerate(self.parts):
            own = [one[number] for one in drawn]
            chosen = [place for place, one in enumerate(own) if one is not None]
            if len(chosen) == len(own):
                values = part.change(values, own, white)
            elif chosen:
                some = [own[place] for place in chosen]
                values[chosen] = part.change(values[chosen], some, white)
        return values


# A class variable that names a later class.
Levels.joins = LevelsGroup


@dataclass(frozen=True)
class Brightness(Levels):
    """Values times a factor drawn evenly.

    - `amount`: at most so much more or less than 1, or (low, high).
    """

    amount: float | tuple[float, float] = 0.2
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(range=bounds(self, "amount", around=1.0, least=0.0))

    def draw(self, generator: np.random.Generator, shape: Shape) -> float:
        return between(self._range, generator.random())

    def change(self, values: Values, drawn: Sequence[float], white: float) -> Values:
        values *= _each(drawn)
        return values


@dataclass(frozen=True)
class Contrast(Brightness):
    """Distances from the picture's mean grey level times a factor drawn evenly.

    - `amount`: at most so much more or less than 1, or (low, high).
    """

    def change(self, values: Values, drawn: Sequence[float], white: float) -> Values:
        level = _luma(values).reshape(len(values), -1).astype(np.float64)
        mean = (level.sum(axis=1) / level.shape[1]).astype(np.float32)[:, None, None, None]
        values -= mean
        values *= _each(drawn)
        values += mean
        return values


@dataclass(frozen=True)
class Saturation(Brightness):
    """Distances from grey times a factor drawn evenly; 0 takes all colour away.

    - `amount`: at most so much more or less than 1, or (low, high). Grey pictures stay as they are.
    """

    def change(self, values: Values, drawn: Sequence[float], white: float) -> Values:
        if values.shape[3] == 1:
            return values
        grey = _luma(values)[..., None]
        values -= grey
        values *= _each(drawn)
        values += grey
        return values


@dataclass(frozen=True)
class Hue(Levels):
    """Colours turned about the axis of greys by an angle drawn evenly; the luma stays.

    - `degrees`: at most so many, or (low, high); 120 makes red to green or blue.

    Grey pictures stay as they are.
    """

    degrees: float | tuple[float, float] = 10.0
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(range=bounds(self, "degrees", least=-180.0, most=180.0))

    def draw(self, generator: np.random.Generator, shape: Shape) -> float:
        return math.radians(between(self._range, generator.random()))

    def change(self, values: Values, drawn: Sequence[float], white: float) -> Values:
        if values.shape[3] == 1:
            return values
        for image, angle in zip(values, drawn, strict=True):
            cosine, sine = math.cos(angle), math.sin(angle)
            turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
            image[:] = image @ (_RGB @ turn @ _YIQ).T.astype(np.float32)
        return values


@dataclass(frozen=True)
class ColourNoise(Levels):
    """One colour added to all pixels, along the directions in which colours vary in the data.

        x + Σ_k α_k·√λ_k·p_k      α_k ~ N(0, std²)

    with p_k and λ_k the eigenvectors and eigenvalues of the covariance of red, green and blue. The
    paper writes λ_k for √λ_k, the standard deviation along p_k, which has the unit of a pixel.

    - `std`: of α.
    - `components`: `√λ_k·p_k` as rows, (3, 3), shares of white; None: `augment` measures the data.

    Source: A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks"
    (2012), section 4.1.
    """

    std: float = 0.1
    components: tuple[tuple[float, ...], ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "std", 0 <= self.std < math.inf, "at least 0")
        if self.components is not None and np.shape(self.components) != (3, 3):
            raise ShapeError(
                f"ColourNoise: components must be (3, 3), found {np.shape(self.components)}"
            )

    def fitted(self, images: Images, white: float) -> ColourNoise:
        """Return it with the components of pictures `(picture, row, column, 3)`."""
        whole = checked(images)
        if whole.shape[3] != 3:
            raise ShapeError("ColourNoise: needs pictures in colour, found grey ones")
        pixels = whole.reshape(-1, 3).astype(np.float64) / white
        variances, directions = np.linalg.eigh(np.cov(pixels, rowvar=False))
        rows = directions.T * np.sqrt(variances.clip(0))[:, None]
        # The sign of an eigenvector is a matter of the library; here its largest entry is positive.
        rows *= np.sign(rows[np.arange(3), np.abs(rows).argmax(axis=1)])[:, None]
        components = tuple(tuple(row) for row in rows[::-1].tolist())
        return ColourNoise(self.std, components=components, p=self.p)

    def shape(self, shape: Shape) -> Shape:
        if shape[2] != 3:
            raise ShapeError("ColourNoise: needs pictures in colour, found grey ones")
        return shape

    def draw(self, generator: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        if self.components is None:
            raise ArgumentError(
                "ColourNoise: components are not known; data.augment measures them, or give "
                "components="
            )
        shift: NDArray[np.float64] = generator.standard_normal(3) * self.std @ self.components
        return shift

    def change(self, values: Values, drawn: Sequence[Any], white: float) -> Values:
        values += (np.array(drawn) * white).astype(np.float32)[:, None, None, :]
        return values


@dataclass(frozen=True)
class Noise(Levels):
    """Gaussian noise on every value, its own in every channel.

    - `std`: its standard deviation, as a share of white.
    """

    std: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "std", 0 <= self.std < math.inf, "at least 0, as a share of white")

    def draw(self, generator: np.random.Generator, shape: Shape) -> NDArray[np.float32]:
        return generator.standard_normal(shape, dtype=np.float32)

    def change(self, values: Values, drawn: Sequence[Any], white: float) -> Values:
        for image, noise in zip(values, drawn, strict=True):
            noise *= np.float32(self.std * white)
            image += noise
        return values


@dataclass(frozen=True)
class Normalise(Transform):
    """(x / white − mean) / std, a channel; uint8 pictures become float32. Nothing is random.

    - `mean`, `std`: a number for all channels or one for each, as shares of white.

    What comes out is no longer 0…white, so this is the last. The statistics of the training part
    can also be kept with the model: see `Standardizer`.
    """

    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "p", self.p == 1, "1")
        for name in ("mean", "std"):
            given = np.asarray(getattr(self, name))
            valid = given.dtype.kind in "iuf" and given.shape in ((), (1,), (3,))
            require(self, name, valid and bool(np.isfinite(given).all()), "a number or one of each")
        require(self, "std", bool((np.asarray(self.std) > 0).all()), "above 0")

    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        values = images.astype(np.float32)
        values /= np.float32(white)
        values -= np.asarray(self.mean, np.float32)
        values /= np.asarray(self.std, np.float32)
        return values

    def evaluation(self) -> Transform | None:
        return self


def finished(values: Values, dtype: np.dtype[Any], white: float) -> Images:
    """The values cut off at black and white, as pictures of a dtype."""
    np.clip(values, 0, np.float32(white), out=values)
    if dtype != np.uint8:
        return values
    values += np.float32(0.5)  # they are not negative: cutting off rounds
    return values.astype(np.uint8)


def _each(factors: Sequence[float]) -> NDArray[np.float32]:
    """A number a picture, so that it multiplies pictures."""
    return np.array(factors, np.float32)[:, None, None, None]


def _luma(values: Values) -> NDArray[np.float32]:
    """The grey level of each pixel."""
    if values.shape[3] == 1:
        return values[..., 0]
    red, green, blue = (values[..., k] * LUMA[k] for k in range(3))
    level: NDArray[np.float32] = red + green + blue
    return level
