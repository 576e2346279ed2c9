"""Compile, fit, evaluate, predict in Keras's words, on the compiled steps of `train.Model`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from neurona import train
from neurona.core.dtypes import uint64
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array
from neurona.data import Dataset, Loader
from neurona.keras import losses as known_losses
from neurona.keras import metrics as known_metrics
from neurona.keras import optimizers as known_optimizers
from neurona.keras.callbacks import Callback, History
from neurona.keras.layers.recurrent import hold_states
from neurona.keras.models.bridge import Lines, bridged
from neurona.keras.models.inputs import inputs_for
from neurona.keras.models.network import KerasNetwork
from neurona.keras.models.objective import Objective, check, targets_for
from neurona.keras.models.weighting import with_classes
from neurona.keras.named import described
from neurona.ops.generator import DEFAULT
from neurona.train.weighting import checked_weights

ABSENT: dict[str, Any] = {
    "auto_scale_loss": True,
    "callbacks": None,
    "jit_compile": "auto",
    "loss_weights": None,
    "run_eagerly": False,
    "steps": None,
    "steps_per_epoch": None,
    "steps_per_execution": 1,
    "validation_batch_size": None,
    "validation_freq": 1,
    "validation_steps": None,
    "weighted_metrics": None,
}
"""Arguments of Keras's verbs that are not there, with the values that change nothing."""


NEVER_CALLED = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    *(f"on_{verb}_{when}" for verb in ("test", "predict") for when in ("begin", "end")),
    *(f"on_{verb}_batch_{when}" for verb in ("test", "predict") for when in ("begin", "end")),
)
"""Methods of Keras's callbacks that are not there."""


def refuse(verb: str, given: Mapping[str, Any]) -> None:
    """Raise `ArgumentError` for arguments that are not there."""
    for name, value in given.items():
        if name not in ABSENT:
            raise ArgumentError(f"{verb}: there is no argument {name!r}")
        if value is not None and value != ABSENT[name]:
            raise ArgumentError(f"{verb}: Keras's argument {name!r} is not there; leave it out")


class Trained:
    """A model with Keras's verbs; `Model` and `Sequential` say what its network is."""

    def __init__(self) -> None:
        self.optimizer: known_optimizers.Optimizer | None = None
        self.loss: known_losses.Loss | None = None
        self.stop_training = False
        self.history: History | None = None
        self._wanted: Sequence[Any] = ()
        self._trainer: train.Model | None = None

    @property
    def network(self) -> KerasNetwork:
        """The layers as one `nn.Module`."""
        raise NotImplementedError(f"{type(self).__name__} must define network")

    @property
    def built(self) -> bool:
        """Whether the weights are there."""
        return True

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape."""

    def _forget(self) -> None:
        self._trainer = None

    # --- compiling ---

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        *,
        metrics: Iterable[Any] | None = None,
        **absent: Any,
    ) -> None:
        """Choose how the model learns and check that all of it fits together.

        - `optimizer`: one of `keras.optimizers` or its name.
        - `loss`: one of `keras.losses`, its name, or a function of (y_true, y_pred).
        - `metrics`: of `keras.metrics`, or names; "accuracy" suits itself to output and loss.

        The layers, the loss against the output, and the metrics are wired once, without data.
        Raises `ShapeError` that names layer, loss and both shapes.
        """
        refuse("compile", absent)
        if loss is None:
            raise ArgumentError("compile: choose a loss, as in loss='categorical_crossentropy'")
        if isinstance(loss, (list, tuple, dict)) and not (
            isinstance(loss, dict) and "class_name" in loss
        ):
            raise ArgumentError("compile: a model has one output, so give one loss")
        if isinstance(metrics, (str, Mapping)):
            raise ArgumentError(f"compile: metrics is a list, as in metrics=[{metrics!r}]")
        self.loss = known_losses.get(loss)
        self.optimizer = known_optimizers.get(optimizer)
        self._wanted = tuple(metrics or ())
        self._forget()
        if self.built:
            self._training()

    def _training(self) -> train.Model:
        """The `train.Model` whose steps run everything, compiled."""
        if self.loss is None or self.optimizer is None:
            raise ArgumentError("model: call compile(optimizer, loss) first")
        if self._trainer is None or self._trainer.loss is None:
            network = self.network
            units = network.output.shape[-1]
            chosen = [known_metrics.get(one, units, self.loss.TARGETS) for one in self._wanted]
            check(network, self.loss, chosen)
            trainer = train.Model(network)
            learnt = list(network.parameters())
            trainer.compile(
                self.optimizer.bind(learnt) if learnt else None,
                loss=Objective(network, self.loss),
                metrics=chosen,
                schedule=self.optimizer.schedule if learnt else None,
                clip_norm=self.optimizer.global_clipnorm,
                clip_value=self.optimizer.clipvalue,
            )
            network.compiled = self._compiled()
            self._trainer = trainer
        return self._trainer

    def rated(self) -> known_optimizers.Optimizer:
        """The optimiser, which has a learning rate. Raises `ArgumentError` before `compile`."""
        if self.optimizer is None:
            raise ArgumentError("model: call compile(optimizer, loss) first")
        return self.optimizer

    def _compiled(self) -> dict[str, Any] | None:
        """What `compile` was given as plain data; None if only code can say it."""
        if self.optimizer is None or self.loss is None:
            return None
        try:
            metrics = [one if isinstance(one, str) else described(one) for one in self._wanted]
            return {
                "optimizer": described(self.optimizer),
                "loss": described(self.loss),
                "metrics": metrics,
            }
        except ArgumentError:
            return None

    @property
    def metrics(self) -> tuple[train.Metric, ...]:
        """The metrics that were chosen."""
        return self._training().metrics

    @property
    def metrics_names(self) -> list[str]:
        """What `evaluate` returns, in order."""
        return ["loss", *(metric.name for metric in self._training().metrics)]

    # --- learning ---

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Callback | Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        *,
        run: str | PathLike[str] | None = None,
        **absent: Any,
    ) -> History:
        """Train on x (sample, …) and targets y until `epochs` epochs are counted.

        - `batch_size`: 32 by default; the last batch of an epoch takes what is left.
        - `verbose`: 0 nothing, 1 or "auto" the progress, 2 a line an epoch.
        - `validation_split`: the share at the end of the data, as it comes, that is kept out of
          training and measured after each epoch; `validation_data`: (x, y) or (x, y, weights).
        - `shuffle`: a new order each epoch, which comes from the default generator
          (`keras.utils.set_random_seed`).
        - `class_weight` ({class number: weight}), `sample_weight` (sample,): the loss of a batch is
          Σ wᵢlᵢ/N; both are multiplied, and metrics are not weighted.
        - `initial_epoch`: the number of the first epoch.
        - `run`: a folder for the record of the run and its report, which Keras does not have; see
          `train.Model.fit`.

        Returns a `History`: `.history["loss"]`, `.history["val_loss"]`, …
        Raises before anything is learnt for data that do not fit.
        """
        refuse("fit", absent)
        trainer = self._ready(x)
        served = self._arrays(x, y, "fit", sample_weight)
        rest = None
        if validation_data is not None:
            rest = self._arrays(*_three(validation_data))
        elif validation_split:
            served, rest = last_share(served, validation_split)
        served = with_classes(served, class_weight)
        size = 32 if batch_size is None else batch_size
        for one in (served, rest or ()):
            hold_states(self.network, "fit", len(one[0]) if one else 0, size)
        if epochs <= initial_epoch:
            raise ArgumentError(f"fit: epochs {epochs} must be above initial_epoch {initial_epoch}")
        self.history = History()
        shown = [Lines()] if verbose == 2 else []
        told = [*_several(callbacks), *shown, self.history]
        batches = -(-len(served[0]) // size)
        params = {"epochs": epochs, "steps": batches, "verbose": verbose}
        model: Any = self
        for callback in told:
            callback.set_model(model)
            callback.set_params(params)
        self.stop_training = False
        trainer.fit(
            Loader(
                *served,
                batch_size=size,
                shuffle=shuffle,
                seed=int(DEFAULT.draw((), uint64).item()),
            ),
            epochs=epochs - initial_epoch,
            validation_data=rest and Loader(*rest, batch_size=size, shuffle=False),
            callbacks=[bridged(self, told, initial_epoch)],
            verbose=verbose in (1, "auto"),
            run=run,
        )
        return self.history

    def _ready(self, x: Any) -> train.Model:
        if not self.built:
            self.build((None, *np.shape(x)[1:]))
        return self._training()

    def _arrays(self, x: Any, y: Any, part: str, sample_weight: Any = None) -> tuple[Array, ...]:
        """Inputs, targets, and weights if there are any, as `train.Model` takes them."""
        if self.loss is None:
            raise ArgumentError("model: call compile(optimizer, loss) first")
        if y is None:
            raise ArgumentError(f"{part}: targets are needed, as in {part}(x, y)")
        inputs = inputs_for(self.network, x, part)
        targets = targets_for(self.network, self.loss, y, part)
        Dataset(inputs=inputs, targets=targets, name=part)  # lengths, NaN and infinity
        if not len(inputs):
            raise ShapeError(f"{part}: inputs {inputs.shape} hold no samples")
        if sample_weight is None:
            return inputs, targets
        weights = checked_weights(sample_weight, len(targets), part)
        return inputs, targets, weights.astype(np.float32)

    # --- measuring and using ---

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        *,
        return_dict: bool = False,
        **absent: Any,
    ) -> Any:
        """The loss over x and y, or [loss, metrics…]; nothing is learnt.

        `return_dict`: by name instead. Nothing is printed, whatever `verbose` says.
        """
        refuse("evaluate", absent)
        trainer = self._ready(x)
        served = self._arrays(x, y, "evaluate", sample_weight)
        hold_states(self.network, "evaluate", len(served[0]), batch_size or 32)
        loader = Loader(*served, batch_size=batch_size or 32, shuffle=False)
        return _given(trainer.evaluate(loader), return_dict)

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: int | str = "auto", **absent: Any
    ) -> Array:
        """The outputs for x (sample, …), in their order."""
        refuse("predict", absent)
        if not self.built:
            self.build((None, *np.shape(x)[1:]))
        if self._trainer is None:
            self._trainer = train.Model(self.network)
        inputs = inputs_for(self.network, x, "predict")
        hold_states(self.network, "predict", len(inputs), batch_size or 32)
        return self._trainer.predict(inputs, batch_size=batch_size or 32)

    def predict_on_batch(self, x: Any) -> Array:
        """The outputs for this batch."""
        return self.predict(x, len(x[0]) if isinstance(x, (list, tuple)) else len(x))

    def train_on_batch(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on this batch; the loss before it, or [loss, metrics…], of this batch alone."""
        trainer = self._ready(x)
        served = self._arrays(x, y, "train_on_batch", sample_weight)
        served = with_classes(served, class_weight)
        hold_states(self.network, "train_on_batch", len(served[0]), len(served[0]))
        batch = Loader(*served, batch_size=len(served[0]), shuffle=False)
        values = trainer.fit(batch, epochs=1, verbose=False).values
        return _given({name: value[0] for name, value in values.items()}, return_dict)

    def test_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss of this batch, or [loss, metrics…]; nothing is learnt."""
        size = len(x[0]) if isinstance(x, (list, tuple)) else len(x)
        return self.evaluate(x, y, size, 0, sample_weight, return_dict=return_dict)


def last_share(arrays: tuple[Array, ...], share: float) -> tuple[tuple[Array, ...], ...]:
    """The arrays without their last share, and that share.

    Raises `ArgumentError` when one of both would be empty.
    """
    stop = math.floor(len(arrays[0]) * (1 - share)) if 0 < share < 1 else 0
    if not 0 < stop < len(arrays[0]):
        raise ArgumentError(
            f"fit: validation_split {share} of {len(arrays[0])} samples leaves nothing to learn "
            "from or to measure"
        )
    return tuple(a[:stop] for a in arrays), tuple(a[stop:] for a in arrays)


def _three(data: Any) -> tuple[Any, Any, str, Any]:
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise ArgumentError("fit: validation_data is (x, y) or (x, y, weights)")
    return data[0], data[1], "validation_data", data[2] if len(data) == 3 else None


def _several(callbacks: Callback | Sequence[Callback] | None) -> list[Callback]:
    given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
    for one in given:
        if not isinstance(one, Callback):
            raise ArgumentError(f"fit: {one!r} is not one of keras.callbacks")
        for method in NEVER_CALLED:
            if hasattr(one, method):
                raise ArgumentError(
                    f"fit: {type(one).__name__}.{method} would never be called; there are "
                    f"{', '.join(name for name in vars(Callback) if name.startswith('on_'))}"
                )
    return given


def _given(values: Mapping[str, float], return_dict: bool) -> Any:
    if return_dict:
        return dict(values)
    numbers = list(values.values())
    return numbers[0] if len(numbers) == 1 else numbers
