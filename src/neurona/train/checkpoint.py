"""A model on disk: `weights.safetensors` and `model.json`; see `train.pair`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neurona.core.errors import ArgumentError, CheckpointError
from neurona.core.op import Array
from neurona.train.pair import Pair

MODEL = "model.json"
WEIGHTS = "weights.safetensors"
FILES = Pair(MODEL, WEIGHTS, "neurona-model", 1, "a model of Neurona")
FIELDS: dict[str, tuple[type, ...]] = {
    "network": (dict,),
    "preprocessing": (dict, type(None)),
    "classes": (list,),
    "reader": (dict, type(None)),
    "target_scaling": (dict, type(None)),
    "loss": (str, dict, type(None)),
    "outputs": (str, type(None)),
    "metrics": (list,),
    "epochs": (int,),
}
"""What a description holds, and the types of it."""
ADDED = {"target_scaling": None}
"""What files had not when the format was new."""


def write(folder: Path, description: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
    """Write a model into `folder`, which is made if need be.

    Raises `CheckpointError` when that fails, for a folder that is full or may not be written to;
    an earlier model is then as it was.
    """
    FILES.write(folder, description, weights)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The description and the weights in `folder`.

    Raises `CheckpointError`, naming the file, when one is missing, damaged, of another format or
    version, or when the weights are others than those the description was written with.
    """
    path = folder / MODEL
    description = {**ADDED, **FILES.read_document(folder)}
    for name, kinds in FIELDS.items():
        if name not in description or not isinstance(description[name], kinds):
            raise CheckpointError(f"{path}: damaged: {name!r} is missing or of the wrong type")
    for name, kind in (("classes", str), ("metrics", str | dict)):
        if not all(isinstance(one, kind) for one in description[name]):
            raise CheckpointError(f"{path}: damaged: {name!r} must hold names")
    return description, FILES.read(folder)[1]


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Turn what refuses the content of a file into a `CheckpointError` that names the file."""
    try:
        yield
    except (ArgumentError, CheckpointError) as error:
        raise CheckpointError(f"{path}: {' '.join(str(error).split())}") from None
