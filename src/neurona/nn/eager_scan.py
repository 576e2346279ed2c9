"""Loops over sequences in eager mode: long ones are run by the compiler's kernels.

As for convolutions, see `eager`. A loop is recorded anew by every call, so its kernel is found by
what the steps do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.autodiff.steps import SCAN
from neurona.core.apply import apply_many
from neurona.core.lowering import Contraction
from neurona.core.node import Node
from neurona.core.op import LITERAL, Array
from neurona.core.slots import kernels
from neurona.core.subgraph import Subgraph, topological
from neurona.core.trace import nested, set_grad_enabled
from neurona.nn.eager import ELEMENT, PRODUCT

LEAST_TIME = 1e7
"""Nanoseconds in NumPy from which on a loop is worth its compilation, some tenths of a second."""
CALL = 1500.0
"""Nanoseconds that NumPy takes for an op, however small."""
MOST_LOOPS = 64
"""Loops that are compiled; later ones run in NumPy."""
KINDS = frozenset(map(np.dtype, (np.float32, np.float64, np.int64, np.bool_)))


def scan_time(body: Subgraph, length: int) -> float:
    """About how long NumPy takes for the steps, one op after the other."""
    return length * math.fsum(map(_time, body.nodes))


def _time(node: Node) -> float:
    if node.specs is not None:
        return CALL
    size = math.prod(node.shape)
    if isinstance(node.op.lower, Contraction):
        return CALL + PRODUCT * size * node.inputs[0].shape[-1]
    return CALL + ELEMENT * size


def form(body: Subgraph) -> tuple[Any, ...]:
    """What a graph computes, so that equal ones compare equal."""
    number = {id(node): i for i, node in enumerate(body.inputs)}
    parts: list[Any] = [(node.shape, node.dtype) for node in body.inputs]
    for node in topological(body.outputs):
        if id(node) in number:
            continue
        number[id(node)] = len(number)
        if node.op is LITERAL:
            parts.append((node.dtype, node.shape, node.array.tobytes()))
        else:
            attrs = _comparable(node.attrs)
            parts.append((node.op, attrs, tuple([number[id(x)] for x in node.inputs])))
    return (*parts, tuple([number[id(node)] for node in body.outputs]))


def _comparable(value: Any) -> Any:
    if isinstance(value, Subgraph):
        return form(value)
    if isinstance(value, dict):
        return tuple([(name, _comparable(one)) for name, one in sorted(value.items())])
    if isinstance(value, (list, tuple)):
        return tuple(map(_comparable, value))
    return value


LOOPS: dict[Any, Callable[..., Any]] = {}
"""The compiled loops by what they do."""


def evaluated(*inputs: Array, body: Subgraph, length: int, **attrs: Any) -> Any:
    """What `SCAN.evaluate` gives, by a compiled loop where that pays."""
    run = None
    if scan_time(body, length) >= LEAST_TIME and KINDS.issuperset(x.dtype for x in inputs):
        key = (form(body), length, _comparable(attrs))
        if key not in LOOPS and len(LOOPS) < MOST_LOOPS:
            LOOPS[key] = _compiled(body, length, attrs)
        run = LOOPS.get(key)
    if run is None:
        return SCAN.evaluate(*inputs, body=body, length=length, **attrs)
    with nested(), set_grad_enabled(False):
        return tuple([x.numpy() for x in run(*inputs)])


def _compiled(body: Subgraph, length: int, attrs: dict[str, Any]) -> Callable[..., Any]:
    from neurona.compiler import compile  # heavy, and seldom wanted

    return compile(lambda *inputs: apply_many(SCAN, *inputs, body=body, length=length, **attrs))


kernels[SCAN.name] = evaluated
