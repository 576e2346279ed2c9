"""Targets that are numbers: learnt standardised, shown in the data's own units.

The network's outputs z stand for z·scale + mean. The loss compares z with (t − mean)/scale; metrics
and whoever predicts see z·scale + mean and t. All of it is recorded into the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, CheckpointError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.data.standardize import Standardizer
from neurona.ops.operand import cast, operand
from neurona.train.losses import NUMBER_LOSSES


def check_kind(scaling: Any) -> None:
    """Raise `ArgumentError` for what is no Standardizer."""
    if not isinstance(scaling, Standardizer):
        raise ArgumentError(
            "Model: target_scaling is a data.Standardizer fitted to the training targets, as in "
            f"data.Standardizer.fit(y), not {scaling!r}"
        )


def check_loss(scaling: Standardizer | None, loss_name: str | None) -> None:
    """Raise `ArgumentError` for a known loss that is not one of numbers."""
    if scaling is not None and loss_name is not None and loss_name not in NUMBER_LOSSES:
        raise ArgumentError(
            f"compile: the loss {loss_name!r} is not for numbers, which target_scaling is for; "
            f"choose one of {', '.join(sorted(NUMBER_LOSSES))}, or leave target_scaling out"
        )


def check_targets(
    scaling: Standardizer | None, targets: NDArray[Any], output: Shape, name: str
) -> None:
    """Raise `ShapeError` unless targets, outputs and the statistics have the same sample shape."""
    if scaling is None:
        return
    _check_output(scaling, (len(targets), *output))
    if targets.shape[1:] != output:
        raise ShapeError(
            f"Dataset {name!r}: targets {targets.shape} must have the shape of the network's "
            f"output {(len(targets), *output)} to be scaled"
        )


def standardized(scaling: Standardizer | None, target: Any, output: Tensor) -> Any:
    """(target − mean)/scale in the dtype of the output, or the target itself without scaling."""
    if scaling is None:
        return target
    mean, scale = (part.astype(output.dtype) for part in (scaling.mean, scaling.scale))
    return (cast(operand(target), output.dtype) - mean) / scale


def in_units(scaling: Standardizer | None, output: Tensor) -> Tensor:
    """output·scale + mean, or the output itself without scaling."""
    if scaling is None:
        return output
    _check_output(scaling, output.shape)
    mean, scale = (part.astype(output.dtype) for part in (scaling.mean, scaling.scale))
    return output * scale + mean


def scaling_to_json(scaling: Standardizer | None) -> dict[str, Any] | None:
    """The statistics as plain data.

    >>> import numpy as np
    >>> scaling_to_json(Standardizer.fit(np.array([[1.0], [3.0]])))
    {'mean': [2.0], 'scale': [1.4142135623730951]}
    """
    if scaling is None:
        return None
    return {name: array.tolist() for name, array in scaling.state().items()}


def scaling_from_json(description: Mapping[str, Any] | None) -> Standardizer | None:
    """What `scaling_to_json` described. Raises `CheckpointError` when it is none."""
    try:
        return None if description is None else Standardizer.from_state(description)
    except CheckpointError as error:
        raise CheckpointError(f"target_scaling: {error}") from None


def _check_output(scaling: Standardizer, output: Shape) -> None:
    shape = scaling.mean.shape
    if len(shape) != len(output) - 1 or not all(
        here in (1, there) for here, there in zip(shape, output[1:], strict=True)
    ):
        raise ShapeError(
            f"target_scaling: statistics of shape {shape} do not fit outputs {output}; fit them to "
            "targets of the shape of the outputs"
        )
