"""Initial values of weights and biases by the name of a function of `nn.init`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from neurona import nn
from neurona.core.errors import ArgumentError, nearest
from neurona.core.variable import Variable

INIT = "init"
INITIALISERS = (
    "constant",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
)


def check_initialiser(table: Mapping[str, Any], place: str) -> None:
    """Raise `ArgumentError`, with the place, for an unknown `init` or option of it."""
    name = table.get(INIT)
    if name not in INITIALISERS:
        raise ArgumentError(
            f"{place}: unknown init {name!r}{nearest(str(name), INITIALISERS)} "
            f"(known: {', '.join(INITIALISERS)})"
        )
    fill = inspect.signature(getattr(nn.init, name))
    known = [option for option in fill.parameters if option not in ("variable", "generator")]
    for option in table:
        if option not in (*known, INIT):
            raise ArgumentError(
                f"{place}: {name} has no option {option!r}{nearest(option, known)} "
                f"(known: {', '.join(known) or 'none'})"
            )


def initialise(variables: Iterable[Variable], table: Mapping[str, Any] | None, place: str) -> None:
    """Fill the Variables as the table says: `init` and the options of that function of `nn.init`.

    Raises `ArgumentError`, with the place, for unknown names, options and values.
    """
    if table is None:
        return
    check_initialiser(table, place)
    fill = getattr(nn.init, table[INIT])
    options = {key: value for key, value in table.items() if key != INIT}
    try:
        for variable in variables:
            fill(variable, **options)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{place}: {error}") from None
