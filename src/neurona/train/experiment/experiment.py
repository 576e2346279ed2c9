"""A configured run: the model is made, trained on its data and measured on the test part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import fields
from numpy.typing import NDArray

from neurona import nn, random
from neurona.core.errors import ArgumentError
from neurona.data.dataset import Dataset
from neurona.data.standardize import Standardizer
from neurona.data.stream import StreamLoader
from neurona.data.windows import windows
from neurona.nn.module import Module
from neurona.optim.optimizer import Optimizer
from neurona.optim.schedules import make_schedule
from neurona.train.analysis.material import picture_layout
from neurona.train.callbacks import Callback
from neurona.train.checks import CLASS_LOSSES, dtype_of, output_shape
from neurona.train.experiment.kinds import name_and_options, takes_pictures
from neurona.train.experiment.names import make_callbacks
from neurona.train.experiment.network import make_network
from neurona.train.experiment.parts import (
    Part,
    Parts,
    code_of,
    default_loss,
    encoded,
    first_inputs,
    outputs_of,
)
from neurona.train.experiment.schema import Config, DataConfig, TrainingConfig
from neurona.train.experiment.texts import KeepTokenizer, TextPart, carries
from neurona.train.history import History
from neurona.train.losses import NUMBER_LOSSES, name_of
from neurona.train.model import Model
from neurona.train.optimizers import make_optimizer
from neurona.train.preprocessing import ChannelsFirst, Division, Preprocessing
from neurona.train.selection import parameter_groups


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
    code = code_of(config.data, training, name_of(loss) or "")
    example = first_inputs(training)
    preprocessing = _channels_first(config, _preprocessing(config.data, training, example), example)
    if preprocessing is not None:
        example = preprocessing.transform(example)
    dtype = np.dtype(np.float32) if example.dtype.kind == "f" else example.dtype
    outputs = outputs_of(training, code)
    _check_classes(config.data, training, name_of(loss), outputs)
    network = make_network(config.network, example.shape[1:], dtype, outputs)
    found = output_shape(network, example, dtype_of(network))
    if training.classes and found != (outputs,):
        raise ArgumentError(
            f"network.layers: the last layer gives {found[0]} outputs, {len(training.classes)} "
            f"classes need {outputs}; leave out its out_features, they follow from the data"
        )
    context = getattr(network, "context", None)
    if carries(training, config) and context is not None:
        raise ArgumentError(
            "data.windows: 'consecutive' carries the state on without end, and "
            f"{type(network).__name__} has a context of {context}; choose 'random'"
        )
    model = Model(
        network,
        preprocessing=preprocessing,
        classes=tuple(parts.tokenizer.vocabulary) if parts.tokenizer else training.classes,
        reader=parts.reader,
        target_scaling=_target_scaling(config.data, training, loss, network),
    )
    with placed():
        model.compile(
            _optimizer(config.training, network),
            loss,
            _metrics(config, training, code),
            **_update(config.training),
        )
    return model


def _check_classes(config: DataConfig, training: Part, loss: str | None, outputs: int) -> None:
    """Raise `ArgumentError` where there is nothing to choose from."""
    if isinstance(training, TextPart):
        return
    if len(training.classes) == 1:
        raise ArgumentError(
            f"data: there is only one class, {training.classes[0]!r}; at least 2 are needed to "
            "learn what tells them apart"
        )
    if loss in CLASS_LOSSES and not training.classes and outputs == 1:
        kinds = f'kinds = {{ "{config.target}" = "categorical" }}'
        hint = "" if config.file is None else f": data.{kinds}"
        raise ArgumentError(
            f"training.loss: {loss!r} is for classes, the targets are numbers; choose a loss for "
            f"numbers, or say that they are classes{hint}"
        )


@contextmanager
def placed() -> Iterator[None]:
    """Put "training" in front of what compile and fit say of their arguments of the same names."""
    try:
        yield
    except ArgumentError as error:
        text = str(error).removeprefix("compile: ")
        word = re.split(r"\W", text, maxsplit=1)[0]
        rest = text[len(word) :].lstrip(": ")
        known = word in {field.name for field in fields(TrainingConfig)}
        raise ArgumentError(f"training.{word}: {rest}" if known else str(error)) from None


def _optimizer(config: TrainingConfig, network: Module) -> Optimizer:
    name, options = name_and_options(config.optimizer, "training.optimizer")
    groups: Any = network.parameters()
    if config.learning_rates:
        groups = parameter_groups(network, config.learning_rates)
    return make_optimizer(groups, name, options, "training.optimizer")


def _update(config: TrainingConfig) -> dict[str, Any]:
    """How an update is made, as `Model.compile` takes it."""
    return {
        "schedule": make_schedule(config.schedule) if config.schedule else None,
        "frozen": config.frozen,
        "accumulate": config.accumulate,
        "clip_norm": config.clip_norm,
        "clip_value": config.clip_value,
        "l1": config.l1,
        "l2": config.l2,
        "max_norm": config.max_norm,
    }


def _metrics(config: Config, training: Part, code: str) -> list[Any]:
    if config.training.metrics is not None:
        return list(config.training.metrics)
    if isinstance(training, TextPart):
        return ["perplexity"]
    if not training.classes:
        return ["root_mean_squared_error"]
    return ["binary_accuracy" if code == "binary" else "accuracy"]


def _preprocessing(config: DataConfig, training: Part, example: Any) -> Preprocessing | None:
    if config.divide_by is not None:
        return Division(config.divide_by)
    if config.standardize:
        axes = tuple(range(example.ndim)) if example.ndim > 2 else 0
        if isinstance(training, Dataset):
            return Standardizer.fit(training.inputs, axis=axes)
        options: Any = {"batch_size": 256, "shuffle": False, "workers": config.workers}
        with StreamLoader(training, **options) as loader:
            return Standardizer.fit(loader, axis=axes)
    if example.dtype == np.uint8:
        most = int(training.inputs.max()) if isinstance(training, Dataset) else 255
        raise ArgumentError(
            f"data: the inputs are whole numbers of up to {most}; choose divide_by = {most} or "
            "standardize = true"
        )
    return None


def _channels_first(
    config: Config, preprocessing: Preprocessing | None, example: NDArray[Any]
) -> Preprocessing | None:
    """The preprocessing, with the channels in front where the network wants them there."""
    wanted, network = config.data.channels_first, config.network
    if wanted is None:
        layout = picture_layout(example.shape[1:])
        wanted = layout in ("HW", "HWC") and takes_pictures(network.kind, network.layers)
    if not wanted:
        return preprocessing
    if example.ndim not in (3, 4):
        raise ArgumentError(
            f"data.channels_first: the inputs are no pictures, but {example.shape[1:]}"
        )
    return ChannelsFirst(preprocessing)


def _target_scaling(
    config: DataConfig, training: Part, loss: str | dict[str, Any], network: Module
) -> Standardizer | None:
    """The statistics of the targets if they are to be learnt standardised."""
    wanted, place = config.standardize_target, "data.standardize_target"
    if wanted is None:
        numbers = not training.classes and name_of(loss) in NUMBER_LOSSES
        wanted = config.file is not None and numbers and _ends_linear(network)
    if not wanted:
        return None
    if training.classes:
        raise ArgumentError(f"{place}: the targets are classes, only numbers can be standardised")
    if name_of(loss) not in NUMBER_LOSSES:
        raise ArgumentError(
            f"{place}: needs a loss for numbers, one of {', '.join(sorted(NUMBER_LOSSES))}; found "
            f"{name_of(loss)!r}"
        )
    if not isinstance(training, Dataset):
        raise ArgumentError(f"{place}: needs all targets in memory")
    _, targets = training.arrays
    return Standardizer.fit(targets[:, None] if targets.ndim == 1 else targets)


def _ends_linear(network: Module) -> bool:
    """Whether the outputs can be any number: standardised targets lie on both sides of 0."""
    last: Module = network
    while isinstance(last, nn.Sequential) and len(last):
        last = last[-1]
    return isinstance(last, nn.Linear)


def run(
    model: Model,
    config: Config,
    parts: Parts,
    *,
    folder: Path | None = None,
    resume: bool = False,
    verbose: bool = True,
) -> Outcome:
    """Train a model on its parts and measure it on the test part.

    folder: where the run is kept; what is measured is then the model that it holds. resume: go on
    with the run in the folder.
    """
    code = code_of(config.data, parts.training, model.loss_name or "")
    validation = None if parts.validation is None else part_data(parts.validation, config, code)
    with placed():
        history = model.fit(
            **_served(parts.augmented or parts.training, config, code),
            epochs=config.training.epochs,
            validation_data=validation,
            class_weight=_class_weight(config.training, parts.training),
            callbacks=_callbacks(config, parts, folder),
            verbose=verbose,
            carry_state=carries(parts.training, config),
            run=folder,
            resume=resume,
        )
    if folder is not None:
        model = Model.load(folder)
    scores = {} if parts.test is None else evaluate(model, config, parts.test)
    return Outcome(model, history, scores)


def _callbacks(config: Config, parts: Parts, folder: Path | None) -> list[Callback]:
    """Those of the configuration, and what keeps the tokeniser of a text in the run's folder."""
    made = make_callbacks(config.training.callbacks)
    if parts.tokenizer is not None and folder is not None:
        made.append(KeepTokenizer(parts.tokenizer, folder))
    return made


def _class_weight(config: TrainingConfig, training: Part) -> dict[str, float] | None:
    """The weights of the classes by name; "balanced": N / (K·N_c)."""
    if config.class_weight != "balanced":
        return config.class_weight
    if not training.classes or training.targets is None:
        raise ArgumentError("training.class_weight: 'balanced' needs classes")
    counts = np.bincount(training.targets, minlength=len(training.classes))
    weights = len(training) / (len(counts) * np.maximum(counts, 1))
    return dict(zip(training.classes, weights.tolist(), strict=True))


def _served(training: Part, config: Config, code: str) -> dict[str, Any]:
    """The training part as arguments of `fit`."""
    if carries(training, config):
        size, length = config.training.batch_size, config.data.length
        return {"x": windows(training.ids, batch_size=size, length=length, drop_last=True)}
    options: dict[str, Any] = {"batch_size": config.training.batch_size, "seed": config.seed}
    whole = encoded(training, code)
    if isinstance(whole, tuple):
        return {"x": whole[0], "y": whole[1], **options}
    workers = config.data.workers or (2 if config.data.augment else 0)
    return {"x": StreamLoader(whole, workers=workers, **options)}


def part_data(part: Part, config: Config, code: str) -> Any:
    """A part to be measured, as `fit` takes it for validation: a pair, or a loader in its order."""
    if carries(part, config):
        # No more streams than there are windows, each of which begins without a state.
        size = min(config.training.batch_size, len(part))
        return windows(part.ids, batch_size=size, length=config.data.length)
    whole = encoded(part, code)
    if isinstance(whole, tuple):
        return whole
    size, workers = config.training.batch_size, config.data.workers
    return StreamLoader(whole, batch_size=size, shuffle=False, workers=workers)


def evaluate(model: Model, config: Config, part: Part) -> dict[str, float]:
    """The loss and the metrics of a model over a part."""
    served = part_data(part, config, code_of(config.data, part, model.loss_name or ""))
    if isinstance(served, tuple):
        return model.evaluate(*served)
    try:
        return model.evaluate(served, carry_state=carries(part, config))
    finally:
        served.close()
