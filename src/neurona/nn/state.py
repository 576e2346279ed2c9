"""Taking values over into Variables by name: all of them or, if anything does not fit, none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from neurona.core.dtypes import as_dtype
from neurona.core.errors import CheckpointError, TraceError, nearest
from neurona.core.op import Array
from neurona.core.trace import STATE
from neurona.core.variable import Variable

SHOWN = 8
"""Names that a message lists before it only counts."""


class LoadResult(NamedTuple):
    """What `load_state_dict(strict=False)` did not use."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def load_variables(
    who: str, variables: Mapping[str, Variable], state: Mapping[str, Any], *, strict: bool
) -> LoadResult:
    """Assign the arrays of `state` to the Variables of the same names.

    Raises `CheckpointError` naming everything that does not fit; then no Variable has changed.
    """
    if STATE.trace is not None:
        raise TraceError(f"{who}: load the state outside of the compiled function")
    missing = [name for name in variables if name not in state]
    unexpected = [name for name in state if name not in variables]
    problems: list[str] = []
    if strict and missing:
        problems.append(f"missing: {listed(missing)}")
    if strict and unexpected:
        problems.append(f"unexpected: {listed(unexpected)}{_hint(state, missing, unexpected)}")
    arrays: dict[str, Array] = {}
    for name, variable in variables.items():
        if name in state:
            found = _fitting(name, variable, state[name])
            if isinstance(found, str):
                problems.append(found)
            else:
                arrays[name] = found
    if problems:
        raise CheckpointError(f"{who}: the state does not fit:\n  " + "\n  ".join(problems))
    for name, array in arrays.items():
        variables[name].assign(array)
    return LoadResult(missing, unexpected)


def _hint(state: Mapping[str, Any], missing: list[str], unexpected: list[str]) -> str:
    """What the state may have been meant to be: a part of itself, or under other names."""
    for name in unexpected:
        inside = state[name]
        if isinstance(inside, Mapping) and not set(missing).isdisjoint(inside):
            return f"; state[{name!r}] has such names, give that"
    for first, names, more in ((missing, unexpected, "state"), (unexpected, missing, "module")):
        longer = next((name for name in names if first and name.endswith(f".{first[0]}")), None)
        prefix = longer.removesuffix(first[0]) if longer else ""
        if prefix and all(prefix + name in names for name in first):
            mend = "name.removeprefix({0!r})" if more == "state" else "{0!r} + name"
            return (
                f"; the names of the {more} begin with {prefix!r}, give "
                f"{{{mend.format(prefix)}: value for name, value in state.items()}}"
            )
    return nearest(unexpected[0], missing)


def _fitting(name: str, variable: Variable, value: Any) -> Array | str:
    """A copy of `value` if it fits the Variable, else what is wrong."""
    try:
        array = np.array(np.asarray(value))
        dtype = as_dtype(array.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        return f"{name}: not an array of numbers ({' '.join(str(error).split())})"
    if array.shape != variable.shape:
        return f"{name}: shape {array.shape} in the state, {variable.shape} here"
    if dtype != variable.dtype:
        return f"{name}: {dtype} in the state, {variable.dtype} here; cast one with astype"
    return array


def listed(names: Iterable[str]) -> str:
    """The names, after a few only their number."""
    names = list(names)
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
