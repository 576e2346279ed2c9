"""What a configuration may say; the tables of the TOML file as structures.

The page on the command line, docs/command_line.md, shows a file and all keys.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

TargetCode = Literal["labels", "binary", "one_hot", "sigmoid", "tanh"]


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where samples come from, how they are divided, and what is done to their numbers.

    One of these says where they come from:

    - `name`: a data set of `neurona.data.load`.
    - `file`: a table, read by `data.read_csv` with `columns`, `target`, `delimiter`, `missing`,
      `comment`, `skip`, `encoding` and `kinds`; `features` or `ignore` choose columns,
      `max_categories` and `min_count` are those of `data.ColumnEncoder`.
    - `images`: a folder with a folder of pictures for each class, see `data.ImageFolder`; `size`,
      `grey` and `resize` are its. `workers`: so many threads read them anew in each epoch; 0: all
      are read into memory once.
    - `idx`: two IDX files, inputs and targets.
    - `npz`: a file of NumPy arrays; `inputs` and `targets` are their names in it.
    - `text`: a file with a text, for a language model. `tokenizer`: a name of `texts.TOKENIZERS`,
      or a table with `name` and options; `length`: the tokens of a window; `windows`: "random",
      each at a place drawn anew, or "consecutive", where the state is carried on from window to
      window. `split` divides it in its order, [0.9, 0.1] by default: the end is held out.

    And for all of them:

    - `split`: the shares of the training, validation and test part. A set with a test part of its
      own keeps that and takes two shares; a validation or test share may be 0.
    - `stratify`: whether every part has the classes in their proportions. `group`, `time`: columns
      of a table; samples of a group stay together, or later parts hold later samples.
    - At most one of `divide_by` (inputs / number) and `standardize` (by the training part).
    - `augment`: what is done to the pictures of the training part, anew in each epoch: tables with
      a `kind` of `data.augmentation.KINDS` and its arguments. `workers`: so many threads do it, two
      where it is not said.
    - `channels_first`: whether pictures (row, column) and (row, column, channel) become (channel,
      row, column), as convolutions take them. Default: where the network is one for pictures.
    - `target_code`: what classes become for the loss; by default what it needs.
    - `standardize_target`: whether targets that are numbers are learnt standardised by the training
      part; metrics and predictions stay in their units. Default: true for a `file` where the loss
      is one of numbers and the last layer a Linear, whose outputs have no bounds.
    """

    name: str | None = None
    file: str | None = None
    images: str | None = None
    idx: list[str] | None = None
    npz: str | None = None
    text: str | None = None

    columns: list[str] | None = None
    target: str | None = None
    delimiter: str = ","
    missing: list[str] = msgspec.field(default_factory=lambda: ["", "?"])
    comment: str | None = None
    skip: int = 0
    encoding: str = "utf-8"
    kinds: dict[str, Literal["numeric", "categorical"]] = {}
    features: list[str] | None = None
    ignore: list[str] = []
    max_categories: int = 100
    min_count: int = 1

    size: int | list[int] | None = None
    grey: bool = False
    resize: Literal["crop", "stretch"] = "crop"
    workers: int = 0

    inputs: str | None = None
    targets: str | None = None

    tokenizer: str | dict[str, Any] = "character"
    length: int = 64
    windows: Literal["random", "consecutive"] = "random"

    split: list[float] | None = None
    stratify: bool = True
    group: str | None = None
    time: str | None = None
    divide_by: float | None = None
    standardize: bool = False
    augment: list[dict[str, Any]] = []
    channels_first: bool | None = None
    target_code: TargetCode | None = None
    standardize_target: bool | None = None


ORIGINS = ("name", "file", "images", "idx", "npz", "text")
"""The keys of `DataConfig` that say where samples come from."""
PATHS = ("file", "images", "idx", "npz", "text")
"""Those of them that are paths."""
_READ = {"columns", "target", "delimiter", "missing", "comment", "skip", "encoding", "kinds"}
_COLUMNS = {"features", "ignore", "max_categories", "min_count", "group", "time"}
OPTIONS = {
    "name": _COLUMNS,
    "file": _READ | _COLUMNS,
    "images": {"size", "grey", "resize", "workers"},
    "idx": set[str](),
    "npz": {"inputs", "targets"},
    "text": {"tokenizer", "length", "windows", "encoding"},
}
"""The keys that each of them has; the others belong to all."""
NOT_OF_TEXT = (
    "stratify", "divide_by", "standardize", "augment", "channels_first", "target_code",
    "standardize_target",
)  # fmt: skip
"""Those of all that mean nothing for a text."""


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network by name, or its layers; and initialisers of `nn.init` for weights and biases.

    kind: a name of `neurona.models.NETWORKS`, or a table with `name` and options, as in
    { name = "resnet18", stem = "cifar" }; classes and channels follow from the data.
    layers: as `neurona.train.describe` gives for those of a Sequential; what follows from the data
    and the layers before may be left out.
    """

    kind: str | dict[str, Any] | None = None
    layers: list[dict[str, Any]] = []
    weights: dict[str, Any] | None = None
    biases: dict[str, Any] | None = None


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the network learns.

    - `steps_per_epoch`: of random windows of a text; default: as many as serve its length once.
    - `loss`: a name of `train.LOSSES`, or a table with `name` and options of its layer; default:
      "cross_entropy" for classes, "mean_squared_error" for numbers, "token_cross_entropy" for text.
    - `optimizer`: a name of `neurona.optim`, or a table with `name` and options.
    - `schedule`: of the learning rate, the same for `optim.make_schedule`.
    - `metrics`: names of `train.METRICS`, or tables; default: the accuracy, or the root mean
      squared error.
    - `callbacks`: tables of options by the names in `CALLBACKS`.
    - `class_weight`: weights by the names of classes, or "balanced": each class counts the same.
    - `learning_rates`: by layer, see `train.parameter_groups`; `frozen`, `accumulate`, `clip_norm`,
      `clip_value`, `l1`, `l2`, `max_norm`: see `Model.compile`. Layers have their numbers as names.
    """

    epochs: int
    steps_per_epoch: int | None = None
    loss: str | dict[str, Any] | None = None
    optimizer: str | dict[str, Any] = "Adam"
    schedule: str | dict[str, Any] | None = None
    batch_size: int = 32
    metrics: list[str | dict[str, Any]] | None = None
    callbacks: dict[str, dict[str, Any]] = {}
    class_weight: Literal["balanced"] | dict[str, float] | None = None
    learning_rates: dict[str, float] = {}
    frozen: list[str] = []
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training run. seed: initial weights, order, dropout, split."""

    data: DataConfig
    network: NetworkConfig
    training: TrainingConfig
    seed: int = 0
