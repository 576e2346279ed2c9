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
    between,
    bounds,
    factor_between,
    require,
)
from neurona.data.augmentation.warp import (
    BORDERS,
    INTERPOLATIONS,
    Matrix,
    is_mirror,
    mirrored,
    warp_labels,
    warped,
)

SAME: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


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
    numbers: ClassVar[int] = 0
    """How many random numbers in 0…1 a matrix is made of."""

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

    def matrix(self, chance: Sequence[float], shape: Shape) -> Matrix:
        """Return where the pixels of one picture go, from `numbers` numbers drawn evenly."""
        raise NotImplementedError

    def draw(self, generator: np.random.Generator, shape: Shape) -> Matrix:
        return self.matrix(generator.random(self.numbers).tolist(), shape)

    def apply(self, images: Images, drawn: Sequence[Matrix], white: float) -> Images:
        if all(is_mirror(matrix) for matrix in drawn):
            return np.stack([mirrored(*pair) for pair in zip(images, drawn, strict=True)])
        return warped(images, drawn, self.fill, self.interpolation, white)

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        result = np.empty_like(maps)
        for labels, matrix, place in zip(maps, drawn, result, strict=True):
            place[:] = warp_labels(labels, matrix, self.fill, fill)
        return result


class AffineGroup(Affine, Group):
    """Neighbours of one fill and interpolation, as one matrix."""

    _plan: ClassVar[list[tuple[Affine, int, int]]]
    _count: ClassVar[int]

    def __init__(self, parts: tuple[Affine, ...]) -> None:
        put = object.__setattr__
        put(self, "parts", parts)
        put(self, "p", 1.0)
        put(self, "fill", parts[0].fill)
        put(self, "interpolation", parts[0].interpolation)
        plan, end = [], 0
        for part in parts:
            end += (part.p < 1) + part.numbers
            plan.append((part, int(part.p < 1), end))
        self._keep(plan=plan, count=end)

    def draw(self, generator: np.random.Generator, shape: Shape) -> Matrix | None:  # type: ignore[override]
        # One call for all numbers: a call takes as long as the arithmetic.
        chance = generator.random(self._count).tolist()
        matrix, place = SAME, 0
        for part, uncertain, end in self._plan:
            begin, place = place + uncertain, end
            if not uncertain or chance[begin - 1] < part.p:
                matrix = product(part.matrix(chance[begin:end], shape), matrix)
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

    def matrix(self, chance: Sequence[float], shape: Shape) -> Matrix:
        return (-1.0, 0, 0, 0, 1.0, 0) if self.axis == "horizontal" else (1.0, 0, 0, 0, -1.0, 0)


@dataclass(frozen=True)
class Rotate(Affine):
    """A turn about the centre, anticlockwise, by an angle drawn evenly.

    - `degrees`: at most so many to either side, or (low, high).
    """

    degrees: float | tuple[float, float] = 15.0

    numbers: ClassVar[int] = 1
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(range=bounds(self, "degrees"))

    def matrix(self, chance: Sequence[float], shape: Shape) -> Matrix:
        angle = math.radians(between(self._range, chance[0]))
        cosine, sine = math.cos(angle), math.sin(angle)
        return cosine, sine, 0.0, -sine, cosine, 0.0


@dataclass(frozen=True)
class Translate(Affine):
    """A shift, drawn evenly.

    - `share`: at most so much of the height and of the width to either side; or (rows, columns),
      one for each.
    """

    share: float | tuple[float, float] = 0.1

    numbers: ClassVar[int] = 2
    _pair: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        pair: Any = self.share if isinstance(self.share, (tuple, list)) else (self.share,) * 2
        valid = all(isinstance(n, (int, float)) and 0 <= n <= 1 for n in pair) and len(pair) == 2
        require(self, "share", valid, "in 0…1, or two such shares (rows, columns)")
        self._keep(pair=pair)

    def matrix(self, chance: Sequence[float], shape: Shape) -> Matrix:
        rows, columns = self._pair
        down = (2 * chance[0] - 1) * rows * shape[0]
        right = (2 * chance[1] - 1) * columns * shape[1]
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

    numbers: ClassVar[int] = 2
    _scales: ClassVar[tuple[float, float]]
    _aspects: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = {"around": 1.0, "least": 0.01, "most": 100.0}
        self._keep(scales=bounds(self, "scale", **limits), aspects=bounds(self, "aspect", **limits))

    def matrix(self, chance: Sequence[float], shape: Shape) -> Matrix:
        scale = factor_between(self._scales, chance[0])
        aspect = math.sqrt(factor_between(self._aspects, chance[1]))
        return scale * aspect, 0.0, 0.0, 0.0, scale / aspect, 0.0


@dataclass(frozen=True)
class Shear(Affine):
    """Rows pushed sideways in proportion to their height, as in italics.

    - `degrees`: how far upright lines lean at most, or (low, high).
    """

    degrees: float | tuple[float, float] = 10.0

    numbers: ClassVar[int] = 1
    _range: ClassVar[tuple[float, float]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep(range=bounds(self, "degrees", least=-80.0, most=80.0))

    def matrix(self, chance: Sequence[float], shape: Shape) -> Matrix:
        lean = math.tan(math.radians(between(self._range, chance[0])))
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
