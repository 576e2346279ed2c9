"""What every transformation of pictures is, and several of them one after the other."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DTypeError, ShapeError

Images = NDArray[Any]
"""(batch, row, column, channel), uint8 or float32."""
Shape = tuple[int, int, int]
"""Of one picture: (row, column, channel)."""
CHANNELS = (1, 3)


@dataclass(frozen=True)
class Transform(ABC):
    """One transformation of pictures; call it as `transform(image, generator)`.

    A picture is `(row, column)` or `(row, column, channel)` with 1 or 3 channels, uint8 0…255 or
    float32 0…1, and keeps its dtype. `p` is the probability that anything is done to it.

    A subclass defines `draw`, which takes all that is random from the picture's own generator, and
    `apply`, which does the work for many pictures at once. So a picture's result depends on its
    generator alone, not on the batch or the thread it is made in.

    >>> from neurona.data import augmentation, sample_generator
    >>> image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    >>> augmentation.Mirror(p=1.0)(image, sample_generator(0, 0, 0)).tolist()
    [[2, 1, 0], [5, 4, 3]]
    """

    p: float = field(default=1.0, kw_only=True)

    moves: ClassVar[bool] = False
    """Whether pixels change their places, so that a map of labels must follow."""
    joins: ClassVar[type[Group] | None] = None
    """What makes one step of several transformations of this kind that follow each other."""

    def __post_init__(self) -> None:
        require(self, "p", 0 <= self.p <= 1, "in 0…1")

    def shape(self, shape: Shape) -> Shape:
        """Return the shape of what becomes of a picture of a shape."""
        return shape

    def draw(self, generator: np.random.Generator, shape: Shape) -> Any:
        """Return what is random about one picture of a shape."""
        return ()

    @abstractmethod
    def apply(self, images: Images, drawn: Sequence[Any], white: float) -> Images:
        """Return the pictures transformed, each by what was drawn for it.

        white: the brightest value that a pixel can have. The arrays given are not written to.
        """

    def apply_to_maps(self, maps: NDArray[Any], drawn: Sequence[Any], fill: int) -> NDArray[Any]:
        """Return maps of labels `(batch, row, column)` as the pictures move; `fill` is for gaps."""
        return maps

    def evaluation(self) -> Transform | None:
        """Return what stands for it where nothing may be random; None for nothing."""
        return None

    def __call__(self, image: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return the picture transformed. Raises ShapeError and DTypeError for what is none."""
        return Augmentation([self])(image, generator)

    def _keep(self, **values: Any) -> None:
        """Keep what follows from the arguments, so that it is not worked out for every picture."""
        for name, value in values.items():
            object.__setattr__(self, f"_{name}", value)

    def done(self, generator: np.random.Generator, shape: Shape) -> Any:
        """What `draw` gives, or None when the picture stays as it is."""
        if self.p < 1 and generator.random() >= self.p:
            return None
        return self.draw(generator, shape)


@dataclass(frozen=True)
class Group(Transform):
    """Transformations of one kind done in one step."""

    parts: tuple[Any, ...] = ()


class Augmentation:
    """Transformations one after the other, as one.

    Neighbours of a kind are one step: turns, shifts and stretches resample a picture once, changes
    of brightness and colour are rounded and cut off at black and white once.

    - `transforms`: in the order in which they are done.
    - `white`: the brightest value of a pixel; None: 255 for uint8, 1 for float32.

    >>> from neurona.data import augmentation, sample_generator
    >>> augment = augmentation.Augmentation([augmentation.Rotate(10), augmentation.Translate(0.1)])
    >>> augment
    Augmentation of Rotate, Translate
    >>> augment(np.zeros((28, 28), np.uint8), sample_generator(0, 0, 0)).shape
    (28, 28)
    """

    def __init__(self, transforms: Iterable[Transform], *, white: float | None = None) -> None:
        self.transforms = tuple(transforms)
        for transform in self.transforms:
            if not isinstance(transform, Transform):
                raise ArgumentError(
                    "Augmentation: transforms are objects of neurona.data.augmentation, found "
                    f"{transform!r}"
                )
        if white is not None and not white > 0:
            raise ArgumentError(f"Augmentation: white must be above 0, found {white}")
        self.white = white
        self._steps = _steps(self.transforms)

    def __call__(self, image: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        """Return one picture transformed, in the form it was given."""
        picture: NDArray[Any] = self.batch(np.asarray(image)[None], [generator])[0]
        return picture

    def batch(
        self, images: NDArray[Any], generators: Iterable[np.random.Generator]
    ) -> NDArray[Any]:
        """Return pictures `(batch, row, column[, channel])` transformed, a generator for each."""
        changed, _ = self.batch_with_maps(images, None, generators)
        return changed

    def batch_with_maps(
        self,
        images: NDArray[Any],
        maps: NDArray[Any] | None,
        generators: Iterable[np.random.Generator],
        fill: int = 0,
    ) -> tuple[NDArray[Any], Any]:
        """The same for pictures and maps of labels `(batch, row, column)` that move with them.

        fill: the label where a picture moved away.
        """
        whole = checked(images)
        shapes = self._shapes(whole.shape[1:])
        drawn = [
            [step.done(generator, shape) for step, shape in zip(self._steps, shapes, strict=False)]
            for generator, _ in zip(generators, whole, strict=False)
        ]
        white = self.white or (255.0 if whole.dtype == np.uint8 else 1.0)
        for number, step in enumerate(self._steps):
            own = [one[number] for one in drawn]
            chosen = [place for place, one in enumerate(own) if one is not None]
            if len(chosen) == len(own):
                whole = step.apply(whole, own, white)
                maps = None if maps is None else step.apply_to_maps(maps, own, fill)
            elif chosen:
                some = [own[place] for place in chosen]
                changed = whole.copy()
                changed[chosen] = step.apply(whole[chosen], some, white)
                whole = changed
                if maps is not None and step.moves:
                    maps = maps.copy()
                    maps[chosen] = step.apply_to_maps(maps[chosen], some, fill)
        return (whole[..., 0] if np.ndim(images) == 3 else whole), maps

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what becomes of a picture of a shape."""
        full = shape if len(shape) == 3 else (*shape, 1)
        last = self._shapes(full)[-1]
        return last if len(shape) == 3 else last[:2]

    def evaluation(self) -> Augmentation:
        """Return what of it is done where nothing may be random: sizes, from the centre.

        >>> from neurona.data import augmentation
        >>> both = [augmentation.Crop(24, padding=2), augmentation.Rotate(10)]
        >>> augmentation.Augmentation(both).evaluation()
        Augmentation of CentreCrop
        """
        kept = [transform.evaluation() for transform in self.transforms]
        return Augmentation([one for one in kept if one is not None], white=self.white)

    def __len__(self) -> int:
        return len(self.transforms)

    def __repr__(self) -> str:
        names = ", ".join(type(one).__name__ for one in self.transforms)
        return f"Augmentation of {names or 'nothing'}"

    def _shapes(self, shape: Any) -> list[Shape]:
        shapes = [shape]
        for step in self._steps:
            shapes.append(step.shape(shapes[-1]))
        return shapes


def _steps(transforms: Sequence[Transform]) -> list[Transform]:
    """The transformations, neighbours that can be joined as one."""
    steps: list[Transform] = []
    for kind, several in groupby(transforms, key=lambda one: (type(one).joins, _setting(one))):
        group, same = kind[0], tuple(several)
        steps += same if group is None else [group(same)]
    return steps


def _setting(transform: Transform) -> Any:
    """What transformations must have in common to be joined."""
    return getattr(transform, "setting", None)


def checked(images: Any) -> Images:
    """Pictures with a channel axis. Raises ShapeError and DTypeError for what are none."""
    images = np.asarray(images)
    shape = images.shape
    if images.dtype not in (np.uint8, np.float32):
        raise DTypeError(
            f"augmentation: pictures are uint8 or float32, found {images.dtype}; cast them first"
        )
    if len(shape) not in (3, 4) or 0 in shape[1:] or (len(shape) == 4 and shape[3] not in CHANNELS):
        raise ShapeError(
            "augmentation: a picture is (row, column) or (row, column, channel) with 1 or 3 "
            f"channels, which stand last; found {shape[1:]}"
        )
    whole: Images = images if len(shape) == 4 else images[..., None]
    return whole


def require(transform: Any, name: str, holds: bool, wanted: str) -> None:
    """Raise ArgumentError for an argument that does not hold what it should."""
    if not holds:
        raise ArgumentError(
            f"{type(transform).__name__}: {name} must be {wanted}, found "
            f"{getattr(transform, name)!r}"
        )


def bounds(
    transform: Any, name: str, *, around: float = 0.0, least: float = -np.inf, most: float = np.inf
) -> tuple[float, float]:
    """The range that an argument means: (low, high) itself, or a number a: around − a … around + a.

    Raises ArgumentError for another thing and for one that leaves least…most.
    """
    given = getattr(transform, name)
    pair = given if isinstance(given, (tuple, list)) else None
    numbers = (given,) if pair is None else pair
    valid = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in numbers)
    require(transform, name, valid and len(numbers) == (1 if pair is None else 2), _RANGE)
    require(transform, name, bool(np.isfinite(numbers).all()), "finite")
    if pair is None:
        require(transform, name, given >= 0, "at least 0")
        low, high = max(around - given, least), around + given
    else:
        low, high = pair
        require(transform, name, low <= high, "(low, high) in this order")
    limits = f"within {least:g}…{most:g}"
    require(transform, name, least <= low and high <= most, limits)
    return float(low), float(high)


def between(within: tuple[float, float], chance: float) -> float:
    """The number in a range that a number in 0…1 stands for."""
    low, high = within
    return low + (high - low) * chance


def factor_between(within: tuple[float, float], chance: float) -> float:
    """The same for factors: doubling is as far from 1 as halving."""
    low, high = within
    return low if low == high else math.exp(between((math.log(low), math.log(high)), chance))


_RANGE = "a number or (low, high)"
