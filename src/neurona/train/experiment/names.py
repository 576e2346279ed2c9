"""The names in a configuration: each must be known, with the options it has."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.optim.schedules import make_schedule
from neurona.train.callbacks import Callback
from neurona.train.early_stopping import EarlyStopping
from neurona.train.experiment.augmenting import make_transforms
from neurona.train.experiment.initial import check_initialiser
from neurona.train.experiment.kinds import name_and_options, named_class
from neurona.train.experiment.network import check_layers
from neurona.train.experiment.schema import Config
from neurona.train.experiment.texts import check_tokenizer
from neurona.train.losses import find_loss
from neurona.train.metrics import find_metric
from neurona.train.optimizers import check_options
from neurona.train.plateau import ReduceOnPlateau

CALLBACKS: dict[str, Any] = {
    "early_stopping": EarlyStopping,
    "reduce_on_plateau": ReduceOnPlateau,
}
"""The callbacks that configurations know by name."""


def check_names(config: Config) -> None:
    """Look up every name and the options that stand with it, before any data are read.

    Raises `ArgumentError` with the place.
    """
    if config.network.kind is not None:
        named_class(config.network.kind, "network.kind")
    check_layers(config.network.layers, "network.layers")
    make_transforms(config.data.augment)
    check_tokenizer(config.data.tokenizer)
    for kind, table in (("weights", config.network.weights), ("biases", config.network.biases)):
        if table is not None:
            check_initialiser(table, f"network.{kind}")
    training = config.training
    if training.loss is not None:
        find_loss(training.loss, "training.loss")
    for metric in training.metrics or ():
        try:
            find_metric(metric)
        except ArgumentError as error:
            raise ArgumentError(f"training.{error}") from None
    check_options(*name_and_options(training.optimizer, "training.optimizer"), "training.optimizer")
    if training.schedule is not None:
        make_schedule(training.schedule, "training.schedule")
    make_callbacks(training.callbacks)


def make_callbacks(tables: Mapping[str, Mapping[str, Any]]) -> list[Callback]:
    """The callbacks of a configuration, by name and options.

    Raises `ArgumentError`, with the place, for unknown names and options and for refused values.

    >>> make_callbacks({"early_stopping": {"patience": 3}})[0].patience
    3
    """
    made = []
    for name, options in tables.items():
        if name not in CALLBACKS:
            raise ArgumentError(
                f"training.callbacks: unknown name {name!r}{nearest(name, CALLBACKS)} "
                f"(known: {', '.join(CALLBACKS)})"
            )
        place, kind = f"training.callbacks.{name}", CALLBACKS[name]
        known = list(inspect.signature(kind).parameters)
        for option in options:
            if option not in known:
                raise ArgumentError(
                    f"{place}: no option {option!r}{nearest(option, known)} "
                    f"(known: {', '.join(known)})"
                )
        try:
            made.append(kind(**options))
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{place}: {error}") from None
    return made
