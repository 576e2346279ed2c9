"""Samples that are read when they are wanted: what a stream of batches is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, DataError, NeuronaError, ShapeError

Sample = tuple[Any, ...]
Transform = Callable[[Sample, np.random.Generator], Sample]


class Source(ABC):
    """Samples by number, read from wherever they are. Derive from it to read files of your own.

    A subclass defines `__len__` and `read`. It is read by several threads at once, and sent whole
    to worker processes: it should hold names of files rather than open files.

    - `classes`: the name of each class index, if the targets are classes.
    - `targets`: the class index of each sample, `(sample,)`, where it is known without reading.

    >>> class Squares(Source):
    ...     def __len__(self):
    ...         return 10
    ...     def read(self, index, generator):
    ...         return float(index), float(index**2)
    >>> Squares().read_batch(np.array([2, 3]))
    (array([2., 3.]), array([4., 9.]))
    """

    classes: tuple[str, ...] = ()
    targets: NDArray[Any] | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def read(self, index: int, generator: np.random.Generator) -> Sample:
        """Return one sample as a tuple of arrays or numbers: inputs, targets, maybe a weight.

        All samples have the same shapes and dtypes. `generator` is the sample's own, the only
        source of randomness to be used: see `sample_generator`.
        """

    def name(self, index: int) -> str:
        """Return what a message calls the sample; a file's name, where it has one."""
        return f"sample {index}"

    def read_batch(
        self, indices: NDArray[np.int64], generators: Iterable[np.random.Generator] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """Return the samples at `indices` stacked to arrays `(batch, …)`.

        `generators`: one for each sample; None makes those of seed 0 and epoch 0. Sources that
        read many samples faster than one by one do so here.

        Raises DataError, with the sample's name, for whatever went wrong in reading it, and
        ShapeError when the samples differ in shape or dtype.
        """
        if generators is None:
            generators = SampleGenerators(0, 0, indices)
        batch: tuple[NDArray[Any], ...] = ()
        for place, (index, generator) in enumerate(zip(indices.tolist(), generators, strict=False)):
            sample = self._read_named(index, generator)
            if place == 0:
                batch = tuple(np.empty((len(indices), *a.shape), a.dtype) for a in sample)
            elif [(a.shape[1:], a.dtype) for a in batch] != [(a.shape, a.dtype) for a in sample]:
                raise ShapeError(
                    f"{self!r}: the samples of a batch must have the same shapes and dtypes: "
                    f"{self.name(int(indices[0]))} has {_described(whole[0] for whole in batch)}; "
                    f"{self.name(index)} has {_described(sample)}"
                )
            for whole, array in zip(batch, sample, strict=True):
                whole[place] = array
        return batch

    def take(self, indices: ArrayLike) -> Source:
        """Return a source of the samples at `indices`, `(sample,)`, in that order."""
        return Subset(self, indices)

    def map(self, transform: Transform) -> Source:
        """Return a source whose samples are `transform(sample, generator)` of this one's.

        Worker processes find the function by its name: it must be defined in a module then, not
        in another function.

        >>> from neurona.data import ArraySource
        >>> numbers = ArraySource(np.arange(4.0))
        >>> def noisy(sample, generator):
        ...     return (sample[0] + generator.random(),)
        >>> noisy_numbers = numbers.map(noisy)
        >>> [batch] = noisy_numbers.read_batch(np.array([3, 1]))
        >>> [again] = noisy_numbers.read_batch(np.array([1, 3]))
        >>> bool((batch == again[::-1]).all())  # the noise belongs to the sample
        True
        """
        return Mapped(self, transform)

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self)} samples"

    def _read_named(self, index: int, generator: np.random.Generator) -> list[NDArray[Any]]:
        try:
            sample = self.read(index, generator)
            if not isinstance(sample, tuple):
                raise TypeError(f"read must return a tuple of arrays, found {type(sample)}")
            arrays = [np.asarray(part) for part in sample]
        except NeuronaError:
            raise
        except Exception as error:
            raise DataError(
                f"{self!r}: {self.name(index)} cannot be read: {type(error).__name__}: {error}"
            ) from error
        return arrays


class Subset(Source):
    """Chosen samples of a source, in a chosen order; made by `source.take(indices)`."""

    def __init__(self, source: Source, indices: ArrayLike) -> None:
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
            raise ArgumentError(
                f"{source!r}: take needs a list of sample numbers, found {chosen.dtype} of shape "
                f"{chosen.shape}"
            )
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(source)):
            wrong = chosen[(chosen < 0) | (chosen >= len(source))][0]
            raise ArgumentError(f"{source!r}: take: sample {wrong} is not in 0…{len(source) - 1}")
        self.source = source
        self.indices = chosen.astype(np.int64)
        self.classes = source.classes
        self.targets = None if source.targets is None else source.targets[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def name(self, index: int) -> str:
        return self.source.name(int(self.indices[index]))

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        return self.source.read(int(self.indices[index]), generator)

    def read_batch(
        self, indices: NDArray[np.int64], generators: Iterable[np.random.Generator] | None = None
    ) -> tuple[NDArray[Any], ...]:
        if generators is None:
            generators = SampleGenerators(0, 0, indices)
        return self.source.read_batch(self.indices[indices], generators)

    def __repr__(self) -> str:
        return f"{len(self)} of {self.source!r}"


class Mapped(Source):
    """A source with a transform of every sample; made by `source.map(transform)`."""

    def __init__(self, source: Source, transform: Transform) -> None:
        self.source = source
        self.transform = transform
        self.classes = source.classes
        self.targets = source.targets

    def __len__(self) -> int:
        return len(self.source)

    def name(self, index: int) -> str:
        return self.source.name(index)

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        return self.transform(self.source.read(index, generator), generator)

    def __repr__(self) -> str:
        return f"{self.source!r}, mapped by {getattr(self.transform, '__name__', self.transform)}"


def sample_generator(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """Return the random generator of one sample in one epoch: it depends on nothing else.

    Philox-4x64 keyed by (seed, epoch), its counter beginning at (0, 0, 0, sample + 1); the words of
    counter (…, 0) are those of the epoch's order (`data.order`).

    >>> sample_generator(1, 0, 7).random() == sample_generator(1, 0, 7).random()
    True
    """
    key = np.array([seed, epoch], dtype=np.uint64)
    counter = np.array([0, 0, 0, sample + 1], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


class SampleGenerators:
    """The generators of samples in one epoch, `sample_generator` for each, in order.

    >>> both = SampleGenerators(1, 0, np.array([7, 3]))
    >>> [g.random() for g in both] == [g.random() for g in both.in_turn()]
    True
    """

    def __init__(self, seed: int, epoch: int, samples: NDArray[np.int64]) -> None:
        self.seed = seed
        self.epoch = epoch
        self.samples = samples

    def __iter__(self) -> Iterator[np.random.Generator]:
        for sample in self.samples.tolist():
            yield sample_generator(self.seed, self.epoch, sample)

    def in_turn(self) -> Iterator[np.random.Generator]:
        """Return the same as one object set anew for each sample, which takes a tenth of the time.

        A generator is valid until the next is asked for.
        """
        generator = sample_generator(self.seed, self.epoch, 0)
        bits = generator.bit_generator
        state: Any = bits.state
        for sample in self.samples.tolist():
            state["state"]["counter"][3] = sample + 1
            bits.state = state
            yield generator


def _described(arrays: Iterable[NDArray[Any]]) -> str:
    return ", ".join(f"{array.shape} {array.dtype}" for array in arrays)
