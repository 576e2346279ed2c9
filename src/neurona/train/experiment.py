"""A configured run: a model is prepared, trained on its data and measured on the test part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from neurona import data, random
from neurona.core.errors import ArgumentError, nearest
from neurona.data.dataset import Dataset
from neurona.data.images import LAYOUTS
from neurona.data.readers import DigitReader
from neurona.data.standardize import Standardizer
from neurona.nn.module import Module
from neurona.train.architecture import draw
from neurona.train.config import Config, initialise, locating, read_config
from neurona.train.history import History
from neurona.train.losses import LOSSES
from neurona.train.metrics import find_metric
from neurona.train.model import Model
from neurona.train.optimizers import make_optimizer
from neurona.train.preprocessing import Division, Preprocessing


@dataclass(frozen=True, slots=True)
class Parts:
    """The data of a run. validation: None if there is none."""

    training: Dataset
    validation: Dataset | None
    test: Dataset


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves. scores: of the test part, by name."""

    model: Model
    history: History
    scores: dict[str, float]


def prepare(config: Config) -> Model:
    """The untrained model of a configuration; every name and option in it is looked up here.

    Starts the default random generator from the configured seed. Raises `ArgumentError` with the
    place.
    """
    training = config.training
    if training.loss not in LOSSES:
        raise ArgumentError(
            f"training.loss: unknown name {training.loss!r}{nearest(training.loss, LOSSES)}"
        )
    for metric in training.metrics:
        try:
            find_metric(metric)
        except ArgumentError as error:
            raise ArgumentError(f"training.{error}") from None
    random.seed(config.seed)
    network = _network(config)
    options = {key: value for key, value in training.optimizer.items() if key != "name"}
    optimizer = make_optimizer(
        network.parameters(), training.optimizer["name"], options, "training.optimizer"
    )
    model = Model(network)
    model.compile(optimizer, training.loss, training.metrics)
    return model


def prepare_file(
    path: str | Path, *, epochs: int | None = None, seed: int | None = None
) -> tuple[Config, Model]:
    """The configuration in a TOML file and its untrained model; errors name the line.

    epochs, seed: others than in the file.
    """
    config = read_config(path)
    with locating(path):
        config = _changed(config, epochs, seed)
        return config, prepare(config)


def _changed(config: Config, epochs: int | None, seed: int | None) -> Config:
    training = config.training
    if epochs is not None:
        training = msgspec.structs.replace(training, epochs=epochs)
    seed = config.seed if seed is None else seed
    return msgspec.structs.replace(config, training=training, seed=seed)


def _network(config: Config) -> Module:
    try:
        network = draw(config.network.description(), "network")
    except ArgumentError as error:
        raise ArgumentError(str(error).replace("network.modules", "network.layers")) from None
    parameters = list(network.parameters())
    initialise([p for p in parameters if p.ndim > 1], config.network.weights, "network.weights")
    initialise([p for p in parameters if p.ndim == 1], config.network.biases, "network.biases")
    return network


def load_parts(
    config: Config, *, data_dir: str | Path | None = None, download: bool = False
) -> Parts:
    """The data of a configuration, divided as it says.

    A set without a test part of its own is split at random by the seed, with the classes in their
    proportions. Raises what `neurona.data.load` and `neurona.data.split` raise.
    """
    loaded = data.load(config.data.name, data_dir=data_dir, download=download)
    if "test" in loaded:
        training, test = loaded["train"], loaded["test"]
    else:
        if not config.data.test:
            raise ArgumentError(
                f"data.test: {config.data.name!r} has no test part of its own, so a share of it is "
                "needed, as in test = 0.2"
            )
        training, test = _split(loaded["all"], config.data.test, config.seed)
    validation = None
    if config.data.validation:
        training, validation = _split(training, config.data.validation, config.seed)
    return Parts(training, validation, test)


def _split(whole: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    stratify = whole.targets if whole.classes else None
    first, second = data.split(whole, (1 - share, share), seed=seed, stratify=stratify)
    return first, second


def run(model: Model, config: Config, parts: Parts, *, verbose: bool = True) -> Outcome:
    """Train a prepared model on its parts and measure it on the test part."""
    training = parts.training
    model.preprocessing = _preprocessing(config, training)
    model.classes = training.classes
    model.reader = DigitReader(config.data.name) if config.data.name in LAYOUTS else None
    pairs = {
        name: (part.inputs, encoded(part, config.data.targets))
        for name, part in (("test", parts.test), ("validation", parts.validation))
        if part is not None
    }
    history = model.fit(
        training.inputs,
        encoded(training, config.data.targets),
        epochs=config.training.epochs,
        batch_size=config.training.batch_size,
        validation_data=pairs.get("validation"),
        seed=config.seed,
        verbose=verbose,
    )
    return Outcome(model, history, model.evaluate(*pairs["test"]))


def _preprocessing(config: Config, training: Dataset) -> Preprocessing | None:
    if config.data.divide_by is not None:
        return Division(config.data.divide_by)
    if config.data.standardize:
        axes = tuple(range(training.inputs.ndim)) if training.inputs.ndim > 2 else 0
        return Standardizer.fit(training.inputs, axis=axes)
    return None


def encoded(part: Dataset, code: str) -> NDArray[Any]:
    """The targets of a part as the loss wants them. Raises `ArgumentError` for codes of numbers."""
    if code == "labels":
        return part.targets
    if not part.classes:
        raise ArgumentError(f"data.targets: {code!r} needs classes; {part.name!r} has numbers")
    result: NDArray[Any] = data.encode_targets(
        part.targets, len(part.classes), code=code, dtype=np.float32
    )
    return result
