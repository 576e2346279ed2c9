"""The steps of a model as they are compiled: learning from a batch, measuring, predicting."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurona.compiler import compile as compile_function
from neurona.core.check import ensure
from neurona.core.errors import ArgumentError, NonFiniteError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.core.variable import Variable
from neurona.data.standardize import Standardizer
from neurona.nn.module import Module
from neurona.ops.arithmetic import divide
from neurona.ops.broadcast import sum
from neurona.ops.compare import isfinite, not_equal, where
from neurona.ops.operand import cast, operand
from neurona.optim.optimizer import Optimizer, working_dtype
from neurona.train.carried import going_on, read_on
from neurona.train.checks import IGNORED
from neurona.train.losses import OUTPUTS, Loss
from neurona.train.metrics import Metric
from neurona.train.parts import Part
from neurona.train.target_scaling import in_units, standardized
from neurona.train.totals import Totals
from neurona.train.update import Update

Result = tuple[Tensor, dict[str, Tensor], Any]
"""The loss of a batch, what metrics gather from it, and the state that the network carries on."""


class Steps:
    """Each step is one native call, which also adds loss and metrics up; see `Totals`.

    A step takes inputs, targets and perhaps weights. state: what a network with `begin` and `read`
    goes on from, and the result's last part is where it ended; None for any other network.
    """

    def __init__(
        self,
        network: Module,
        optimizer: Optimizer | None = None,
        loss: Loss | None = None,
        metrics: Sequence[Metric] = (),
        update: Update | None = None,
        outputs: str | None = None,
        target_scaling: Standardizer | None = None,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.loss = loss
        self.update = update or Update()
        self.outputs = outputs
        self.target_scaling = target_scaling
        self.training = Totals(metrics)
        self.testing = Totals(metrics)
        self.collected: dict[str, Variable] = {}
        """By path the gradients of the batches since the last update, each times its samples."""
        self.collected_samples = 0
        self.train = compile_function(self._train)
        self.test = compile_function(self._test)
        self.predict = compile_function(self._predict)
        self.probabilities = compile_function(self._probabilities)
        self._collect_step = compile_function(self._collect)
        self._finish_step = compile_function(self._finish)

    def accumulate(self, batch: tuple[Any, ...], finish: bool, state: Any = None) -> Result:
        """Collect the gradients of a batch; at the end of a group also update with their mean."""
        samples = len(batch[0])
        if not finish:
            result: Result = self._collect_step(*batch, **going_on(state))
            self.collected_samples += samples
        elif self.collected_samples == 0:
            result = self.train(*batch, **going_on(state))
        else:
            result = self._finish_step(float(self.collected_samples), *batch, **going_on(state))
            self.collected_samples = 0
        return result

    def fresh(self) -> Steps:
        """The same steps, with nothing compiled or added up yet."""
        metrics = self.training.metrics
        return Steps(
            self.network,
            self.optimizer,
            self.loss,
            metrics,
            self.update,
            self.outputs,
            self.target_scaling,
        )

    def prepare(self, part: Part, state: Any = None) -> None:
        """Compile for batches of full size first, as a run from the start of an epoch does.

        The program that is made first is the one for its size alone, and rounds in its own way.
        """
        group = self.update.accumulate
        full = [np.zeros((part.batch_size, *array.shape[1:]), array.dtype) for array in part.peek()]
        if group == 1 and len(part) > 1:
            self.train.prepare(*full, **going_on(state))
        elif group > 1 and len(part) > group:  # else the first group ends with the last batch
            self._finish_step.prepare(1.0, *full, **going_on(state))

    def load_collected(self, gradients: Mapping[str, Array], samples: int) -> None:
        """Go on with gradients that were collected before."""
        self.forget()
        self.collected_samples = samples
        for path, gradient in gradients.items():
            self.collected[path] = Variable(gradient, path, requires_grad=False)

    def forget(self) -> None:
        """Throw collected gradients away."""
        self.collected_samples = 0
        for total in self.collected.values():
            total.assign(np.zeros(total.shape, total.dtype))

    # --- what is recorded ---

    def _output(self, x: Any) -> Tensor:
        output: Tensor = self.network(x)
        return output

    def _goes_on(self, x: Any, state: Any) -> tuple[Tensor, Any]:
        """The output, and the state after it."""
        return (self._output(x), None) if state is None else read_on(self.network, x, state)

    def _predict(self, x: Any) -> Tensor:
        return in_units(self.target_scaling, self._output(x))

    def _probabilities(self, x: Any) -> Tensor:
        output = self._predict(x)
        return OUTPUTS[self.outputs](output) if self.outputs in OUTPUTS else output

    def _test(self, x: Any, y: Any, weights: Any = None, *, state: Any = None) -> Result:
        output, after = self._goes_on(x, state)
        loss = self._loss(output, y, weights)
        counted = self._counted(y, weights)
        return loss, self.testing.record(loss, self._shown(output), y, counted), after

    def _train(self, x: Any, y: Any, weights: Any = None, *, state: Any = None) -> Result:
        result = self._backward(x, y, weights, state)
        self._apply()
        return result

    def _collect(self, x: Any, y: Any, weights: Any = None, *, state: Any = None) -> Result:
        result = self._backward(x, y, weights, state)
        for path, parameter in self._with_gradient():
            self._sum_of(path, parameter).assign(self._summed(path, parameter, len(x)))
            parameter.grad = None
        return result

    def _finish(
        self, before: Any, x: Any, y: Any, weights: Any = None, *, state: Any = None
    ) -> Result:
        result = self._backward(x, y, weights, state)
        for path, parameter in self._with_gradient():
            total, summed = self._sum_of(path, parameter), self._summed(path, parameter, len(x))
            parameter.grad = divide(summed, cast(before + len(x), summed.dtype))
            total.assign(np.zeros(total.shape, total.dtype))
        self._apply()
        return result

    def _backward(self, x: Any, y: Any, weights: Any, state: Any) -> Result:
        output, after = self._goes_on(x, state)
        loss = self._loss(output, y, weights)
        ensure(isfinite(loss), "the loss is not finite, so nothing was changed", NonFiniteError)
        gathered = self.training.record(loss, self._shown(output), y, self._counted(y, weights))
        penalty = self.update.penalty(self.network)
        (loss if penalty is None else loss + penalty).backward()
        return loss, gathered, after

    def _counted(self, y: Any, weights: Any) -> Tensor | None:
        """How many tokens the loss is the mean of; None where it is one of samples."""
        if self.outputs != "token_cross_entropy" or weights is not None:
            return None
        with no_grad():
            return sum(not_equal(operand(y), getattr(self.loss, "ignore_index", IGNORED)))

    def _shown(self, output: Tensor) -> Tensor:
        """What metrics see: numbers in the data's units."""
        with no_grad():
            return in_units(self.target_scaling, output)

    def _apply(self) -> None:
        if self.optimizer is None:
            raise ArgumentError("Model: choose an optimizer first, as in model.compile('Adam', …)")
        self.update.clip(self.network)
        self.optimizer.step()
        self.update.bound(self.network)

    def _loss(self, output: Tensor, y: Any, weights: Any) -> Tensor:
        if self.loss is None:
            raise ArgumentError("Model: choose a loss first, as in model.compile(loss=…)")
        y = standardized(self.target_scaling, y, output)
        plain = weights is None
        loss = self.loss(output, y) if plain else weighted(self.loss, output, y, weights)
        if loss.ndim:
            raise ShapeError(f"loss: a scalar is needed, found shape {loss.shape}; take its mean")
        return loss

    # --- gradients of several batches ---

    def _with_gradient(self) -> list[tuple[str, Variable]]:
        named = self.network.named_parameters()
        return [(path, parameter) for path, parameter in named if parameter.grad is not None]

    def _sum_of(self, path: str, parameter: Variable) -> Variable:
        if path not in self.collected:
            zero = np.zeros(parameter.shape, working_dtype(parameter))
            self.collected[path] = Variable(zero, path, requires_grad=False)
        return self.collected[path]

    def _summed(self, path: str, parameter: Variable, samples: int) -> Tensor:
        before, gradient = self._sum_of(path, parameter), parameter.grad
        return before if gradient is None else before + cast(gradient, before.dtype) * samples


def weighted(loss: Loss, output: Tensor, target: Any, weights: Any) -> Tensor:
    """Σ_i w_i·l_i / N, with N the number of samples, not the sum of the weights.

    The losses of `nn` divide by the sum of the weights; the mean weight, put in front, mends that,
    and leaves the loss as it is without weights where all are 1.
    Raises `ArgumentError` for a loss that takes no weights.
    """
    require_weighable(loss)
    call: Any = loss
    if getattr(loss, "reduction", "mean") == "sum":
        result: Tensor = call(output, target, sample_weight=weights)
        return result
    total = sum(weights)
    # A batch of weights 0 would be 0/0.
    safe = where(total > 0, weights, 1)
    mean: Tensor = call(output, target, sample_weight=safe)
    return mean * cast(total / len(weights), mean.dtype)


def require_weighable(loss: Any) -> None:
    """Raise `ArgumentError` unless a loss has an argument `sample_weight`."""
    function = loss.forward if isinstance(loss, Module) else loss
    if "sample_weight" not in inspect.signature(function).parameters:
        raise ArgumentError(
            f"fit: the loss {getattr(loss, '__name__', loss)!r} cannot weigh samples; give it an "
            "argument sample_weight, by whose sum it divides"
        )
