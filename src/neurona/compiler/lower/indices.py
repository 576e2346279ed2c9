"""Indices that depend on data: checked in the program, and named when a check has failed.

The program asks only whether all are in range. Which one is not is found out afterwards: what
leads to gathers, scatters and slices is evaluated again, in NumPy, until an op complains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.autodiff.branches import SWITCH
from neurona.autodiff.loops import LOOP
from neurona.autodiff.steps import SCAN, order_of
from neurona.compiler.ir.sizes import at, spelled, varies
from neurona.compiler.lower.prepare import number, op
from neurona.core.check import REQUIRE
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, NeuronaError
from neurona.core.node import Node
from neurona.core.op import INPUT, LEAF, Array, Spec, registry
from neurona.graph.order import rewrite, topological
from neurona.graph.passes import make

ROUNDS = 1000
"""Of loops that are walked again to find an index."""

BODIES = (SWITCH, LOOP, SCAN)

NAMING = frozenset(
    [
        "take", "take_along_axis", "scatter_add", "scatter_set", "add_along_axis", "dynamic_slice",
        "dynamic_update_slice", "require",
    ]
)  # fmt: skip
"""Ops that, evaluated, complain of a value and say where it stands."""


def index_checks(outputs: Sequence[Node]) -> list[tuple[Node, NeuronaError]]:
    """For every gather and scatter, a boolean that says whether all its indices are in range."""
    checks: list[tuple[Node, NeuronaError]] = []
    seen: set[tuple[int, int]] = set()
    for node in topological(outputs):
        for indices, axis in _indexed_axes(node):
            extent = node.inputs[0].shape[axis]
            if (id(indices), extent) in seen:
                continue
            seen.add((id(indices), extent))
            where = f" at {node.source[0]}:{node.source[1]}" if node.source else ""
            message = f"{node.op.name}{where}: an index is out of range for axis {axis} of shape "
            error = IndexOutOfRangeError(f"{message}{node.inputs[0].shape}")
            checks.append((_in_range(indices, extent), error))
    return checks


def _indexed_axes(node: Node) -> list[tuple[Node, int]]:
    """The indices of a gather or scatter, and the axis of its first input each counts along."""
    match node.op.name:
        case "take":
            return list(zip(node.inputs[1:], node.attrs["axes"], strict=True))
        case "scatter_add" | "scatter_set":
            return list(zip(node.inputs[2:], node.attrs["axes"], strict=True))
        case "take_along_axis":
            return [(node.inputs[1], node.attrs["axis"])]
        case "add_along_axis":
            return [(node.inputs[2], node.attrs["axis"])]
    return []


def _in_range(indices: Node, extent: int) -> Node:
    if varies(extent):
        indices = make(op("cast"), indices, dtype="int64")
    limits = np.iinfo(indices.dtype)
    ok = None
    if limits.max >= extent:
        ok = make(op("less"), indices, number(extent, indices.dtype))
    if limits.min < -extent:
        above = make(op("greater_equal"), indices, number(-extent, indices.dtype))
        ok = above if ok is None else make(op("bitwise_and"), ok, above)
    if ok is None:
        ok = make(op("equal"), indices, indices)
    return make(op("all"), ok, axis=tuple(range(len(ok.shape))), keepdims=False)


# --- naming the index ---


def named(
    error: NeuronaError,
    inputs: Sequence[Node],
    ends: Sequence[Node],
    arrays: Sequence[Array],
    n: int,
) -> NeuronaError:
    """The error of a failed check; if values are at fault, with the first one and its position.

    inputs, arrays: the graph's leaves and their values; ends: its outputs, beginning with the check
    unless it is one of the program's own. n: see `sizes`.
    """
    if isinstance(error, IndexOutOfRangeError | ArgumentError):
        ends = rewrite(ends, lambda node, new: _of_size(node, new, n))
        places = [x for x in topological(ends) if x.op.name in NAMING or x.op in BODIES]
        try:
            with np.errstate(all="ignore"):
                _evaluate(places, inputs, arrays)
        except (IndexOutOfRangeError, ArgumentError) as found:
            return type(found)(*found.args)
    return type(error)(*[spelled(str(part), n) for part in error.args])


def _of_size(node: Node, inputs: tuple[Node, ...], n: int) -> Node:
    """The node with numbers in place of its Sizes."""
    if node.op is INPUT or (node.inputs == inputs and not varies((node.shape, node.attrs))):
        return node
    spec = node.specs or Spec(at(node.shape, n), node.dtype)
    like = Node(node.op, inputs, at(node.attrs, n), spec)
    like.source = node.source
    return like


def _evaluate(
    ends: Sequence[Node], inputs: Sequence[Node], arrays: Sequence[Any]
) -> tuple[Any, ...] | None:
    """The values of `ends`; None if one depends on a user's own function, not to be called again.

    Raises `IndexOutOfRangeError` with the line of the op that finds an index out of range.
    """
    values: dict[int, Any] = {id(x): array for x, array in zip(inputs, arrays, strict=True)}
    known = registry()
    for node in topological(ends):
        if id(node) in values:
            continue
        given: list[Any] = [values.get(id(x)) for x in node.inputs]
        if node.value is not None:
            value: Any = node.array
        elif any(array is None for array in given):
            value = None
        elif node.op is SWITCH:
            branch = node.attrs["branches"][int(given[0])]
            value = _evaluate(branch.outputs, branch.inputs, given[1:])
        elif node.op is LOOP:
            value = _walk(node, given)
        elif node.op is SCAN:
            value = _step(node, given)
        else:
            reference = node.op in (LEAF, REQUIRE) or known.get(node.op.name) is node.op
            value = _reference(node, given) if reference else None
        values[id(node)] = value
    found = tuple(values[id(node)] for node in ends)
    return None if any(value is None for value in found) else found


def _walk(node: Node, arrays: list[Any]) -> tuple[Any, ...] | None:
    body, count = node.attrs["body"], len(node.specs or ())
    carry: tuple[Any, ...] | None = tuple(arrays[:count])
    for _ in range(ROUNDS):
        if carry is None or not all(carry[gate] for gate in node.attrs["gates"]):
            return carry
        carry = _evaluate(body.outputs, body.inputs, [*carry, *arrays[count:]])
    return None


def _step(node: Node, arrays: list[Any]) -> tuple[Any, ...] | None:
    attrs, body = node.attrs, node.attrs["body"]
    count, after = attrs["carries"], attrs["carries"] + attrs["scanned"]
    rows = len(body.outputs) - count
    carry = tuple(arrays[:count])
    stacks = [np.zeros(spec.shape, spec.dtype) for spec in (node.specs or ())[:rows]]
    for t in order_of(attrs["length"], attrs["reverse"])[:ROUNDS]:
        if not all(carry[gate] for gate in attrs["gates"]):
            break
        given = [*carry, *[x[t] for x in arrays[count:after]], *arrays[after:]]
        values = _evaluate(body.outputs, body.inputs, given)
        if values is None:
            return None
        for stack, row in zip(stacks, values, strict=False):
            stack[t] = row
        carry = values[rows:]
    return (*stacks, *carry)


def _reference(node: Node, arrays: list[Any]) -> Any:
    try:
        return np.asarray(node.op.evaluate(*arrays, **node.attrs), node.dtype)
    except IndexOutOfRangeError as error:
        if node.source is None:
            raise
        file, line = node.source
        text = str(error).replace(f"{node.op.name}:", f"{node.op.name} at {file}:{line}:", 1)
        raise IndexOutOfRangeError(text) from None
