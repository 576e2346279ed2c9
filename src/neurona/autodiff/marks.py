"""Ops that leave a value as it is and change what differentiation or the compiler makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.core.apply import apply
from neurona.core.dtypes import DEFAULT_FLOAT, is_float
from neurona.core.lowering import Elementwise, Indexed, View
from neurona.core.node import Node
from neurona.core.op import Op, Spec, register
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.operand import operand


def _same(x: Node, *_: Node, **__: Any) -> Spec:
    return x.spec


def _first(x: Any, *_: Any, **__: Any) -> Any:
    return x


IDENTITY = register(
    Op("identity", _same, _first, lambda g, out, x: (g,), Elementwise(lambda k, x: x))
)
"""The same value as a node of its own: a place at which a reverse walk can end."""

STOP_GRADIENT = register(
    Op("stop_gradient", _same, _first, lower=Elementwise(lambda k, x: x)),
)

BARRIER = register(
    Op(
        "barrier",
        _same,
        _first,
        lambda g, out, x, after: (g, None),
        View(lambda k, index, shape: index),
    )
)
"""x, not before `after` is known, and never taken to be the same as x: what is computed from it
is computed again."""

ATTACH = register(
    Op(
        "attach",
        _same,
        _first,
        lambda g, out, x, token, *, index: (None, {index: g}),
        Indexed(lambda k, position, x, token, *, index: x[position]),
    )
)
"""x, whose derivative is not that of the ops which made it but that of `token`'s result `index`.
The token is a 0-d node whose op has the `vjp` (see `token`)."""


@provide
def stop_gradient(x: Any, /) -> Tensor:
    """`x` as a constant: its value, and no derivative through it.

    >>> import neurona as ne
    >>> x = ne.Variable(3.0)
    >>> (x * ne.stop_gradient(x)).backward()
    >>> x.grad
    Tensor(3., dtype=float32)
    """
    tensor = operand(x)
    return apply(STOP_GRADIENT, tensor)


def fresh(x: Tensor) -> Tensor:
    """`x` as a leaf of its own that requires a gradient, behind which `x` remains reachable."""
    leaf = apply(IDENTITY, x)
    leaf._node.requires_grad = True
    leaf._node.weak = False
    return leaf


def token(name: str, vjp: Callable[..., Any]) -> Op:
    """The op of a token: a 0-d node that stands for a whole computation in a reverse walk.

    The results of the computation are tied to the token by `tie`. Its `vjp` gets their cotangents
    as a dict result index → Tensor, the token itself and the token's inputs; it returns one
    cotangent an input.
    """
    return Op(
        name,
        lambda *_: Spec((), DEFAULT_FLOAT),
        lambda *_: np.zeros((), DEFAULT_FLOAT),
        vjp,
        Indexed(lambda k, position, *_: k.constant(0, DEFAULT_FLOAT)),
    )


def tie(results: Sequence[Tensor], op: Op, *inputs: Tensor) -> list[Tensor]:
    """The results with the derivatives of the token op `op` applied to `inputs`."""
    anchor = apply(op, *inputs)
    if not anchor.requires_grad:
        return list(results)
    return [
        apply(ATTACH, result, anchor, index=i) if is_float(result.dtype) else result
        for i, result in enumerate(results)
    ]
