"""Sentences of film reviews, half of them praise."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import DataError
from neurona.data.fetch import find_file, folder_of
from neurona.data.files import check_digest, reading

_FILES = {
    "rt-polarity.neg": "2d11cfbc790f1cd96d78339f41ce53ced1efa83cd22d37d6788fa3fe3d17e2fd",
    "rt-polarity.pos": "4134882974a28d0c7b5151256f0e33a6169984ee7372c279e673f1114f475d58",
}
CLASSES = ("negative", "positive")
"""What the labels mean."""


def rt_polarity(data_dir: str | Path | None = None) -> tuple[list[str], NDArray[np.int64]]:
    """Return 10,662 sentences of film reviews and what they say of the film.

    The labels (sentence,) are 0, negative, for the first 5,331, and 1, positive, for the others.
    Words and signs stand between spaces, all in small letters. B. Pang and L. Lee, "Seeing stars:
    exploiting class relationships for sentiment categorization with respect to rating scales"
    (2005), sentence polarity data set 1.0.

    data_dir: the folder with `rt-polarity.neg` and `rt-polarity.pos`, or with a folder
    `rt-polarity` that holds them; without it where `mnist` looks.

    Raises `DataError`, naming the file, when one is missing or another than expected.
    """
    folder = folder_of(data_dir)
    sentences: list[str] = []
    labels: list[int] = []
    for label, (name, digest) in enumerate(_FILES.items()):
        path = find_file(folder, [f"rt-polarity/{name}", name])
        if path is None:
            raise DataError(
                f"{name}: not found in {folder} or {folder / 'rt-polarity'}; pass data_dir or set "
                "NEURONA_DATA to the folder that holds it"
            )
        with reading(path) as file:
            content = file.read()
        check_digest(path, digest, hashlib.sha256(content).hexdigest())
        lines = [line.strip() for line in content.decode("utf-8").split("\n") if line.strip()]
        sentences += lines
        labels += [label] * len(lines)
    return sentences, np.array(labels, np.int64)
