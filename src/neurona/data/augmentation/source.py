"""Samples whose pictures are transformed anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError
from neurona.data.array_source import ArraySource
from neurona.data.augmentation.colour import ColourNoise
from neurona.data.augmentation.mixing import Mixing
from neurona.data.augmentation.transform import Augmentation, Transform
from neurona.data.dataset import Dataset
from neurona.data.source import Sample, SampleGenerators, Source, Subset

_MEASURED = 1000
"""How many pictures statistics are taken of at most."""


def augment(
    source: Source | Dataset,
    transforms: Iterable[Transform | Mixing],
    *,
    white: float | None = None,
    maps: bool = False,
    fill: int = 0,
) -> Augmented:
    """Return a source whose samples have transformed pictures, other ones in every epoch.

    What happens to a sample depends on the loader's seed, the epoch and the sample's number alone:
    not on batches, nor on how many workers there are, threads or processes.

    - `source`: samples (picture, target, …), or a data set in memory.
    - `transforms`: of `neurona.data.augmentation`, in order; a `Mixing` stands last.
    - `white`: the brightest value of a pixel; None: 255 for uint8, 1 for float32.
    - `maps`: whether targets are maps of labels `(row, column)`, which move with their pictures;
      `fill` is the label where a picture moved away.

    Raises ArgumentError for what is no transformation, ShapeError and DTypeError for samples that
    are no pictures.

    >>> from neurona import data
    >>> from neurona.data import augmentation
    >>> varied = data.augment(data.digits(), [augmentation.Rotate(10)], white=16)
    >>> varied
    ArraySource: 1797 samples, augmented by Rotate
    >>> with data.StreamLoader(varied, batch_size=32, seed=1, workers=2) as loader:
    ...     x, y = next(loader.epoch(0))
    >>> x.shape, x.dtype, y.shape
    ((32, 8, 8), dtype('uint8'), (32,))
    """
    if isinstance(source, Dataset):
        whole = ArraySource(*source.arrays)
        whole.classes, whole.targets = source.classes, source.targets
        source = whole
    if not isinstance(source, Source):
        raise ArgumentError(
            f"augment: needs a data.Source or a Dataset, found {type(source).__name__}"
        )
    several = list(transforms)
    pictures = [one for one in several if not isinstance(one, Mixing)]
    mixing = several[-1] if several and isinstance(several[-1], Mixing) else None
    if len(pictures) + (mixing is not None) < len(several):
        raise ArgumentError("augment: MixUp or CutMix is the last transformation, and the only one")
    fitted = _fitted(Augmentation(pictures, white=white), source)
    return Augmented(source, fitted, mixing, maps=maps, fill=fill)


class Augmented(Source):
    """A source with transformed pictures; made by `augment`."""

    def __init__(
        self,
        source: Source,
        augmentation: Augmentation,
        mixing: Mixing | None = None,
        *,
        maps: bool = False,
        fill: int = 0,
    ) -> None:
        if mixing is not None and maps:
            raise ArgumentError(f"augment: {type(mixing).__name__} has no meaning for maps")
        self.source = source
        self.augmentation = augmentation
        self.mixing = mixing
        self.maps = maps
        self.fill = fill
        self.classes = source.classes
        self.targets = source.targets
        if mixing is not None and source.targets is None:
            raise ArgumentError(
                f"augment: {type(mixing).__name__} needs to know all targets; {source!r} does not"
            )

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        sample = self._transformed(self.source.read(index, generator), generator)
        if self.mixing is None:
            return sample
        other = int(generator.integers(len(self.source)))
        second = self._transformed(self.source.read(other, generator), generator)
        first, second = self._with_vector(sample), self._with_vector(second)
        picture, target = self.mixing(first[:2], second[:2], generator)
        return picture, target, *sample[2:]

    def read_batch(
        self, indices: NDArray[np.int64], generators: Iterable[np.random.Generator] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """Return the samples at `indices`; those of arrays are transformed all at once."""
        if self.mixing is not None or not _in_arrays(self.source):
            return super().read_batch(indices, generators)
        if generators is None:
            generators = SampleGenerators(0, 0, indices)
        if isinstance(generators, SampleGenerators):
            generators = generators.in_turn()
        inputs, *rest = self.source.read_batch(indices)
        if self.maps and rest:
            both = self.augmentation.batch_with_maps(inputs, rest[0], generators, self.fill)
            return *both, *rest[1:]
        return self.augmentation.batch(inputs, generators), *rest

    def __repr__(self) -> str:
        steps = [*self.augmentation.transforms, *([self.mixing] if self.mixing else [])]
        names = ", ".join(type(one).__name__ for one in steps)
        return f"{self.source!r}, augmented by {names or 'nothing'}"

    def _transformed(self, sample: Sample, generator: np.random.Generator) -> Sample:
        picture, *rest = sample
        if self.maps and rest:
            images, maps = np.asarray(picture)[None], np.asarray(rest[0])[None]
            changed, moved = self.augmentation.batch_with_maps(images, maps, [generator], self.fill)
            return changed[0], moved[0], *rest[1:]
        return self.augmentation(picture, generator), *rest

    def _with_vector(self, sample: Sample) -> Any:
        """Picture and target, a class number as a vector with a 1 in its place."""
        picture, target = sample[:2]
        if not self.classes:
            return picture, np.asarray(target, np.float32)
        vector = np.zeros(len(self.classes), np.float32)
        vector[int(target)] = 1
        return picture, vector


def _fitted(augmentation: Augmentation, source: Source) -> Augmentation:
    """The same with the statistics that its transformations need, of up to 1,000 samples."""
    if not any(map(_unknown, augmentation.transforms)):
        return augmentation
    chosen = np.unique(np.linspace(0, len(source) - 1, min(_MEASURED, len(source))).astype(int))
    images = source.read_batch(chosen)[0]
    white = augmentation.white or (255.0 if images.dtype == np.uint8 else 1.0)
    done = [one.fitted(images, white) if _unknown(one) else one for one in augmentation.transforms]
    return Augmentation(done, white=augmentation.white)


def _in_arrays(source: Source) -> bool:
    """Whether many samples are read as fast as one."""
    while isinstance(source, Subset):
        source = source.source
    return isinstance(source, ArraySource)


def _unknown(transform: Transform) -> TypeGuard[ColourNoise]:
    return isinstance(transform, ColourNoise) and transform.components is None
