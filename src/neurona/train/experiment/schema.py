"""What a configuration may say; the tables of the TOML file as structures.

The page on the command line, docs/command_line.md, shows a file and all keys.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

TargetCode = Literal["labels", "binary", "one_hot", "sigmoid", "tanh"]


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where samples come from, how they are divided, and what is done to their numbers.

    - `name`: a data set of `neurona.data.load`.
    - `split`: the shares of the training, validation and test part. A set with a test part of its
      own keeps that and takes two shares; a validation or test share may be 0.
    - `stratify`: whether every part has the classes in their proportions.
    - At most one of `divide_by` (inputs / number) and `standardize` (by the training part).
    - `targets`: what classes become for the loss; by default what it needs.
    """

    name: str
    split: list[float] | None = None
    stratify: bool = True
    divide_by: float | None = None
    standardize: bool = False
    targets: TargetCode | None = None


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The layers, and initialisers of `nn.init` for weights and biases.

    layers: as `neurona.train.describe` gives for those of a Sequential; what follows from the data
    and the layers before may be left out.
    """

    layers: list[dict[str, Any]]
    weights: dict[str, Any] | None = None
    biases: dict[str, Any] | None = None


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the network learns.

    - `loss`: a name of `train.LOSSES`; default: "cross_entropy" for classes,
      "mean_squared_error" for numbers.
    - `optimizer`: a name of `neurona.optim`, or a table with `name` and options.
    - `metrics`: names of `train.METRICS`; default: the accuracy, or the root mean squared error.
    """

    epochs: int
    loss: str | None = None
    optimizer: str | dict[str, Any] = "Adam"
    batch_size: int = 32
    metrics: list[str] | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training run. seed: initial weights, order, dropout, split."""

    data: DataConfig
    network: NetworkConfig
    training: TrainingConfig
    seed: int = 0
