"""The losses that `Model.compile` and configurations know by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from neurona.core.errors import ArgumentError, choices, nearest
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn import loss as layers
from neurona.nn.module import Module

Loss = Callable[[Any, Any], Tensor]


def cross_entropy_of_probabilities(output: Any, target: Any, sample_weight: Any = None) -> Tensor:
    """−Σ_c t_c log y_c for a network that ends in a softmax of its own, the mean over the batch."""
    return functional.cross_entropy(output, target, from_logits=False, sample_weight=sample_weight)


LOSSES: dict[str, Loss] = {
    "binary_cross_entropy": functional.binary_cross_entropy,
    "binary_cross_entropy_with_logits": functional.binary_cross_entropy_with_logits,
    "cross_entropy": functional.cross_entropy,
    "cross_entropy_of_probabilities": cross_entropy_of_probabilities,
    "hinge": functional.hinge_loss,
    "huber": functional.huber_loss,
    "kl_divergence": functional.kl_div,
    "mean_absolute_error": functional.l1_loss,
    "mean_squared_error": functional.mse_loss,
    "negative_log_likelihood": functional.nll_loss,
    "quadratic_cost": functional.quadratic_cost,
    "token_cross_entropy": functional.token_cross_entropy,
}

NUMBER_LOSSES = {"huber", "mean_absolute_error", "mean_squared_error", "quadratic_cost"}
"""Those that compare numbers of any size, so that targets may be scaled for them."""

# What turns a network's outputs into probabilities, where they are something else.
OUTPUTS: dict[str, Callable[[Any], Tensor]] = {
    "cross_entropy": lambda output: functional.softmax(output, dim=-1),
    "token_cross_entropy": lambda output: functional.softmax(output, dim=-1),
    "binary_cross_entropy_with_logits": functional.sigmoid,
}


def find_loss(loss: str | Mapping[str, Any] | Loss, place: str = "loss") -> Loss:
    """The loss of a name, or of {"name": …, and options of its layer}; a callable is its own.

    Options are those of the layer of `nn`: "weight" and "pos_weight" as lists, "label_smoothing",
    "delta", "margin", "reduction" and others.
    Raises `ArgumentError`, with the place and the nearest name.

    >>> find_loss("cross_entropi")
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: loss: unknown name 'cross_entropi'; did you mean \
'cross_entropy'?
    >>> find_loss({"name": "huber", "delta": 0.5}).delta
    0.5
    """
    if callable(loss):
        return loss
    options = dict(loss) if isinstance(loss, Mapping) else {}
    name = options.pop("name", None) if isinstance(loss, Mapping) else loss
    if name not in LOSSES:
        raise ArgumentError(f"{place}: unknown name {name!r}{choices(str(name), LOSSES)}")
    return _layer(name, options, place) if options else LOSSES[name]


def _layer(name: str, options: dict[str, Any], place: str) -> Loss:
    """The layer of `nn` for a loss with options."""
    kinds = {one: getattr(layers, kind) for kind, one in _LAYERS.items()}
    known = list(inspect.signature(kinds[name]).parameters) if name in kinds else []
    for option, value in options.items():
        if option not in known:
            raise ArgumentError(
                f"{place}: {name} has no option {option!r}{nearest(option, known)} "
                f"(known: {', '.join(known) or 'none'})"
            )
        several = option in ("weight", "pos_weight")
        numbers = value if several and isinstance(value, (list, tuple)) else [value]
        wanted = str if option == "reduction" else int | float
        if not numbers or not all(
            isinstance(one, wanted) and (isinstance(one, str) or math.isfinite(one))
            for one in numbers
        ):
            kind = "a word" if wanted is str else "a list of numbers" if several else "a number"
            raise ArgumentError(f"{place}: {option} must be {kind}, not {value!r}")
    if options.get("reduction") in ("none", "sum"):
        raise ArgumentError(
            f"{place}: reduction {options['reduction']!r} is no mean over the samples; a run needs "
            "'mean' or 'batchmean'"
        )
    try:
        made: Loss = kinds[name](**options)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{place}: {error}") from None
    return made


def describe_loss(loss: Loss) -> str | dict[str, Any] | None:
    """What `find_loss` makes the loss of, fit for JSON; None for a function of its own."""
    name = name_of(loss)
    if name is None or not isinstance(loss, Module):
        return name
    usual, options = type(loss)(), {}
    for option in inspect.signature(type(loss)).parameters:
        value, default = getattr(loss, option), getattr(usual, option)
        value = value.numpy().tolist() if isinstance(value, Tensor) else value
        if value != default:
            options[option] = value
    if options.get("reduction") in ("none", "sum"):
        return None
    return {"name": name, **options} if options else name


def name_of(loss: str | Mapping[str, Any] | Loss) -> str | None:
    """The name under which a loss is known, or None."""
    if isinstance(loss, str):
        return loss
    if isinstance(loss, Mapping):
        return loss.get("name")
    for name, known in LOSSES.items():
        if loss is known:
            return name
    # The layers of `nn` say which function they are.
    kind = type(loss).__name__
    return _LAYERS.get(kind) if type(loss) is getattr(layers, kind, None) else None


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
    "TokenCrossEntropyLoss": "token_cross_entropy",
}
