"""Penalties on weights by Keras's names: L2 is λΣw², without the ½ of `neurona.optim.l2`."""

from __future__ import annotations

from typing import Any

from neurona import optim
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.keras.named import Configured, find


class L1L2(Configured):
    """l1·Σ|w| + l2·Σw².

    >>> import neurona as ne
    >>> from neurona.keras import regularizers
    >>> regularizers.L1L2(l1=1.0, l2=10.0)(ne.Variable([1.0, -2.0])).item()
    53.0
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        if not (l1 >= 0 and l2 >= 0):
            raise ArgumentError(f"L1L2: l1 {l1} and l2 {l2} must not be negative")
        self.l1 = l1
        self.l2 = l2

    def __call__(self, weight: Variable) -> Tensor:
        terms = []
        if self.l1:
            terms.append(optim.l1([weight], self.l1))
        if self.l2 or not terms:
            terms.append(optim.l2([weight], 2 * self.l2))
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]


class L1(L1L2):
    """l1·Σ|w|."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2·Σw²."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


l1, l2, l1_l2 = L1, L2, L1L2

REGULARIZERS: dict[str, Any] = {
    "l1": L1,
    "l2": L2,
    "l1_l2": L1L2,
    "L1": L1,
    "L2": L2,
    "L1L2": L1L2,
}


def get(identifier: Any) -> Any:
    """The penalty of a name or a configuration; None and functions of the weight are their own.

    Raises `ArgumentError` with the nearest name.
    """
    if identifier is None:
        return None
    return find("regularizer", identifier, REGULARIZERS, Configured)
