"""Model: a network with what training, measuring, using and keeping it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.compiler import compile as compile_function
from neurona.core.check import ensure
from neurona.core.errors import ArgumentError, NonFiniteError, ShapeError
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.data.loader import Loader
from neurona.data.readers import Reader, reader_from_json, reader_to_json
from neurona.data.splits import split
from neurona.nn.module import Module
from neurona.ops.compare import isfinite
from neurona.optim.optimizer import Optimizer
from neurona.train import architecture, checkpoint, checks
from neurona.train.callbacks import Callback
from neurona.train.history import History
from neurona.train.loop import Batches, run
from neurona.train.losses import OUTPUTS, Loss, find_loss, is_plain, name_of
from neurona.train.metrics import METRICS, Metric, find_metrics, recorded
from neurona.train.optimizers import make_optimizer
from neurona.train.preprocessing import Preprocessing, from_json, to_json
from neurona.train.totals import Totals

Sums = tuple[tuple[Any, ...], ...]


class Model:
    """A network that is trained, measured, used and kept; its steps are compiled programs.

    - `network`: any `nn.Module` from one tensor `(batch, …)` to one.
    - `preprocessing`: what is done to all inputs first, e.g. a `data.Standardizer` fitted to the
      training part; saved with the weights.
    - `classes`: the name of each class, in the order of the outputs.
    - `reader`: how a file becomes samples, e.g. `data.DigitReader("mnist")`; for `neurona predict`.

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
    ) -> None:
        if not isinstance(network, Module):
            raise ArgumentError(f"Model: the network is an nn.Module, not {network!r}")
        self.network = network
        self.preprocessing = preprocessing
        self.classes = tuple(classes)
        self.reader = reader
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.loss_name: str | None = None
        self.outputs: str | None = None
        self.metrics: tuple[Metric, ...] = ()
        self.epochs_done = 0
        self.stop_training = False
        self._make_steps()

    def compile(
        self,
        optimizer: Optimizer | str | None = None,
        loss: Loss | str = "cross_entropy",
        metrics: Iterable[Metric | str | Mapping[str, Any]] = (),
    ) -> None:
        """Choose how the network learns and what is measured.

        - `optimizer`: of the network's parameters, or the name of one, with its defaults.
          `evaluate` needs none.
        - `loss`: a name of `train.LOSSES`, a layer of `nn`, or a function of output and target that
          returns a scalar.
        - `metrics`: names of `train.METRICS`, {"name": …, and options}, or objects.

        The machine code is made when the first batch of a shape comes. Raises `ArgumentError`.
        """
        if isinstance(optimizer, str):
            optimizer = make_optimizer(self.network.parameters(), optimizer)
        elif optimizer is not None and not isinstance(optimizer, Optimizer):
            raise ArgumentError(f"compile: optimizer is an Optimizer or a name, not {optimizer!r}")
        loss_function, loss_name = find_loss(loss), name_of(loss)
        chosen = find_metrics(metrics, loss_name)
        self.loss, self.loss_name = loss_function, loss_name
        self.outputs = self.loss_name if self.loss_name in OUTPUTS else None
        self.optimizer = optimizer
        self.metrics = chosen
        self._make_steps()

    # --- the steps, as they are compiled ---

    def _make_steps(self) -> None:
        self.train_step = compile_function(self._learn)
        self.test_step = compile_function(self._measure)
        self._predict = compile_function(self._output)
        self._probabilities = compile_function(self._probability)

    def _output(self, x: Any) -> Tensor:
        output: Tensor = self.network(x)
        return output

    def _probability(self, x: Any) -> Tensor:
        output = self._output(x)
        return OUTPUTS[self.outputs](output) if self.outputs in OUTPUTS else output

    def _measure(self, x: Any, y: Any) -> tuple[Tensor, Sums]:
        output = self._output(x)
        loss = self._compiled_loss()(output, y)
        if loss.ndim:
            raise ShapeError(f"loss: a scalar is needed, found shape {loss.shape}; take its mean")
        guess = output.detach()
        return loss, tuple([recorded(metric, guess, y) for metric in self.metrics])

    def _learn(self, x: Any, y: Any) -> tuple[Tensor, Sums]:
        loss, sums = self._measure(x, y)
        ensure(isfinite(loss), "the loss is not finite, so nothing was changed", NonFiniteError)
        loss.backward()
        self._compiled_optimizer().step()
        return loss, sums

    def _compiled_loss(self) -> Loss:
        if self.loss is None:
            raise ArgumentError("Model: choose a loss first, as in model.compile(loss=…)")
        return self.loss

    def _compiled_optimizer(self) -> Optimizer:
        if self.optimizer is None:
            raise ArgumentError("Model: choose an optimizer first, as in model.compile('Adam', …)")
        return self.optimizer

    # --- learning ---

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        validation_data: tuple[Any, Any] | None = None,
        validation_split: float = 0.0,
        seed: int = 0,
        callbacks: Iterable[Callback] = (),
        verbose: bool = True,
    ) -> History:
        """Train on inputs `(sample, …)` and targets of the same length.

        - `epochs`: how many more. A second call goes on with the orders after those already served.
        - `batch_size`: samples in a step; the last one of an epoch takes what is left.
        - `validation_data`: (x, y) measured after every epoch; `validation_split`: the share of the
          samples, chosen by `seed`, kept out of training for that.
        - `seed`: the order of the samples depends on it and the epoch's number, nothing else.
        - `verbose`: show progress.

        Ctrl-C ends after the step at work; what was learnt stays and the history says so.
        Raises before anything is learnt for data that do not fit the network and the loss, and
        `NonFiniteError` before the update is written when a loss is NaN or infinite.
        """
        optimizer, callbacks = self._compiled_optimizer(), tuple(callbacks)
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise ArgumentError(f"fit: epochs must be a whole number of at least 1, not {epochs!r}")
        pair: tuple[NDArray[Any], ...] = checks.checked_pair(x, y, "training")
        rest: tuple[NDArray[Any], ...] | None = None
        if validation_split:
            if validation_data is not None:
                raise ArgumentError("fit: give validation_data or validation_split, not both")
            if not 0 < validation_split < 1:
                raise ArgumentError(
                    f"fit: validation_split must be in 0…1, found {validation_split}"
                )
            pair, rest = split(pair, (1 - validation_split, validation_split), seed=seed)
        elif validation_data is not None:
            rest = checks.checked_pair(*validation_data, "validation")
        training = self._batches(pair, "training", batch_size=batch_size, seed=seed)
        validation = None
        if rest is not None:
            validation = self._batches(rest, "validation", batch_size=batch_size, shuffle=False)
        missing = {id(v) for v in optimizer.parameters} - {id(v) for v in self.network.parameters()}
        if missing:
            raise ArgumentError(
                f"fit: {len(missing)} of the optimizer's parameters are not the network's; make "
                "the optimizer from network.parameters() after the last change to the network"
            )
        return run(self, training, validation, epochs, callbacks, verbose)

    def _batches(self, pair: tuple[NDArray[Any], ...], name: str, **options: Any) -> Batches:
        """The batches of a part, once it is sure that network and loss can take them."""
        x, y = pair
        dtype = checks.dtype_of(self.network)
        inputs = self._prepared(x)
        shape = checks.output_shape(self.network, inputs, dtype)
        ignored = getattr(self.loss, "ignore_index", checks.IGNORED)
        checks.check_labels(y, shape, self.loss_name, name, ignored)
        checks.check_codes(y, shape, self.loss_name, name)
        return Batches(Loader(inputs, y, dtype=dtype, **options), len(inputs))

    # --- measuring and using ---

    def evaluate(self, x: Any, y: Any, *, batch_size: int = 256) -> dict[str, float]:
        """The loss and the metrics over inputs and targets, by name; nothing is learnt.

        Raises like `fit`.
        """
        pair = checks.checked_pair(x, y, "test")
        return self.measure(self._batches(pair, "test", batch_size=batch_size, shuffle=False))

    def predict(
        self, x: Any, *, batch_size: int = 256, probabilities: bool = False
    ) -> NDArray[Any]:
        """The network's outputs for inputs `(sample, …)`, in their order; nothing is learnt.

        probabilities: what the loss makes of the outputs (softmax for "cross_entropy", sigmoid for
        the binary one); outputs trained by other losses stay as they are.
        """
        inputs = self._prepared(checks.checked_inputs(x, "inputs"))
        dtype = checks.dtype_of(self.network)
        training = self.network.training
        self.network.eval()
        step = self._probabilities if probabilities else self._predict
        try:
            shape = checks.output_shape(self.network, inputs, dtype)
            if not len(inputs):
                return np.empty((0, *shape), dtype)
            loader = Loader(inputs, batch_size=batch_size, shuffle=False, dtype=dtype)
            with no_grad():
                return np.concatenate([step(x).numpy() for (x,) in loader.epoch(0)])
        finally:
            self.network.train(training)

    def measure(self, batches: Batches) -> dict[str, float]:
        """`evaluate` for batches made before."""
        training = self.network.training
        self.network.eval()
        totals = Totals(self.metrics)
        try:
            with no_grad():
                for x, y in batches.loader.epoch(0):
                    loss, sums = self.test_step(x, y)
                    totals.add(loss, sums, len(x))
        finally:
            self.network.train(training)
        return totals.values()

    def _prepared(self, inputs: NDArray[Any]) -> NDArray[Any]:
        return inputs if self.preprocessing is None else self.preprocessing.transform(inputs)

    # --- keeping ---

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the weights and all that `load` needs into `folder`, as a whole or not at all.

        `weights.safetensors` holds the parameters and buffers, `model.json` the layers, the
        preprocessing, the classes and the loss. An earlier model in the folder is replaced.
        Raises `ArgumentError` for a network that cannot be described and `CheckpointError` when
        the folder cannot be written.
        """
        description = {
            "network": architecture.describe(self.network),
            "preprocessing": to_json(self.preprocessing),
            "classes": list(self.classes),
            "reader": reader_to_json(self.reader),
            "loss": self.loss_name if self.loss is None or is_plain(self.loss) else None,
            "outputs": self.outputs,
            "metrics": [m.name for m in self.metrics if METRICS.get(m.name) is type(m)],
            "epochs": self.epochs_done,
        }
        checkpoint.write(Path(folder), description, self.network.state_dict())

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> Model:
        """The model that `save` wrote, ready for `predict` and `evaluate`; `compile` it to go on.

        Raises `CheckpointError` for files that are missing, damaged, foreign or do not belong
        together. No code from the files is run.
        """
        description, weights = checkpoint.read(Path(folder))
        with checkpoint.blaming(Path(folder) / checkpoint.MODEL):
            network = architecture.build(description["network"])
            network.load_state_dict(weights)
            model = cls(
                network.eval(),
                preprocessing=from_json(description["preprocessing"]),
                classes=description["classes"],
                reader=reader_from_json(description["reader"]),
            )
            if description["loss"] is not None:
                model.compile(loss=description["loss"], metrics=description["metrics"])
        model.outputs = description["outputs"]
        model.epochs_done = description["epochs"]
        return model
