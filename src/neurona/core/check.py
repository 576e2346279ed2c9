"""Conditions on values that must hold, in eager mode and in compiled programs alike."""

from __future__ import annotations

from neurona.core.errors import ArgumentError, DTypeError, NeuronaError
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE


def ensure(condition: Tensor, message: str, error: type[NeuronaError] = ArgumentError) -> None:
    """Raise `error(message)` unless the boolean scalar `condition` holds.

    A compiled program looks at it before it writes any Variable: if it fails, nothing changed.

    >>> import neurona as ne
    >>> ensure(ne.all(ne.asarray([1, 2]) > 0), "weights must be positive")
    """
    if condition.dtype.name != "bool" or condition.shape != ():
        raise DTypeError(
            f"ensure: a boolean scalar is needed, not {condition.dtype} {condition.shape}; use all"
        )
    if STATE.trace is not None:
        STATE.trace.check(condition._resolve(STATE.trace), error(message))
    elif not condition:
        raise error(message)
