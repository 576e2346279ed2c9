"""Mirrors, turns, shifts, stretches and shears: a matrix a picture, and one resampling for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, nearest
from neurona.data.augmentation.transform import (
    Group,
    Images,
    Shape,
    Transform,
    bounds,
    even,
    even_factor,
    require,
)

Matrix = tuple[float, float, float, float, float, float]
"""x' = a·x + b·y + c, y' = d·x + e·y + f; x to the right, y down, from the picture's centre."""
SAME: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
BORDERS = ("edge", "reflect")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


@dataclass(frozen=True)
class Affine(Transform):
    """What moves pixels by a matrix; the base of `Mirror`, `Rotate` and the others.

    - `fill`: what comes into view from outside: a share of white, 0 (black) to 1, or "edge" (the
      border goes on) or "reflect" (the picture is mirrored at its border).
    - `interpolation`: "nearest", "bilinear" or "bicubic".
    """

    fill: float | str = field(default=0.0, kw_only=True)
    interpolation: str = field(default="bilinear", kw_only=True)

    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        who = type(self).__name__
        for name, known in (("fill", BORDERS), ("interpolation", INTERPOLATIONS)):
            given = getattr(self, name)
            if isinstance(given, str) and given not in known:
                raise ArgumentError(
                    f"{who}: unknown {name} {given!r}{nearest(given, known)} "
                    f"(known: {', '.join(known)})"
                )
        if not isinstance(self.fill, str):
            require(self, "fill", 0 <= self.fill <= 1, "in 0…1, a share of white")

    @property
    def setting(self) -> tuple[Any, str]:
        """What neighbours must share to be resampled together."""
        return self.fill, self.interpolation

    def matrix(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        """Return where the pixels of one picture go."""
        raise NotImplementedError

    def draw(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        return self.matrix(generator, shape)

    def apply(self, images: Images, drawn: Sequence[Matrix], white: float) -> Images:
        result = np.empty_like(images)
        for image, matrix, place in zip(images, drawn, result, strict=True):
            place[:] = warp(image, matrix, self.fill, self.interpolation, white)
        # Cubic curves overshoot; Pillow cuts bytes off, but no other numbers.
        if self.interpolation == "bicubic" and images.dtype != np.uint8:
            np.clip(result, 0, white, out=result)
        return result

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        result = np.empty_like(maps)
        for labels, matrix, place in zip(maps, drawn, result, strict=True):
            place[:] = warp_labels(labels, matrix, self.fill, fill)
        return result


class AffineGroup(Affine, Group):
    """Neighbours of one fill and interpolation, as one matrix."""

    def __init__(self, parts: tuple[Affine, ...]) -> None:
        put = object.__setattr__
        put(self, "parts", parts)
        put(self, "p", 1.0)
        put(self, "fill", parts[0].fill)
        put(self, "interpolation", parts[0].interpolation)

    def draw(self, generator: np.random.Generator, shape: Shape) -> Matrix | None:  # type: ignore[override]
        matrix = SAME
        for part in self.parts:
            own = part.done(generator, shape)
            if own is not None:
                matrix = product(own, matrix)
        return None if matrix == SAME else matrix


# A class variable that names a later class.
Affine.joins = AffineGroup


@dataclass(frozen=True)
class Mirror(Affine):
    """Left and right change places; with `axis="vertical"`, top and bottom.

    `p` is ½ unless said. Digits and letters are other ones in a mirror, most photographs are not.
    """

    axis: str = "horizontal"
    p: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axis not in ("horizontal", "vertical"):
            known = ("horizontal", "vertical")
            raise ArgumentError(
                f"Mirror: unknown axis {self.axis!r}{nearest(str(self.axis), known)} "
                f"(known: {', '.join(known)})"
            )

    def matrix(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        return (-1.0, 0, 0, 0, 1.0, 0) if self.axis == "horizontal" else (1.0, 0, 0, 0, -1.0, 0)


@dataclass(frozen=True)
class Rotate(Affine):
    """A turn about the centre, anticlockwise, by an angle drawn evenly.

    - `degrees`: at most so many to either side, or (low, high).
    """

    degrees: float | tuple[float, float] = 15.0
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(range=bounds(self, "degrees"))

    def matrix(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        angle = math.radians(even(generator, self._range))
        cosine, sine = math.cos(angle), math.sin(angle)
        return cosine, sine, 0.0, -sine, cosine, 0.0


@dataclass(frozen=True)
class Translate(Affine):
    """A shift, drawn evenly.

    - `share`: at most so much of the height and of the width to either side; or (rows, columns),
      one for each.
    """

    share: float | tuple[float, float] = 0.1
    _pair: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        pair: Any = self.share if isinstance(self.share, (tuple, list)) else (self.share,) * 2
        valid = all(isinstance(n, (int, float)) and 0 <= n <= 1 for n in pair) and len(pair) == 2
        require(self, "share", valid, "in 0…1, or two such shares (rows, columns)")
        self._keep(pair=pair)

    def matrix(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        rows, columns = self._pair
        down = even(generator, (-rows, rows)) * shape[0]
        right = even(generator, (-columns, columns)) * shape[1]
        return 1.0, 0.0, right, 0.0, 1.0, down


@dataclass(frozen=True)
class Stretch(Affine):
    """Larger or smaller about the centre, and wider or higher.

    - `scale`: of both sides: 0.1 for 0.9…1.1, or (low, high).
    - `aspect`: the width is multiplied by the root of such a factor and the height divided by it.

    Both are drawn evenly in their logarithm: doubling is as likely as halving.
    """

    scale: float | tuple[float, float] = 0.1
    aspect: float | tuple[float, float] = 0.0
    _scales: ClassVar[tuple[float, float]]
    _aspects: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = {"around": 1.0, "least": 0.01, "most": 100.0}
        self._keep(scales=bounds(self, "scale", **limits), aspects=bounds(self, "aspect", **limits))

    def matrix(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        scale = even_factor(generator, self._scales)
        aspect = math.sqrt(even_factor(generator, self._aspects))
        return scale * aspect, 0.0, 0.0, 0.0, scale / aspect, 0.0


@dataclass(frozen=True)
class Shear(Affine):
    """Rows pushed sideways in proportion to their height, as in italics.

    - `degrees`: how far upright lines lean at most, or (low, high).
    """

    degrees: float | tuple[float, float] = 10.0
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(range=bounds(self, "degrees", least=-80.0, most=80.0))

    def matrix(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        lean = math.tan(math.radians(even(generator, self._range)))
        return 1.0, -lean, 0.0, 0.0, 1.0, 0.0


def product(second: Matrix, first: Matrix) -> Matrix:
    """The matrix that does the first, then the second."""
    a, b, c, d, e, f = second
    u, v, w, x, y, z = first
    return (
        a * u + b * x,
        a * v + b * y,
        a * w + b * z + c,
        d * u + e * x,
        d * v + e * y,
        d * w + e * z + f,
    )


def inverse(matrix: Matrix, rows: int, columns: int) -> Matrix:
    """Where each pixel of the result comes from, both counted from the top left corner."""
    a, b, c, d, e, f = matrix
    size = a * e - b * d
    # Pillow cuts bytes off instead of rounding: a right angle must not be off by a rounding error.
    u, v, x, y = (round(entry / size, 12) for entry in (e, -b, -d, a))
    middle, half = columns / 2, rows / 2
    return (
        u,
        v,
        middle - u * (middle + c) - v * (half + f),
        x,
        y,
        half - x * (middle + c) - y * (half + f),
    )


def warp(
    image: NDArray[Any], matrix: Matrix, fill: float | str, interpolation: str, white: float
) -> NDArray[Any]:
    """A picture (row, column, channel) whose pixels went where the matrix says."""
    a, b, c, d, e, f = matrix
    if b == c == d == f == 0 and abs(a) == abs(e) == 1:  # only mirrored: no value changes
        return image[:: int(e), :: int(a)]
    rows, columns = image.shape[:2]
    back = inverse(matrix, rows, columns)
    level = 0.0
    if isinstance(fill, str):
        image, back = _bordered(image, back, fill)
    else:
        level = fill * white
    return resampled(image, back, (columns, rows), interpolation, level)


def warp_labels(
    labels: NDArray[Any], matrix: Matrix, fill: float | str, outside: int
) -> NDArray[Any]:
    """A map of labels moved like its picture: no new labels come of it."""
    rows, columns = labels.shape
    u, v, w, x, y, z = inverse(matrix, rows, columns)
    right, down = np.arange(columns) + 0.5, np.arange(rows)[:, None] + 0.5
    column = np.floor(u * right + v * down + w).astype(np.int64)
    row = np.floor(x * right + y * down + z).astype(np.int64)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    if fill == "reflect":
        row, column = _reflected(row, rows), _reflected(column, columns)
    found: NDArray[Any] = labels[row.clip(0, rows - 1), column.clip(0, columns - 1)]
    return found if isinstance(fill, str) else np.where(inside, found, labels.dtype.type(outside))


def _reflected(place: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    place = place % (2 * length)
    return np.minimum(place, 2 * length - 1 - place)


def _bordered(image: NDArray[Any], back: Matrix, fill: str) -> tuple[NDArray[Any], Matrix]:
    """The picture with as much around it as the matrix looks at."""
    rows, columns = image.shape[:2]
    u, v, w, x, y, z = back
    corners = [(right, down) for right in (0, columns) for down in (0, rows)]
    across = [u * right + v * down + w for right, down in corners]
    along = [x * right + y * down + z for right, down in corners]
    margins = [
        (max(0, math.ceil(-min(places)) + 1), max(0, math.ceil(max(places) - length) + 1))
        for places, length in ((along, rows), (across, columns))
    ]
    mode: Any = "edge" if fill == "edge" else "symmetric"
    wide = np.pad(image, [*margins, (0, 0)], mode)
    return wide, (u, v, w + margins[1][0], x, y, z + margins[0][0])


def resampled(
    image: NDArray[Any], back: Matrix, size: tuple[int, int], interpolation: str, level: float
) -> NDArray[Any]:
    """A picture taken apart and put together again by Pillow; size: (columns, rows)."""
    from PIL import Image

    method = getattr(Image.Resampling, interpolation.upper())
    affine = Image.Transform.AFFINE
    channels = image.shape[2]
    if image.dtype == np.uint8:
        fill: Any = round(level)
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        fill = fill if channels == 1 else (fill,) * channels
        moved = picture.transform(size, affine, back, method, fillcolor=fill)
        return np.asarray(moved).reshape(size[1], size[0], channels)
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel])).transform(
            size, affine, back, method, fillcolor=level
        )
        for channel in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
