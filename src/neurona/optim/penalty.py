"""Penalties on weights: terms to add to a loss, and a bound on norms.

Convention: L1 is λΣ|w|, L2 is λ/2·Σw², whose gradient is λw, the same as an SGD weight decay of λ.
`docs/optimisers.md` converts other conventions. Only weights are meant, not biases: see `weights`.
"""

from __future__ import annotations

from collections.abc import Iterable

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.trace import set_grad_enabled
from neurona.core.variable import Variable
from neurona.nn.module import Module
from neurona.ops.arithmetic import abs, sqrt
from neurona.ops.broadcast import sum
from neurona.ops.compare import where


def weights(module: Module) -> list[Variable]:
    """The parameters with two axes or more: neither biases nor the scales of normalisations.

    >>> from neurona import nn, optim
    >>> [w.shape for w in optim.weights(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))]
    [(3, 4)]
    """
    return [parameter for parameter in module.parameters() if parameter.ndim > 1]


def l1(parameters: Iterable[Variable], strength: float) -> Tensor:
    """strength·Σ|w|: drives single weights to 0."""
    return strength * _total("l1", [sum(abs(w)) for w in parameters])


def l2(parameters: Iterable[Variable], strength: float) -> Tensor:
    """strength/2·Σw²: keeps all weights small."""
    return (strength / 2) * _total("l2", [sum(w * w) for w in parameters])


def elastic_net(parameters: Iterable[Variable], strength_l1: float, strength_l2: float) -> Tensor:
    """strength_l1·Σ|w| + strength_l2/2·Σw².

    Zou and Hastie, "Regularization and variable selection via the elastic net" (2005).
    """
    several = list(parameters)
    return l1(several, strength_l1) + l2(several, strength_l2)


def limit_norms(parameters: Iterable[Variable], max_norm: float) -> None:
    """Scale down the weights of each unit so that their norm is at most `max_norm`.

    A unit's weights are a row: all axes but the first. Call it after `optimizer.step()`.
    Srebro and Shraibman, "Rank, trace-norm and max-norm" (2005).
    """
    if not max_norm > 0:
        raise ArgumentError(f"limit_norms: max_norm must be positive, not {max_norm}")
    with set_grad_enabled(False):
        for w in parameters:
            norm = sqrt(sum(w * w, axis=tuple(range(1, w.ndim)), keepdims=True))
            w.assign(w * where(norm > max_norm, max_norm / norm, 1))


def _total(function: str, terms: list[Tensor]) -> Tensor:
    if not terms:
        raise ArgumentError(f"{function}: there are no weights")
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
