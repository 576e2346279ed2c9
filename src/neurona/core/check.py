"""Conditions on values that must hold, in eager mode and in compiled programs alike."""

from __future__ import annotations

import numpy as np

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, NeuronaError
from neurona.core.op import Array, Op, Spec
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


def require(
    right: Tensor, values: Tensor, subject: str, rule: str, count: int | None = None
) -> None:
    """Raise unless `right` holds everywhere: "{subject}[2, 0] is {value there}; {rule}".

    values: what the condition is about, element by element. count: they are indices, of which there
    are so many; then the range follows the rule. A compiled program asks only whether all are right
    and makes the message when it has failed, before any Variable is written.

    Raises `IndexOutOfRangeError` for indices, else `ArgumentError`.

    >>> import neurona as ne
    >>> x = ne.asarray([1, 2])
    >>> require(x > 0, x, "weights", "they must be positive")
    """
    trace = STATE.trace
    if trace is None:
        _require(right.numpy(), values.numpy(), subject=subject, rule=rule, count=count)
        return
    ok = apply(REQUIRE, right, values, subject=subject, rule=rule, count=count)
    # Said where the values cannot be had again; numbers would be those of this recording.
    if count is None:
        trace.check(ok._resolve(trace), ArgumentError(f"{subject} is not right; {rule}"))
    else:
        trace.check(ok._resolve(trace), IndexOutOfRangeError(f"{subject} is out of range"))


def _require(right: Array, values: Array, *, subject: str, rule: str, count: int | None) -> Array:
    if right.all():
        return np.asarray(True)
    place = tuple(int(i) for i in np.unravel_index(int(right.argmin()), right.shape))
    found = f"{subject}{list(place) if place else ''} is {values[place]}; {rule}"
    if count is None:
        raise ArgumentError(found)
    raise IndexOutOfRangeError(f"{found} 0…{count - 1}")


REQUIRE = Op("require", lambda *_, **__: Spec((), dtypes.bool_), _require)
"""Whether a condition holds for all values (see `require`); evaluated, it names the first one."""
