"""Which layer is at work: the stack of running modules, for messages with the layer's path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurona.nn.module import Module

Observer = Callable[["Module", str, tuple[Any, ...], Any], None]


class _Running(threading.local):
    """stack: the modules being called, outermost first.

    observer: told (module, path, arguments, output) of every call that ends well.
    """

    def __init__(self) -> None:
        self.stack: list[Module] = []
        self.observer: Observer | None = None


RUNNING = _Running()


def path_of(module: Module) -> str:
    """The name of `module` inside the outermost running module, "" for that one and for others."""
    if not RUNNING.stack:
        return ""
    return next(
        (name for name, found in RUNNING.stack[0].named_modules() if found is module),
        "",
    )


def title_of(module: Module) -> str:
    """The class of `module` and, when it runs inside another, its path: Linear 'body.2'."""
    path = path_of(module)
    return f"{type(module).__name__} {path!r}" if path else type(module).__name__


def who(function: str) -> str:
    """Who complains: the layer at work if it is one of ours, else `function` and the layer.

    >>> who("mse_loss")
    'mse_loss'
    """
    if not RUNNING.stack:
        return function
    module = RUNNING.stack[-1]
    if type(module).__module__.startswith(("neurona.nn.", "neurona.keras.")):
        return title_of(module)
    return f"{function} in {title_of(module)}"
