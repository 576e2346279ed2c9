"""The MNIST digits."""

from __future__ import annotations

from pathlib import Path

from neurona import data
from neurona.core.op import Array

Part = tuple[Array, Array]


def load_data(path: str | Path | None = None, *, download: bool = False) -> tuple[Part, Part]:
    """((x_train, y_train), (x_test, y_test)): 60,000 and 10,000 uint8 (28, 28), class numbers.

    - `path`: the folder; by default where `NEURONA_DATA` points.
    - `download`: fetch what is missing. Unlike Keras nothing is fetched unless it is asked for.

    Raises `DataError` for missing or damaged files.
    """
    training, test = data.mnist(path, download=download)
    return (training.inputs, training.targets), (test.inputs, test.targets)
