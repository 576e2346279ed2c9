"""Registration slots: what `core` calls but does not import.

`ops` fills in the operators of Tensor, `autodiff` the backward pass, `nn` eager kernels.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

operators: Any = SimpleNamespace()
"""The functions behind Tensor's operators and methods, by name."""
kernels: dict[str, Callable[..., Any]] = {}
"""What eager mode runs in place of an op's `evaluate`, by the op's name."""


Function = TypeVar("Function", bound=Callable[..., Any])


def provide(function: Function) -> Function:
    """Fill the slot of the function's name."""
    setattr(operators, function.__name__, function)
    return function
