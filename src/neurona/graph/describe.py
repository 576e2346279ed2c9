"""What a picture shows of each node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurona.autodiff.marks import ATTACH, BARRIER, IDENTITY
from neurona.core import dtypes
from neurona.core.node import Node
from neurona.core.op import CONSTANT, INPUT, LITERAL, Array
from neurona.graph.svg import Box

INFIX = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "divide": "/",
    "pow": "^",
    "matmul": "@",
    "remainder": "%",
    "floor_divide": "//",
    "equal": "=",
    "not_equal": "≠",
    "less": "<",
    "less_equal": "≤",
    "greater": ">",
    "greater_equal": "≥",
}
FEW = 3
"""Scalars and vectors of up to so many elements are shown by value, larger ones by shape."""


@dataclass
class Graph:
    """Nodes to draw, and by node id what is known of them."""

    ends: list[Node]
    names: dict[int, str]
    parameters: set[int]
    values: dict[int, Array]
    slopes: dict[int, Array | None]


def describe(graph: Graph) -> tuple[list[Box], list[tuple[int, int]]]:
    """A box for every node drawn, each after its inputs, and the arrows as positions of boxes."""
    number: dict[int, int] = {}
    boxes: list[Box] = []
    edges: list[tuple[int, int]] = []
    results = {id(_shown(end)) for end in graph.ends}
    for node in drawn(graph.ends):
        here = number[id(node)] = len(boxes)
        boxes.append(_box(node, graph, id(node) in results))
        edges += [(number[id(x)], here) for x in _sources(node)]
    return boxes, edges


def _shown(node: Node) -> Node:
    """The node itself, or what a mark that changes nothing stands for."""
    while node.op in (IDENTITY, BARRIER) and node.inputs:
        node = node.inputs[0]
    return node


def _sources(node: Node) -> list[Node]:
    """The nodes an arrow leads from: numbers stand in the box itself."""
    inputs = node.inputs
    if node.op is ATTACH and inputs:
        # A user's operation or a checkpoint: its inputs, not what it saved on the way.
        inputs = tuple(
            x for x in inputs[1].inputs if x.requires_grad or _shown(x).op in (INPUT, CONSTANT)
        )
    shown = [_shown(x) for x in inputs]
    return [x for x in shown if x.op is not LITERAL]


def drawn(ends: list[Node]) -> list[Node]:
    """The nodes that get a box, each after its inputs."""
    order: list[Node] = []
    seen: set[int] = set()
    stack = [(_shown(end), False) for end in reversed(ends)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(x, False) for x in reversed(_sources(node)) if id(x) not in seen]
    return order


def _box(node: Node, graph: Graph, result: bool) -> Box:
    if id(node) in graph.parameters:
        kind, title = "parameter", graph.names.get(id(node), "parameter")
    elif not node.inputs and node.op in (INPUT, CONSTANT):
        kind, title = "input", graph.names.get(id(node), "input")
    elif node.op is LITERAL:
        kind, title = "constant", "constant"
    elif not node.inputs and node.trace is None:
        # Computed where no derivative was wanted, so what came before is not kept.
        kind, title = "input", graph.names.get(id(node), node.op.name)
    else:
        kind, title = "operation", _operation(node)
        if id(node) in graph.names:
            title = f"{graph.names[id(node)]}: {title}"
    value = graph.values.get(id(node))
    slope = ""
    if id(node) in graph.slopes:
        found = graph.slopes[id(node)]
        slope = "∇ 0" if found is None else _slope(found)
    return Box(
        "result" if result and kind == "operation" else kind,
        title,
        _detail(node, value),
        slope,
        _hint(node, value),
    )


def _operation(node: Node) -> str:
    """The op's name; numbers among its operands are written in, other operands as dots."""
    if node.op is ATTACH and node.inputs:
        return node.inputs[1].op.name
    name = node.op.name
    inputs = [_shown(x) for x in node.inputs]
    if any(x.op is LITERAL for x in inputs):
        operands = [_number(x.array.item()) if x.op is LITERAL else "·" for x in inputs]
        if name in INFIX and len(operands) == 2:
            return f"{operands[0]} {INFIX[name]} {operands[1]}"
        return f"{name}({', '.join(operands)})"
    for key in ("axis", "axes"):
        chosen = node.attrs.get(key)
        if chosen is not None and _says_something(node, chosen):
            listed = ", ".join(map(str, chosen)) if isinstance(chosen, (tuple, list)) else chosen
            return f"{name} {key} {listed}"
    if name == "cast":
        return f"cast {node.dtype}"
    return name


def _says_something(node: Node, chosen: Any) -> bool:
    every = tuple(range(len(node.inputs[0].shape))) if node.inputs else ()
    return not isinstance(chosen, (tuple, list)) or tuple(chosen) != every


def _detail(node: Node, value: Array | None) -> str:
    if node.specs is not None:
        return f"{len(node.specs)} results"
    shown = str(node.shape) if value is None or not _few(value) else _numbers(value)
    return shown if dtypes.is_float(node.dtype) else f"{shown} {node.dtype}"


def _slope(slope: Array) -> str:
    if _few(slope):
        return f"∇ {_numbers(slope)}"
    return f"‖∇‖ {_number(float(np.linalg.norm(slope.astype(np.float64))))}"


def _few(value: Array) -> bool:
    return value.ndim < 2 and 0 < value.size <= FEW


def _numbers(value: Array) -> str:
    if not value.ndim:
        return _number(value.item())
    return "[" + ", ".join(_numbers(part) for part in value) + "]"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, bool) else f"{value:.4g}".replace("-", "−")


def _hint(node: Node, value: Array | None) -> str:
    parts = [f"{node.op.name}: {node.dtype} {node.shape}"]
    parts += [f"{key}={found!r}" for key, found in node.attrs.items()]
    if value is not None and value.size > FEW and dtypes.is_numeric(node.dtype):
        parts.append(f"from {_number(value.min().item())} to {_number(value.max().item())}")
    if node.source is not None:
        parts.append(f"{Path(node.source[0]).name}:{node.source[1]}")
    return "; ".join(parts)
