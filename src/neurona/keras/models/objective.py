"""What a compiled model makes small, and whether output and targets fit it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.dtypes import DType, float32, int64
from neurona.core.errors import DataError, NeuronaError, ShapeError
from neurona.core.op import Array, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording, set_grad_enabled
from neurona.keras.losses import Loss
from neurona.keras.models.network import KerasNetwork
from neurona.train.metrics import Metric, recorded


class Objective:
    """The loss and the layers' penalties: a loss as `train.Model` takes them."""

    reduction = "sum"
    """Says to `train.Model` that weighted samples are put together here: penalties have none."""

    def __init__(self, network: KerasNetwork, loss: Loss) -> None:
        self.network = network
        self.loss = loss

    def __call__(self, output: Tensor, target: Tensor, sample_weight: Any = None) -> Tensor:
        total = self.loss(target, output, sample_weight)
        for penalty in self.network.penalties():
            total = total + penalty
        return total


def target_spec(loss: Loss, output: Spec) -> Spec:
    """What a loss compares an output with."""
    if loss.TARGETS == "classes":
        return Spec(output.shape[:-1], int64)
    return Spec(output.shape, float32)


def check(network: KerasNetwork, loss: Loss, metrics: Sequence[Metric]) -> None:
    """Wire network, loss and metrics once, without data.

    Raises the error of whoever cannot take what it is given, with the last layer, the loss and
    both shapes.
    """
    output = network.check()
    layer = network.output.layer.title
    found = (None, *output.shape[1:])
    crossed = loss.TARGETS == "classes" or type(loss).__name__ == "CategoricalCrossentropy"
    if crossed and (len(output.shape) < 2 or output.shape[-1] == 1):
        raise ShapeError(
            f"compile: the loss {title(loss)} needs an output for each class, but {layer} gives "
            f"{found}; use 'binary_crossentropy' with one output, or more units"
        )
    if loss.TARGETS == "any":
        return
    target = target_spec(loss, output)
    parts: tuple[Any, ...] = (loss, *metrics)
    for part in parts:
        takes = getattr(part, "TARGETS", "any")
        if takes not in ("any", loss.TARGETS):
            kinds = {"classes": "class numbers", "same": "targets of the output's shape"}
            raise ShapeError(
                f"compile: the metric {title(part)} takes {kinds[takes]}, the loss {title(loss)} "
                f"{kinds[loss.TARGETS]}"
            )
        try:
            with recording() as trace, set_grad_enabled(False):
                y, t = (Tensor(trace.input(spec)) for spec in (output, target))
                if isinstance(part, Loss):
                    part(t, y)
                else:
                    recorded(part, y, t)
        except NeuronaError as error:
            raise type(error)(
                f"compile: {layer} gives {found}, which {title(part)} cannot take with targets "
                f"{(None, *target.shape[1:])}: {error}"
            ) from None


def targets_for(network: KerasNetwork, loss: Loss, y: Any, part: str) -> Array:
    """The targets of a data set in the loss's shape and dtype.

    part: what messages call the data. A last axis of length 1 may be there or not.
    Raises `ShapeError` or `DataError` that names the last layer, the loss and both shapes.
    """
    output = network.output
    wanted: tuple[int | None, ...] = output.shape
    dtype: DType = output.dtype
    if loss.TARGETS == "classes":
        wanted, dtype = output.shape[:-1], int64
    array = np.asarray(y)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{part}: targets must be numbers, not {array.dtype}")
    shape = array.shape
    if array.ndim == len(wanted) + 1 and array.shape[-1] == 1 and loss.TARGETS != "any":
        array = array[..., 0]
    elif array.ndim == len(wanted) - 1 and wanted[-1] == 1:
        array = array[..., np.newaxis]
    if loss.TARGETS == "any":
        return array if array.dtype.kind in "iu" else array.astype(dtype)
    if array.shape[1:] != wanted[1:]:
        hint = ""
        if shape[1:] in ((), (1,)) and loss.TARGETS == "same" and len(wanted) == 2:
            hint = (
                f"; for class numbers use the loss 'sparse_categorical_crossentropy', or make "
                f"codes with keras.utils.to_categorical(y, {wanted[-1]})"
            )
        elif loss.TARGETS == "classes" and shape[1:] == output.shape[1:]:
            hint = "; for one-hot targets use the loss 'categorical_crossentropy'"
        raise ShapeError(
            f"{part}: targets {shape} do not fit the loss {title(loss)} on the output "
            f"{output.shape} of {output.layer.title}, which needs {(None, *wanted[1:])}{hint}"
        )
    cast = array.astype(dtype)
    if loss.TARGETS == "classes":
        _check_classes(array, cast, output.shape[-1] or 0, part, output.layer.title)
    return cast


def _check_classes(given: Array, labels: Array, classes: int, part: str, layer: str) -> None:
    wrong = (labels < 0) | (labels >= classes) | (labels != given)
    if wrong.any():
        place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        raise DataError(
            f"{part}: the target of sample {place[0]} is {given[place]}; {layer} has {classes} "
            f"outputs, so class numbers are 0…{classes - 1}"
        )


def title(part: Any) -> str:
    """A loss or metric in messages."""
    return repr(getattr(part, "name", None) or type(part).__name__)
