"""A configured run: the model is made, trained on its data and measured on the test part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurona import random
from neurona.core.errors import ArgumentError
from neurona.data.dataset import Dataset
from neurona.data.standardize import Standardizer
from neurona.train.experiment.names import name_and_options
from neurona.train.experiment.network import make_network
from neurona.train.experiment.parts import Parts, code_of, default_loss, encoded, outputs_of
from neurona.train.experiment.schema import Config, DataConfig
from neurona.train.history import History
from neurona.train.model import Model
from neurona.train.optimizers import make_optimizer
from neurona.train.preprocessing import Division, Preprocessing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves. scores: of the test part, by name; none without one."""

    model: Model
    history: History
    scores: dict[str, float]


def make_model(config: Config, parts: Parts) -> Model:
    """The untrained model of a configuration for its data.

    Starts the default random generator from the configured seed. Raises `ArgumentError` with the
    place for what does not fit.
    """
    random.seed(config.seed)
    training = parts.training
    loss = config.training.loss or default_loss(training)
    code = code_of(config.data, training, loss)
    preprocessing = _preprocessing(config.data, training)
    few = training.inputs[:2]
    example = few if preprocessing is None else preprocessing.transform(few)
    dtype = np.dtype(np.float32) if example.dtype.kind == "f" else example.dtype
    network = make_network(config.network, example.shape[1:], dtype, outputs_of(training, code))
    name, options = name_and_options(config.training.optimizer, "training.optimizer")
    optimizer = make_optimizer(network.parameters(), name, options, "training.optimizer")
    model = Model(
        network, preprocessing=preprocessing, classes=training.classes, reader=parts.reader
    )
    model.compile(optimizer, loss, _metrics(config, training, code))
    return model


def _metrics(config: Config, training: Dataset, code: str) -> list[str]:
    if config.training.metrics is not None:
        return config.training.metrics
    if not training.classes:
        return ["root_mean_squared_error"]
    return ["binary_accuracy" if code == "binary" else "accuracy"]


def _preprocessing(config: DataConfig, training: Dataset) -> Preprocessing | None:
    if config.divide_by is not None:
        return Division(config.divide_by)
    if config.standardize:
        axes = tuple(range(training.inputs.ndim)) if training.inputs.ndim > 2 else 0
        return Standardizer.fit(training.inputs, axis=axes)
    if training.inputs.dtype == np.uint8:
        most = int(training.inputs.max())
        raise ArgumentError(
            f"data: the inputs are whole numbers of up to {most}; choose divide_by = {most} or "
            "standardize = true"
        )
    return None


def run(model: Model, config: Config, parts: Parts, *, verbose: bool = True) -> Outcome:
    """Train a model on its parts and measure it on the test part."""
    if model.loss_name is None:
        raise ArgumentError("run: the model has no loss of a known name; make it with make_model")
    code = code_of(config.data, parts.training, model.loss_name)
    training, validation, test = (
        None if part is None else (part.inputs, encoded(part, code))
        for part in (parts.training, parts.validation, parts.test)
    )
    history = model.fit(
        *(training or ()),
        epochs=config.training.epochs,
        batch_size=config.training.batch_size,
        validation_data=validation,
        seed=config.seed,
        verbose=verbose,
    )
    return Outcome(model, history, {} if test is None else model.evaluate(*test))
