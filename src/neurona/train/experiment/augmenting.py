"""The transformations of pictures that a configuration asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurona import data
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.data.augmentation import Augmentation, Augmented, Mixing, Normalise, Transform, make
from neurona.data.dataset import Dataset
from neurona.data.readers import ImageReader, Reader
from neurona.data.source import Source
from neurona.train.experiment.schema import DataConfig

PLACE = "data.augment"

Part = Dataset | Source


def make_transforms(tables: Iterable[Mapping[str, Any]]) -> list[Transform | Mixing]:
    """The transformations of a configuration.

    Raises `ArgumentError`, with the place, for unknown kinds and arguments and refused values.

    >>> make_transforms([{"kind": "mirror"}, {"kind": "noise", "std": 0.1}])[1].std
    0.1
    """
    made = []
    for number, table in enumerate(tables):
        place = f"{PLACE}[{number}]"
        try:
            made.append(make(table))
        except ArgumentError as error:
            raise ArgumentError(f"{place}: {error}") from None
        if isinstance(made[-1], Normalise):
            raise ArgumentError(
                f"{place}: 'normalise' is done to all parts: choose data.standardize or divide_by"
            )
    return made


def augmented(training: Part, config: DataConfig) -> Augmented:
    """The training part with the configured transformations.

    Raises `ArgumentError`, with the place, for samples that are no pictures, and for pictures that
    change their size where files are not read in that size.
    """
    if isinstance(training, Dataset) and training.inputs.dtype not in (np.uint8, np.float32):
        training = replace(training, inputs=training.inputs.astype(np.float32))
    transforms = make_transforms(config.augment)
    few = np.arange(min(2, len(training)))
    try:
        source = data.augment(training, transforms, white=_white(config, training))
        before, after = (part.read_batch(few)[0].shape[1:] for part in (source.source, source))
    except (ArgumentError, DTypeError, ShapeError) as error:
        raise ArgumentError(f"{PLACE}: {error}") from None
    if before != after and config.images is None:
        raise ArgumentError(
            f"{PLACE}: gives pictures of {after}, the data have {before}; sizes can change where "
            "data.images are read, elsewhere a crop needs the size of the data"
        )
    return source


def _white(config: DataConfig, training: Part) -> float | None:
    """The brightest value of a pixel; None where it follows from the dtype."""
    if config.images is not None or not isinstance(training, Dataset):
        return None
    return float(training.inputs.max()) or None


def evaluated(part: Part | None, evaluation: Augmentation) -> Part | None:
    """A part as it is measured: its pictures in the size that training has."""
    if part is None or not len(evaluation):
        return part
    if isinstance(part, Dataset):
        # Nothing is drawn, so that no generators are needed.
        nothing = [np.random.default_rng(0)] * len(part)
        return replace(part, inputs=evaluation.batch(part.inputs, nothing))
    return Augmented(part, evaluation)


def reader_of(reader: Reader | None, evaluation: Augmentation) -> Reader | None:
    """A reader of files that gives pictures as they are measured."""
    if not isinstance(reader, ImageReader) or not len(evaluation):
        return reader
    return ImageReader(reader.size, grey=reader.grey, resize=reader.resize, then=evaluation)
