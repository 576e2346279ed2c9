"""What `fit`, `evaluate` and `predict` look at before they start, so that nothing is half done."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.dtypes import DEFAULT_FLOAT, DType, is_float
from neurona.core.errors import DataError, ShapeError
from neurona.core.op import Shape, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording, set_grad_enabled
from neurona.data.dataset import Dataset
from neurona.nn.module import Module

# With these a label is the number of an output.
CLASS_LOSSES = {
    "cross_entropy",
    "cross_entropy_of_probabilities",
    "negative_log_likelihood",
    "token_cross_entropy",
}
IGNORED = -100
"""The label that these losses leave out if they are not told of another (PyTorch's)."""


def checked_inputs(x: Any, name: str) -> NDArray[Any]:
    """Inputs as an array without NaN or infinity."""
    array = np.asarray(x)
    return Dataset(inputs=array, targets=np.zeros(array.shape[:1]), name=name).arrays[0]


def dtype_of(network: Module) -> DType:
    """The dtype of the network's parameters, which floating inputs are cast to."""
    return next((v.dtype for v in network.parameters() if is_float(v.dtype)), DEFAULT_FLOAT)


def output_shape(network: Module, inputs: NDArray[Any], dtype: DType) -> Shape:
    """The shape of the network's output for one sample, without the batch axis.

    Nothing is computed. Raises what the network raises for inputs that do not fit.
    """
    batch = min(len(inputs), 2)
    kind = dtype if inputs.dtype.kind == "f" else inputs.dtype
    with recording() as trace, set_grad_enabled(False):
        output = network(Tensor(trace.input(Spec((batch, *inputs.shape[1:]), kind))))
    if not isinstance(output, Tensor) or not output.shape or output.shape[0] != batch:
        raise ShapeError(
            f"{type(network).__name__}: for {batch} samples the output must be one tensor "
            f"({batch}, …), found {getattr(output, 'shape', type(output).__name__)}"
        )
    return output.shape[1:]


def check_labels(
    targets: NDArray[Any], output: Shape, loss: str | None, name: str, ignored: int = IGNORED
) -> None:
    """Raise `DataError` for the first class number that has no output and is not ignored."""
    if loss not in CLASS_LOSSES or targets.dtype.kind not in "iu" or not output:
        return
    classes = output[-1] if loss == "token_cross_entropy" else output[0]
    wrong = ((targets < 0) & (targets != ignored)) | ((targets >= classes) & (targets != ignored))
    if wrong.any():
        place = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        rest = f", place {place[1:]}" if place[1:] else ""
        raise DataError(
            f"Dataset {name!r}: the label of sample {place[0]}{rest} is {targets[place]}; the "
            f"network has {classes} outputs, so labels are 0…{classes - 1}"
        )


def check_codes(targets: NDArray[Any], output: Shape, loss: str | None, name: str) -> None:
    """Raise `ShapeError` where class numbers are given to a loss that compares vectors."""
    if loss is None or loss in CLASS_LOSSES or targets.shape[1:] == output:
        return
    hint = ""
    if targets.dtype.kind in "iu" and targets.ndim == 1 and len(output) == 1:
        hint = f"; make vectors of class numbers with data.encode_targets(y, {output[0]})"
    raise ShapeError(
        f"Dataset {name!r}: targets {targets.shape} do not fit the network's output "
        f"{(len(targets), *output)} for the loss {loss!r}{hint}"
    )
