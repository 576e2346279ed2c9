"""The data of a configuration: read, divided, and what the network needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona import data
from neurona.core.errors import ArgumentError
from neurona.data.columns import ColumnEncoder
from neurona.data.dataset import Dataset
from neurona.data.images import LAYOUTS
from neurona.data.readers import DigitReader, Reader
from neurona.data.table import Table
from neurona.data.table_reader import TableReader
from neurona.train.checks import CLASS_LOSSES
from neurona.train.experiment.schema import Config, DataConfig

WHOLE = (0.8, 0.1, 0.1)
"""How a set without a test part is divided by default."""
REST = (0.9, 0.1)
"""The same of a set with one: its training and its validation part."""
BINARY_LOSSES = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The data of a run; None for a part that is not there.

    reader: how a file becomes samples of this kind.
    """

    training: Dataset
    validation: Dataset | None
    test: Dataset | None
    reader: Reader | None = None


def load_parts(
    config: Config, *, data_dir: str | Path | None = None, download: bool = False
) -> Parts:
    """The data of a configuration, divided as it says.

    A set without a test part of its own is split at random by the seed, classes in their
    proportions. Raises what `neurona.data.load` and `neurona.data.split` raise.
    """
    loaded = data.load(config.data.name, data_dir=data_dir, download=download)
    training: Any  # of the type of what was loaded, as the other parts are
    if "test" in loaded:
        training, validation, _ = divide(loaded["train"], config, REST)
        test: Any = loaded["test"]
    else:
        training, validation, test = divide(loaded["all"], config, WHOLE)
    if isinstance(training, Table):
        encoder = ColumnEncoder.fit(training)
        return Parts(
            encoder.dataset(training),
            None if validation is None else encoder.dataset(validation),
            None if test is None else encoder.dataset(test),
            TableReader(encoder, columns=training.columns),
        )
    digits = DigitReader(config.data.name) if config.data.name in LAYOUTS else None
    return Parts(training, validation, test, digits)


def divide(whole: Dataset | Table, config: Config, default: tuple[float, ...]) -> list[Any]:
    """The training, validation and test part of samples, of their type; a share of 0 gives None."""
    shares = config.data.split or default
    if len(shares) > len(default):
        raise ArgumentError(
            f"data.split: {config.data.name!r} has a test part of its own, so two shares divide "
            "the rest, as in [0.9, 0.1]"
        )
    wanted = [share for share in shares if share]
    stratify = _classes_of(whole) if config.data.stratify else None
    made = iter(data.split(whole, wanted, seed=config.seed, stratify=stratify))
    parts = [next(made) if share else None for share in (*shares, 0, 0)]
    if parts[0] is None:
        raise ArgumentError("data.split: the training part is empty")
    return parts[:3]


def _classes_of(whole: Dataset | Table) -> NDArray[Any] | None:
    """The class of each sample; None if the targets are numbers."""
    if isinstance(whole, Dataset):
        return whole.targets if whole.classes else None
    if whole.target is None or whole.kinds[whole.target] == "numeric":
        return None
    return whole[whole.target]


def default_loss(training: Dataset) -> str:
    """The loss for classes or numbers."""
    return "cross_entropy" if training.classes else "mean_squared_error"


def code_of(config: DataConfig, training: Dataset, loss: str) -> str:
    """What classes become for a loss, see `encoded`; "labels" for numbers.

    Raises `ArgumentError` for codes that do not fit the data.
    """
    classes, code = len(training.classes), config.targets
    if not classes:
        if code not in (None, "labels"):
            raise ArgumentError(
                f"data.targets: {code!r} needs classes; {training.name!r} has numbers"
            )
        return "labels"
    if code is None and loss not in CLASS_LOSSES:
        code = "binary" if loss in BINARY_LOSSES and classes == 2 else "one_hot"
    if code == "binary" and classes != 2:
        raise ArgumentError(f"data.targets: 'binary' needs 2 classes, found {classes}")
    return code or "labels"


def outputs_of(training: Dataset, code: str) -> int:
    """How many outputs the network needs: one a class, 1 for "binary", one a number."""
    if training.classes:
        return 1 if code == "binary" else len(training.classes)
    return training.targets.shape[1] if training.targets.ndim > 1 else 1


def encoded(part: Dataset, code: str) -> NDArray[Any]:
    """The targets of a part as the loss wants them.

    Class numbers `(sample,)` for "labels", 0 and 1 `(sample, 1)` for "binary", else vectors
    `(sample, class)` by `data.encode_targets`; numbers `(sample, number)`.
    """
    targets = part.targets
    if not part.classes:
        return targets[:, None] if targets.ndim == 1 else targets
    if code == "labels":
        return targets
    if code == "binary":
        return targets[:, None].astype(np.float32)
    vectors: NDArray[Any] = data.encode_targets(targets, len(part.classes), code=code)
    return vectors
