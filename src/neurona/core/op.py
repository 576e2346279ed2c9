"""The op record and the registry.

An op is one record with four facets: `infer` (shape and dtype, and every check of the operands),
`evaluate` (the NumPy reference, which eager mode runs), `vjp` (the reverse derivative, in Tensor
ops) and `lower` (what the compiler makes of it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neurona.core.dtypes import DType
from neurona.core.errors import ArgumentError
from neurona.core.lowering import Lowering

if TYPE_CHECKING:
    from neurona.core.node import Node

Shape = tuple[int, ...]
Array = np.ndarray[Any, DType]


class Spec(NamedTuple):
    """What is known of a value before it is computed."""

    shape: Shape
    dtype: DType


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One primitive.

    infer(*nodes, **attrs): a `Spec`, or a tuple of them for an op with several results.
    evaluate(*arrays, **attrs): an array, or a tuple.
    vjp(cotangent, output, *inputs, **attrs): one cotangent an input, None where none flows; no
        vjp at all means that no gradient flows through the op.
    lower: see `neurona.core.lowering`; without it the program runs `evaluate` between its
        native segments.
    """

    name: str
    infer: Callable[..., Spec | tuple[Spec, ...]]
    evaluate: Callable[..., Any]
    vjp: Callable[..., Any] | None = None
    lower: Lowering | None = None

    def __repr__(self) -> str:
        return f"Op({self.name})"


_REGISTRY: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Enter `op` under its name, once."""
    if op.name in _REGISTRY:
        raise ArgumentError(f"op {op.name!r} is registered already")
    _REGISTRY[op.name] = op
    return op


def registry() -> dict[str, Op]:
    """All ops by name, as a copy."""
    return dict(_REGISTRY)


def _leaf(name: str) -> Op:
    def infer(*_: Node, **__: Any) -> Spec:
        raise ArgumentError(f"{name} nodes are made with their shape and dtype")

    return Op(name, infer, infer)


CONSTANT = _leaf("constant")
"""A leaf whose value is known."""
LITERAL = _leaf("literal")
"""A leaf for a number written in the code, 0-d; compiled into the program."""
INPUT = _leaf("input")
"""A leaf of a recorded graph whose value comes with each run."""
LEAF = Op("leaf", infer=lambda x: x.spec, evaluate=lambda x: x)
"""A Variable's new value while recording: derivatives end here, as at its old one."""
FREED = _leaf("freed")
"""What `backward()` leaves of a node it has used."""
