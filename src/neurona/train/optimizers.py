"""The optimisers that `Model.compile` and configurations know by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from neurona import optim
from neurona.core.errors import ArgumentError, choices, nearest
from neurona.core.variable import Variable
from neurona.optim.optimizer import Optimizer


def optimizer_class(name: str, place: str = "optimizer") -> type[Optimizer]:
    """The class of `neurona.optim` called `name`. Raises `ArgumentError` with the nearest name.

    >>> optimizer_class("adam")
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: optimizer: unknown name 'adam'; did you mean 'Adam'?
    """
    known = {
        one: found
        for one in optim.__all__
        if isinstance(found := getattr(optim, one), type) and issubclass(found, Optimizer)
        if found is not Optimizer
    }
    if name not in known:
        raise ArgumentError(f"{place}: unknown name {name!r}{choices(str(name), known)}")
    return known[name]


def check_options(name: str, options: Iterable[str], place: str = "optimizer") -> None:
    """Raise `ArgumentError`, with the place, for an unknown optimiser or option."""
    signature = inspect.signature(optimizer_class(name, place))
    known = [option for option in signature.parameters if option != "parameters"]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"{place}: {name} has no option {option!r}{nearest(option, known)} "
                f"(known: {', '.join(known)})"
            )


def make_optimizer(
    parameters: Iterable[Variable],
    name: str,
    options: Mapping[str, Any] | None = None,
    place: str = "optimizer",
) -> Optimizer:
    """An optimiser by name with its options; what is left out has the class's default.

    Raises `ArgumentError`, with the place, for options the class has not or refuses.
    """
    given = dict(options or {})
    check_options(name, given, place)
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}
    make: Any = optimizer_class(name, place)
    try:
        made: Optimizer = make(parameters, **plain)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{place}: {error}") from None
    return made
