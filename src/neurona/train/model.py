"""Model: a network with what training, measuring, using and keeping it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError
from neurona.core.trace import no_grad
from neurona.data.dataset import Dataset
from neurona.data.loader import Loader
from neurona.data.readers import Reader, reader_from_json, reader_to_json
from neurona.data.splits import split
from neurona.data.standardize import Standardizer
from neurona.nn import init
from neurona.nn.module import Module
from neurona.optim.optimizer import Optimizer
from neurona.optim.schedules import Schedule, make_schedule
from neurona.train import architecture, checkpoint, checks, parts
from neurona.train.callbacks import Callback, checked_callbacks
from neurona.train.carried import begin, check_carries, going_on
from neurona.train.history import History
from neurona.train.loop import Training
from neurona.train.losses import OUTPUTS, Loss, describe_loss, find_loss, name_of
from neurona.train.metrics import Metric, describe_metric, find_metrics
from neurona.train.optimizers import make_optimizer
from neurona.train.parts import Part
from neurona.train.preprocessing import Preprocessing, from_json, to_json
from neurona.train.rates import Rates
from neurona.train.recorder import EVERY, Every, recorded_run
from neurona.train.selection import check_frozen, evaluation_mode
from neurona.train.steps import Steps, require_weighable
from neurona.train.target_scaling import (
    check_kind,
    check_loss,
    check_targets,
    scaling_from_json,
    scaling_to_json,
)
from neurona.train.update import Update
from neurona.train.weighting import ClassTable, ClassWeights


class Model:
    """A network that is trained, measured, used and kept; its steps are compiled programs.

    - `network`: any `nn.Module` from one tensor `(batch, …)` to one.
    - `preprocessing`: what is done to all inputs first, e.g. a `data.Standardizer` fitted to the
      training part; saved with the weights.
    - `classes`: the name of each class, in the order of the outputs.
    - `reader`: how a file becomes samples, e.g. `data.DigitReader("mnist")`; for `neurona predict`.
    - `target_scaling`: `data.Standardizer.fit(targets)` of the training part, where targets are
      numbers. The network learns them standardised, and the loss is that of standardised numbers;
      targets, predictions and metrics are in the data's units. Saved with the weights.

    epochs_done, steps_done: finished epochs and updates so far.

    >>> import numpy as np
    >>> from neurona import nn, optim, train
    >>> line = nn.Linear(1, 1)
    >>> model = train.Model(line)
    >>> model.compile(optim.SGD(line.parameters(), learning_rate=0.1), loss="mean_squared_error")
    >>> x = np.linspace(-1, 1, 100)[:, None]
    >>> history = model.fit(x, 2 * x + 1, epochs=20, verbose=False)
    >>> model.predict(np.array([[10.0]])).round(0)
    array([[21.]], dtype=float32)
    """

    def __init__(
        self,
        network: Module,
        *,
        preprocessing: Preprocessing | None = None,
        classes: Sequence[str] = (),
        reader: Reader | None = None,
        target_scaling: Standardizer | None = None,
    ) -> None:
        if not isinstance(network, Module):
            raise ArgumentError(f"Model: the network is an nn.Module, not {network!r}")
        if target_scaling is not None:
            check_kind(target_scaling)
        self.network = network
        self.preprocessing = preprocessing
        self.classes = tuple(classes)
        self.reader = reader
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.loss_name: str | None = None
        self.metrics: tuple[Metric, ...] = ()
        self.schedule: Schedule | None = None
        self.frozen: tuple[str, ...] = ()
        self.epochs_done = 0
        self.steps_done = 0
        self.stop_training = False
        self.steps = Steps(network, target_scaling=target_scaling)
        self._rates: Rates | None = None

    def compile(
        self,
        optimizer: Optimizer | str | None = None,
        loss: Loss | str | Mapping[str, Any] = "cross_entropy",
        metrics: Iterable[Metric | str | Mapping[str, Any]] = (),
        *,
        schedule: Schedule | str | Mapping[str, Any] | None = None,
        frozen: Iterable[str] | str = (),
        accumulate: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        """Choose how the network learns and what is measured.

        - `optimizer`: of the network's parameters (of `train.parameter_groups` for layers with
          rates of their own), or the name of one, with its defaults. `evaluate` needs none.
        - `loss`: a name of `train.LOSSES`, {"name": …, and options of its layer}, a layer of `nn`,
          or a function of output and target that returns a scalar.
        - `metrics`: names of `train.METRICS`, {"name": …, and options}, or objects.
        - `schedule`: one of `optim.schedules`, or its name, or {"name": …, and its arguments}; all
          initial learning rates are multiplied by its factor at each step.
        - `frozen`: names of layers ("0", "body.0") that stay as they are while `fit` runs: no
          update, and they run as in evaluation, so that batch normalisation keeps its statistics.
        - `accumulate`: an update for so many batches, by the mean gradient of all their samples;
          what is left at the end of an epoch makes an update too.
        - `clip_norm`, `clip_value`: see `optim.clip_gradient_norm` and `clip_gradient_value`.
        - `l1`, `l2`: strength of the penalties λΣ|w| and λ/2·Σw² on weights, not biases; the loss
          that is reported does not contain them. `max_norm`: see `optim.limit_norms`.

        The machine code is made when the first batch of a shape comes. Raises `ArgumentError`.
        """
        if isinstance(optimizer, str):
            optimizer = make_optimizer(self.network.parameters(), optimizer)
        elif optimizer is not None and not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"compile: optimizer is an Optimizer or a name, not {optimizer!r}")
        update = Update(
            accumulate=accumulate,
            clip_norm=clip_norm,
            clip_value=clip_value,
            l1=l1,
            l2=l2,
            max_norm=max_norm,
        )
        loss_function, loss_name = find_loss(loss), name_of(loss)
        check_loss(self.target_scaling, loss_name)
        chosen = find_metrics(metrics, loss_name)
        chosen_schedule = None if schedule is None else make_schedule(schedule, "compile: schedule")
        self.frozen = check_frozen(self.network, frozen)
        self.loss, self.loss_name = loss_function, loss_name
        self.optimizer = optimizer
        self.metrics = chosen
        self.schedule = chosen_schedule
        self._rates = None if optimizer is None else Rates(optimizer, chosen_schedule)
        outputs = loss_name if loss_name in OUTPUTS else None
        self.steps = Steps(
            self.network, optimizer, loss_function, chosen, update, outputs, self.target_scaling
        )

    @property
    def outputs(self) -> str | None:
        """The name of the loss that makes probabilities of the outputs, if one does."""
        return self.steps.outputs

    @property
    def target_scaling(self) -> Standardizer | None:
        """The mean and the scale of targets that are learnt standardised, if they are."""
        return self.steps.target_scaling

    # --- learning ---

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: Any = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        class_weight: ClassWeights | None = None,
        seed: int = 0,
        callbacks: Iterable[Callback] = (),
        carry_state: bool = False,
        verbose: bool = True,
        run: str | PathLike[str] | None = None,
        resume: bool = False,
        checkpoint_every: Every = EVERY,
        report: bool = True,
    ) -> History:
        """Train on inputs `(sample, …)` and targets of the same length.

        - `x`: inputs, or a `data.Dataset`, or a loader of (inputs, targets) or (inputs, targets,
          weights); the latter two have their targets. A loader also has its batch size and seed.
        - `epochs`: how many more. A second call goes on with the orders after those already served.
        - `batch_size`: samples in a step; the last one of an epoch takes what is left.
        - `validation_data`: measured after every epoch: (x, y), (x, y, weights), a `data.Dataset`
          or a loader; `validation_split`: the share of the samples, chosen by `seed`, kept out of
          training for that.
        - `sample_weight`: how much each sample counts, `(sample,)`: the loss of a batch is
          Σ_i w_i·l_i / N, with N its number of samples. `class_weight`: the same by class number or
          name, as in {"rare": 5.0}; other classes have 1. Both are multiplied. Metrics and
          validation are not weighted by them.
        - `seed`: the order of the samples depends on it and the epoch's number, nothing else.
        - `carry_state`: the network begins each batch with the state in which it ended the one
          before (truncated backpropagation through time), each epoch anew. `x` and
          `validation_data` are `data.windows(…)` then, and the network has `begin(batch)` and
          `read(x, state)`. No gradient flows from a batch to the one before.
        - `verbose`: show progress.
        - `run`: a folder, new or empty, in which the run is kept: see `train.run_folder`.
        - `resume`: go on with the run in that folder, bit for bit as if it had never stopped. Model
          and arguments must be those it was started with; `epochs` may be more.
        - `checkpoint_every`: seconds between states to go on from, or text as "500 steps"; one is
          also written at the end of each epoch. `report`: write `report.html` at the end.

        Ctrl-C ends after the step at work; what was learnt stays and the history says so.
        Raises before anything is learnt for data that do not fit the network and the loss,
        `NonFiniteError` before the update is written when a loss is NaN or infinite, and
        `CheckpointError` for a folder that cannot be used or a run that cannot go on.
        """
        rates = self._ready_to_learn(epochs)
        rest: Any = validation_data
        if parts.is_loader(x):
            if not (y is None and sample_weight is None and not validation_split):
                raise ArgumentError(
                    "fit: a loader serves inputs, targets and weights; give no y, sample_weight or "
                    "validation_split beside it"
                )
            training = self.part(x, "training", class_weight=class_weight)
        else:
            arrays = parts.arrays_of(x, y, sample_weight, self._prepared, "training")
            if validation_split:
                arrays, rest = self._split(arrays, validation_data, validation_split, seed)
            options = {"batch_size": batch_size, "seed": seed}
            training = self._in_memory(arrays, "training", class_weight=class_weight, **options)
        validation = None
        if validation_split:
            validation = self._in_memory(rest, "validation", batch_size=batch_size, shuffle=False)
        elif rest is not None:
            validation = self.part(rest, "validation", batch_size=batch_size, shuffle=False)
        if carry_state:
            check_carries(self.network, training, "training")
            if validation is not None:
                check_carries(self.network, validation, "validation")
        if run is not None:
            # Which sizes of batches were met before must not matter to the bits of a run.
            self.steps = self.steps.fresh()
        elif resume:
            raise ArgumentError("fit: resume=True needs the folder of the run, as in run='runs/a'")
        session = Training(
            self,
            self.steps,
            rates,
            training,
            validation,
            epochs=epochs,
            callbacks=checked_callbacks(callbacks),
            verbose=verbose,
            carry=carry_state,
        )
        if run is None:
            return session.run()
        return recorded_run(session, Path(run), checkpoint_every, resume=resume, report=report)

    def _ready_to_learn(self, epochs: int) -> Rates:
        if self.optimizer is None or self._rates is None:
            raise ArgumentError("Model: choose an optimizer first, as in model.compile('Adam', …)")
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise ArgumentError(f"fit: epochs must be a whole number of at least 1, not {epochs!r}")
        mine = {id(v) for v in self.network.parameters()}
        missing = {id(v) for v in self.optimizer.parameters} - mine
        if missing:
            raise ArgumentError(
                f"fit: {len(missing)} of the optimizer's parameters are not the network's; make "
                "the optimizer from network.parameters() after the last change to the network"
            )
        return self._rates

    def _split(self, arrays: Any, validation_data: Any, share: float, seed: int) -> tuple[Any, Any]:
        if validation_data is not None:
            raise ArgumentError("fit: give validation_data or validation_split, not both")
        if not 0 < share < 1:
            raise ArgumentError(f"fit: validation_split must be in 0…1, found {share}")
        first, second = split(arrays, (1 - share, share), seed=seed)
        return first, second[:2]

    def part(self, given: Any, name: str, **options: Any) -> Part:
        """The part of a loader, a data set, or a tuple of inputs, targets and perhaps weights."""
        if parts.is_loader(given):
            dtype = checks.dtype_of(self.network)
            transform = None if self.preprocessing is None else self.preprocessing.transform
            loader, weights = given, options.get("class_weight")
            plain = parts.streamed(loader, transform, dtype, None, name)
            x, y = plain.peek()[:2]
            table = self._checked(x, y, name, weights)
            return plain if table is None else parts.streamed(loader, transform, dtype, table, name)
        if isinstance(given, tuple | list) and len(given) not in (2, 3):
            raise ArgumentError(
                f"{name} data: give (x, y) or (x, y, weights), a Dataset or a loader; found "
                f"{len(given)} things"
            )
        x, y, *weights = given if isinstance(given, tuple | list) else (given, None)
        arrays = parts.arrays_of(x, y, weights[0] if weights else None, self._prepared, name)
        return self._in_memory(arrays, name, **options)

    def _in_memory(
        self,
        arrays: tuple[NDArray[Any], ...],
        name: str,
        *,
        class_weight: ClassWeights | None = None,
        **options: Any,
    ) -> Part:
        if len(arrays) > 2 and self.loss is not None:
            require_weighable(self.loss)
        table = self._checked(arrays[0], arrays[1], name, class_weight)
        return parts.in_memory(arrays, checks.dtype_of(self.network), table, **options)

    def _checked(
        self, x: NDArray[Any], y: NDArray[Any], name: str, class_weight: ClassWeights | None
    ) -> ClassTable | None:
        """Make sure that network and loss can take the data; the classes' weights, if any."""
        shape = checks.output_shape(self.network, x, checks.dtype_of(self.network))
        ignored = getattr(self.loss, "ignore_index", checks.IGNORED)
        checks.check_labels(y, shape, self.loss_name, name, ignored)
        checks.check_codes(y, shape, self.loss_name, name)
        check_targets(self.target_scaling, y, shape, name)
        if class_weight is None:
            return None
        if self.loss is not None:
            require_weighable(self.loss)
        return ClassTable(class_weight, self.classes, shape)

    # --- measuring and using ---

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        batch_size: int = 256,
        carry_state: bool = False,
    ) -> dict[str, float]:
        """The loss and the metrics over inputs and targets, by name; nothing is learnt.

        x, y, sample_weight, carry_state: as for `fit`. Raises like `fit`.
        """
        if parts.is_loader(x):
            part = self.part(x, "test")
        else:
            arrays = parts.arrays_of(x, y, sample_weight, self._prepared, "test")
            part = self._in_memory(arrays, "test", batch_size=batch_size, shuffle=False)
        if carry_state:
            check_carries(self.network, part, "test")
        return self.measure(part, carry=carry_state)

    def predict(
        self, x: Any, *, batch_size: int = 256, probabilities: bool = False
    ) -> NDArray[Any]:
        """The network's outputs for inputs `(sample, …)`, in their order; nothing is learnt.

        x: inputs, a `data.Dataset`, or a loader that does not shuffle.
        probabilities: what the loss makes of the outputs (softmax for "cross_entropy", sigmoid for
        the binary one); outputs trained by other losses stay as they are.
        """
        step = self.steps.probabilities if probabilities else self.steps.predict
        dtype = checks.dtype_of(self.network)
        with evaluation_mode(self.network), no_grad():
            if parts.is_loader(x):
                if getattr(x, "shuffle", False):
                    raise ArgumentError("predict: the loader shuffles; make it with shuffle=False")
                served = self._loaded_inputs(x, dtype)
            else:
                inputs = checks.checked_inputs(self._prepared(_inputs_of(x)), "inputs")
                shape = checks.output_shape(self.network, inputs, dtype)
                if not len(inputs):
                    return np.empty((0, *shape), dtype)
                loader = Loader(inputs, batch_size=batch_size, shuffle=False, dtype=dtype)
                served = (x for (x,) in loader.epoch(0))
            return np.concatenate([step(x).numpy() for x in served])

    def _loaded_inputs(self, loader: Any, dtype: Any) -> Iterable[NDArray[Any]]:
        first = parts.as_dtype(self._prepared(loader.peek()[0]), dtype)
        checks.output_shape(self.network, first, dtype)
        return (parts.as_dtype(self._prepared(batch[0]), dtype) for batch in loader.epoch(0))

    def measure(self, part: Part, *, carry: bool = False) -> dict[str, float]:
        """`evaluate` for a part made before. carry: from batch to batch the network's state."""
        totals = self.steps.testing
        totals.reset()
        with evaluation_mode(self.network), no_grad():
            state = begin(self.network, part.batch_size) if carry else None
            for batch in part.epoch(0):
                _, gathered, state = self.steps.test(*batch, **going_on(state))
                totals.count(len(batch[0]), gathered)
        return totals.values()

    def _prepared(self, inputs: Any) -> Any:
        return inputs if self.preprocessing is None else self.preprocessing.transform(inputs)

    # --- keeping ---

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the weights and all that `load` needs into `folder`, as a whole or not at all.

        `weights.safetensors` holds the parameters and buffers, `model.json` the layers, the
        preprocessing, the classes and the loss. An earlier model in the folder is replaced.
        Raises `ArgumentError` for a network that cannot be described and `CheckpointError` when
        the folder cannot be written.
        """
        checkpoint.write(Path(folder), self.description(), self.network.state_dict())

    def description(self) -> dict[str, Any]:
        """What `model.json` holds, fit for JSON. Raises `ArgumentError`; see `save`."""
        loss = None if self.loss is None else describe_loss(self.loss)
        return {
            "network": architecture.describe(self.network),
            "preprocessing": to_json(self.preprocessing),
            "classes": list(self.classes),
            "reader": reader_to_json(self.reader),
            "target_scaling": scaling_to_json(self.target_scaling),
            "loss": loss,
            "outputs": self.steps.outputs,
            "metrics": [
                known for m in self.metrics if (known := describe_metric(m, self.loss_name))
            ],
            "epochs": self.epochs_done,
        }

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Model:
        """The model that `save` wrote, ready for `predict` and `evaluate`; `compile` it to go on.

        Raises `CheckpointError` for files that are missing, damaged, foreign or do not belong
        together. No code from the files is run.
        """
        description, weights = checkpoint.read(Path(folder))
        with checkpoint.blaming(Path(folder) / checkpoint.MODEL):
            with init.skip():
                network = architecture.build(description["network"])
            network.load_state_dict(weights)
            model = cls(
                network.eval(),
                preprocessing=from_json(description["preprocessing"]),
                classes=description["classes"],
                reader=reader_from_json(description["reader"]),
                target_scaling=scaling_from_json(description["target_scaling"]),
            )
            if description["loss"] is not None:
                model.compile(loss=description["loss"], metrics=description["metrics"])
        model.steps.outputs = description["outputs"]
        model.epochs_done = description["epochs"]
        return model


def _inputs_of(x: Any) -> Any:
    return x.inputs if isinstance(x, Dataset) else x
