"""The data of a configuration: divided, encoded, and what the network needs to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from neurona import data
from neurona.core.errors import ArgumentError
from neurona.data.augmentation import Augmented
from neurona.data.columns import ColumnEncoder
from neurona.data.dataset import Dataset
from neurona.data.readers import Reader
from neurona.data.source import Source
from neurona.data.splits import split_indices
from neurona.data.table import Table
from neurona.data.table_reader import TableReader
from neurona.train.checks import CLASS_LOSSES
from neurona.train.experiment.augmenting import PLACE, augmented, evaluated, reader_of
from neurona.train.experiment.schema import Config, DataConfig
from neurona.train.experiment.sources import Origin, Samples, find
from neurona.train.experiment.texts import TextPart, Tokenizer, load_text

WHOLE = (0.8, 0.1, 0.1)
"""How a set without a test part is divided by default."""
REST = (0.9, 0.1)
"""The same of a set with one: its training and its validation part."""
BINARY_LOSSES = {"binary_cross_entropy", "binary_cross_entropy_with_logits"}

Part = Dataset | Source
"""A part in memory, or one that is read while it is used."""
_Divided = TypeVar("_Divided", bound=Samples)


@dataclass(frozen=True, slots=True)
class Parts:
    """The data of a run; None for a part that is not there.

    reader: how a file becomes samples of this kind. left_out: rows without an answer. augmented:
    the training part as it is learnt from, where its pictures are transformed. tokenizer: of a
    text.
    """

    training: Part
    validation: Part | None
    test: Part | None
    reader: Reader | None = None
    left_out: int = 0
    augmented: Augmented | None = None
    tokenizer: Tokenizer | None = None

    @property
    def named(self) -> dict[str, Part]:
        """The parts that are there, by name."""
        parts = {"training": self.training, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}


def load_parts(
    config: Config,
    *,
    base: Path = Path(),
    data_dir: str | Path | None = None,
    download: bool = False,
) -> Parts:
    """The data of a configuration, divided as it says.

    base: the folder that relative paths in it begin in; they are also looked for in the current
    and in the data folder. A set without a test part of its own is split at random by the seed,
    classes in their proportions, or by `group` or `time`; a text in its order. Raises what reading
    and splitting raise.
    """
    if config.data.text is not None:
        tokenizer, texts = load_text(config, base, data_dir)
        return Parts(*texts, tokenizer=tokenizer)
    origin = find(config.data, base, data_dir, download)
    divided = _divided(origin, config)
    if isinstance(divided[0], Table):
        return _encoded_tables(divided, origin, config.data)
    if not config.data.augment:
        return Parts(*divided, origin.reader)
    source = augmented(divided[0], config.data)
    evaluation = source.augmentation.evaluation()
    training, validation, test = (evaluated(part, evaluation) for part in divided)
    reader = reader_of(origin.reader, evaluation)
    return Parts(training or divided[0], validation, test, reader, augmented=source)


def _divided(origin: Origin, config: Config) -> tuple[Any, Any, Any]:
    """The training, validation and test part."""
    parts = dict(origin.parts)
    whole, test, validation = (parts.pop(name, None) for name in ("all", "test", "validation"))
    if whole is not None:
        return divide(whole, config, WHOLE)
    training = parts.pop("train", None)
    if training is None or parts:
        found = ", ".join(origin.parts)
        raise ArgumentError(f"data: parts called train and test are needed, found {found}")
    if validation is not None:
        if config.data.split not in (None, [1]):
            raise ArgumentError("data.split: the data have a validation part of their own")
        return training, validation, test
    if test is None:
        return divide(training, config, WHOLE)
    training, validation, _ = divide(training, config, REST)
    return training, validation, test


def divide(
    whole: _Divided, config: Config, default: tuple[float, ...]
) -> tuple[_Divided, _Divided | None, _Divided | None]:
    """The training, validation and test part of a data set; a share of 0 gives None."""
    shares = config.data.split or default
    if len(shares) > len(default):
        raise ArgumentError(
            "data.split: the data have a test part of their own, so two shares divide the rest, "
            "as in [0.9, 0.1]"
        )
    wanted = [share for share in shares if share]
    indices = iter(split_indices(len(whole), wanted, seed=config.seed, **_rule(whole, config.data)))
    parts: list[Any] = [whole.take(next(indices)) if share else None for share in (*shares, 0, 0)]
    return parts[0], parts[1], parts[2]


def _rule(whole: Samples, config: DataConfig) -> dict[str, Any]:
    """What decides on the parts beside chance, as `split_indices` takes it."""
    for option, column in (("groups", config.group), ("order", config.time)):
        if column is not None and isinstance(whole, Table):
            return {option: whole[column]}
    if not config.stratify:
        return {}
    if isinstance(whole, Table):
        target = whole.target
        classes = target is not None and whole.kinds[target] == "categorical"
        return {"stratify": whole.categories(target).codes} if target and classes else {}
    return {"stratify": whole.targets} if whole.classes else {}


def _encoded_tables(divided: Sequence[Table | None], origin: Origin, config: DataConfig) -> Parts:
    if config.standardize or config.divide_by is not None:
        key = "standardize" if config.standardize else "divide_by"
        raise ArgumentError(f"data.{key}: columns of tables are standardised already")
    if config.augment:
        raise ArgumentError(f"{PLACE}: transforms pictures, and the data are a table")
    aside = [name for name in (config.group, config.time) if name is not None]
    aside = [name for name in aside if name not in (config.features or ())]
    tables = [None if table is None else table.drop(aside) for table in divided]
    training = tables[0]
    if training is None:
        raise ArgumentError("data.split: the training part is empty")
    encoder = ColumnEncoder.fit(
        training, max_categories=config.max_categories, min_count=config.min_count
    )
    reader = TableReader(
        encoder,
        columns=origin.columns,
        delimiter=config.delimiter,
        missing=config.missing,
        comment=config.comment,
        encoding=config.encoding,
    )
    made = [None if table is None else encoder.dataset(table) for table in tables]
    return Parts(encoder.dataset(training), made[1], made[2], reader, origin.left_out)


# --- what the network needs to know ---


def first_inputs(part: Part) -> NDArray[Any]:
    """The inputs of the first two samples."""
    few = np.arange(min(2, len(part)))
    return part.inputs[few] if isinstance(part, Dataset) else part.read_batch(few)[0]


def default_loss(training: Part) -> str:
    """The loss for classes, numbers or tokens."""
    if isinstance(training, TextPart):
        return "token_cross_entropy"
    return "cross_entropy" if training.classes else "mean_squared_error"


def code_of(config: DataConfig, training: Part, loss: str) -> str:
    """What classes become for a loss, see `encoded`; "labels" for numbers.

    Raises `ArgumentError` for codes that do not fit the data.
    """
    classes, code = len(training.classes), config.target_code
    if not classes:
        if code not in (None, "labels"):
            raise ArgumentError(
                f"data.target_code: {code!r} needs classes, the targets are numbers"
            )
        return "labels"
    if code is None and loss not in CLASS_LOSSES:
        code = "binary" if loss in BINARY_LOSSES and classes == 2 else "one_hot"
    if code == "binary" and classes != 2:
        raise ArgumentError(f"data.target_code: 'binary' needs 2 classes, found {classes}")
    return code or "labels"


def outputs_of(training: Part, code: str) -> int:
    """How many outputs the network needs: one a class or token, 1 for "binary", one a number."""
    if isinstance(training, TextPart):
        return training.vocabulary_size
    if training.classes:
        return 1 if code == "binary" else len(training.classes)
    targets = training.targets
    return targets.shape[1] if targets is not None and targets.ndim > 1 else 1


def encoded(part: Part, code: str) -> Any:
    """A part as `fit` takes it: a pair of inputs and targets, or a source with them.

    Targets are class numbers `(sample,)` for "labels", 0 and 1 `(sample, 1)` for "binary", else
    vectors `(sample, class)` by `data.encode_targets`; numbers `(sample, number)`.
    """
    classes = len(part.classes)
    if isinstance(part, Dataset):
        return part.inputs, _targets(part.targets, classes, code)
    if code == "labels":
        return part
    if isinstance(part, Augmented) and part.mixing is not None:
        if code != "one_hot":
            raise ArgumentError(
                f"{PLACE}: mixed targets are shares of classes, for data.target_code 'labels' or "
                f"'one_hot', not {code!r}"
            )
        return part
    return part.map(
        lambda sample, _: (sample[0], _targets(np.array([sample[1]]), classes, code)[0])
    )


def _targets(targets: NDArray[Any], classes: int, code: str) -> NDArray[Any]:
    if not classes:
        return targets[:, None] if targets.ndim == 1 else targets
    if code == "labels":
        return targets
    if code == "binary":
        return targets[:, None].astype(np.float32)
    vectors: NDArray[Any] = data.encode_targets(targets, classes, code=code)
    return vectors
