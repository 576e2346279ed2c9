"""Clipping and scaling gradients between `loss.backward()` and `optimizer.step()`."""

from __future__ import annotations

from collections.abc import Iterable

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.trace import set_grad_enabled
from neurona.core.variable import Variable
from neurona.ops.arithmetic import clip, sqrt
from neurona.ops.broadcast import sum
from neurona.ops.compare import where
from neurona.ops.operand import cast
from neurona.optim.optimizer import working_dtype


def clip_gradient_norm(parameters: Iterable[Variable], max_norm: float) -> Tensor:
    """Scale all gradients by one factor so that their common norm is at most `max_norm`.

    ‖g‖ = √Σg² over all parameters; g ← g·max_norm/‖g‖ where ‖g‖ > max_norm.
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013),
    algorithm 1.
    Returns the norm before, 0-d. Raises `ArgumentError` when there is no gradient.
    """
    limit = _positive("clip_gradient_norm", "max_norm", max_norm)
    return _rescale("clip_gradient_norm", parameters, limit, also_up=False)


def scale_gradient_norm(parameters: Iterable[Variable], norm: float) -> Tensor:
    """Scale all gradients by one factor so that their common norm is `norm`.

    g ← g·norm/‖g‖, also where ‖g‖ is smaller, so that only the direction counts; gradients that are
    all 0 stay. Returns the norm before, 0-d. Raises `ArgumentError` when there is no gradient.

    >>> import neurona as ne
    >>> from neurona import optim
    >>> w = ne.Variable([0.3, 0.4])
    >>> ne.sum(w * w).backward()
    >>> optim.scale_gradient_norm([w], 5.0).item(), w.grad
    (1.0, Tensor([3., 4.], dtype=float32))
    """
    wanted = _positive("scale_gradient_norm", "norm", norm)
    return _rescale("scale_gradient_norm", parameters, wanted, also_up=True)


def clip_gradient_value(parameters: Iterable[Variable], limit: float) -> None:
    """Keep every element of every gradient within [−limit, limit].

    Raises `ArgumentError` when there is no gradient.
    """
    bound = _positive("clip_gradient_value", "limit", limit)
    with set_grad_enabled(False):
        for parameter, gradient in _with_gradient("clip_gradient_value", parameters):
            parameter.grad = clip(gradient, -bound, bound)


def _rescale(function: str, parameters: Iterable[Variable], wanted: float, also_up: bool) -> Tensor:
    """Bring the common norm of all gradients down, or also up; returns the norm before."""
    owners = _with_gradient(function, parameters)
    with set_grad_enabled(False):
        total: Tensor | None = None
        for parameter, gradient in owners:
            wide = cast(gradient, working_dtype(parameter))
            squares = sum(wide * wide)
            total = squares if total is None else total + squares
        norm = sqrt(total)
        factor = where(norm > (0 if also_up else wanted), wanted / norm, 1)
        for parameter, gradient in owners:
            parameter.grad = gradient * cast(factor, gradient.dtype)
    return norm


def _positive(function: str, name: str, value: float) -> float:
    if not value > 0:
        raise ArgumentError(f"{function}: {name} must be positive, not {value}")
    return float(value)


def _with_gradient(function: str, parameters: Iterable[Variable]) -> list[tuple[Variable, Tensor]]:
    pairs = [(p, p.grad) for p in parameters]
    found = [(parameter, gradient) for parameter, gradient in pairs if gradient is not None]
    if not found:
        raise ArgumentError(f"{function}: no gradient yet; call it after loss.backward()")
    return found
