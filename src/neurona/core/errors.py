"""The errors that Neurona raises for a user's mistake, and the hint that names what was meant.

A message says who complains (operation or layer path), what differs (both shapes as tuples) and
the likely mend. All errors derive from `NeuronaError`; most also from the built-in error that a
Python programmer would expect, so that `except ValueError` keeps its meaning.
"""

from __future__ import annotations

from collections.abc import Iterable


class NeuronaError(Exception):
    """Base of every error that Neurona raises on purpose."""


class ShapeError(NeuronaError, ValueError):
    """Shapes do not fit each other or the operation."""


class AxisError(ShapeError, IndexError):
    """An axis is named that the tensor does not have, or one is named twice."""


class ExchangeError(NeuronaError, BufferError):
    """A value cannot be handed to or taken from another array library."""


class DTypeError(NeuronaError, TypeError):
    """A data type does not fit the operation or the other operands."""


class ArgumentError(NeuronaError, ValueError):
    """An argument, option or name is outside what is accepted."""


class IndexOutOfRangeError(ArgumentError, IndexError):
    """An index lies outside the axis it counts along."""


class DataError(NeuronaError, ValueError):
    """A data file or array is damaged, missing or holds values that cannot be learnt from."""


class WorkerError(NeuronaError, RuntimeError):
    """A worker process died over its work."""


class CheckpointError(NeuronaError, ValueError):
    """Saved weights or state do not fit the network, or the file is damaged."""


class TraceError(NeuronaError):
    """Something was asked of a traced tensor that only a computed value can answer."""


class NonFiniteError(NeuronaError, ArithmeticError):
    """A NaN or an infinity appeared in a run; nothing was written."""


class GradientError(NeuronaError, ArithmeticError):
    """A derivative is not the one that finite differences or its own transpose show."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" with the nearest known name, or "" when none is near.

    >>> nearest("mnits", ["digits", "mnist"])
    "; did you mean 'mnist'?"
    >>> nearest("zebra", ["digits", "mnist"])
    ''
    """
    from difflib import get_close_matches  # slow to import, wanted only in messages

    by_lower_case = {one.lower(): one for one in known}
    match = get_close_matches(name.lower(), list(by_lower_case), n=1)
    return f"; did you mean {by_lower_case[match[0]]!r}?" if match else ""


def choices(name: str, known: Iterable[str]) -> str:
    """Return what `nearest` does or, when none is near, " (known: …)" with all of them.

    >>> choices("zebra", ["digits", "mnist"])
    ' (known: digits, mnist)'
    """
    names = list(known)
    return nearest(name, names) or f" (known: {', '.join(names)})"
