"""The losses that `Model.compile` and configurations know by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurona.core.errors import ArgumentError, choices
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.module import Module

Loss = Callable[[Any, Any], Tensor]

LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": functional.binary_cross_entropy,
    "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
    "cross_entropy": functional.cross_entropy,
    "hinge": functional.hinge_loss,
    "huber": functional.huber_loss,
    "kl_divergence": functional.kl_div,
    "mean_absolute_error": functional.l1_loss,
    "mean_squared_error": functional.mse_loss,
    "negative_log_likelihood": functional.nll_loss,
    "quadratic_cost": functional.quadratic_cost,
}

# What turns a network's outputs into probabilities, where they are something else.
OUTPUTS: dict[str, Callable[[Any], Tensor]] = {
    "cross_entropy": lambda output: functional.softmax(output, dim=-1),
    "binary_cross_entropy_with_logits": functional.sigmoid,
}


def find_loss(loss: str | Loss) -> Loss:
    """The loss of a name; a callable is its own. Raises `ArgumentError` with the nearest name.

    >>> find_loss("cross_entropi")
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: loss: unknown name 'cross_entropi'; did you mean \
'cross_entropy'?
    """
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ArgumentError(f"loss: unknown name {loss!r}{choices(str(loss), LOSSES)}")
    return LOSSES[loss]


def name_of(loss: str | Loss) -> str | None:
    """The name under which a loss is known, or None."""
    if isinstance(loss, str):
        return loss
    for name, known in LOSSES.items():
        if loss is known:
            return name
    # The layers of `nn` say which function they are.
    return _LAYERS.get(type(loss).__name__)


def is_plain(loss: Loss) -> bool:
    """Whether the name of a loss says all of it: it has no weights and only default options."""
    if not isinstance(loss, Module):
        return True
    return not loss.state_dict() and _options(loss) == _options(type(loss)())


def _options(loss: Module) -> dict[str, Any]:
    return {name: value for name, value in vars(loss).items() if name[0] != "_"}


_LAYERS = {
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "cross_entropy",
    "HingeLoss": "hinge",
    "HuberLoss": "huber",
    "KLDivLoss": "kl_divergence",
    "L1Loss": "mean_absolute_error",
    "MSELoss": "mean_squared_error",
    "NLLLoss": "negative_log_likelihood",
    "QuadraticCost": "quadratic_cost",
}
