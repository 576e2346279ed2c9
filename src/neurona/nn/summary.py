"""The table of a network's layers: output shapes, parameters, floating-point operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurona.core.dtypes import DType, is_float
from neurona.core.errors import ArgumentError
from neurona.core.lowering import Attention, Contraction, Convolution, Elementwise, Reduction
from neurona.core.node import Node
from neurona.core.op import Shape, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording, set_grad_enabled
from neurona.nn.running import RUNNING
from neurona.ops.attention import pairs
from neurona.ops.operand import operand

if TYPE_CHECKING:
    from neurona.nn.module import Module


WINDOWS = ("window_max", "window_sum")
"""The ops whose outputs are each made of the elements of a window."""


@dataclass(frozen=True)
class Row:
    """One call of one module. `flops` includes what the modules inside did."""

    path: str
    kind: str
    output: tuple[Shape, ...]
    parameters: int
    flops: int


@dataclass(frozen=True)
class Summary:
    """What `Module.summary` returns; printing it shows the table.

    rows: one a call, innermost first, the whole network last.
    parameters, trainable, buffers: how many numbers the network has, each counted once.
    flops: floating-point operations of one forward pass: 2·m·n·k for a matrix product, 2·outputs·
        weights of an output for a convolution, one an element (of the windows of a pooling layer)
        for other arithmetic and every function, none for moving data.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    buffers: int
    flops: int

    def __str__(self) -> str:
        table = [("layer", "kind", "output", "parameters", "FLOP")]
        for row in self.rows:
            output = " ".join(str(shape) for shape in row.output)
            table.append((row.path, row.kind, output, f"{row.parameters:,}", f"{row.flops:,}"))
        widths = [max(len(line[i]) for line in table) for i in range(5)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in table
        )


def summarize(module: Module, examples: Sequence[Any], dtype: DType) -> Summary:
    """See `Module.summary`."""
    if not examples:
        raise ArgumentError(
            f"{type(module).__name__}.summary: give the shape of the input, as in "
            "summary((1, 784)); the first axis is the batch"
        )
    rows: list[Row] = []
    seen: set[int] = set()
    totals: dict[str, int] = {}

    def observe(layer: Module, path: str, _: tuple[Any, ...], output: Any) -> None:
        tensors = _tensors(output)
        done = sum(_flops(node) for node in _new_nodes(tensors, seen))
        for outer in RUNNING.stack:
            key = _key(outer)
            totals[key] = totals.get(key, 0) + done
        parameters = sum(parameter.size for parameter in layer.parameters())
        shapes = tuple(tensor.shape for tensor in tensors)
        kind = type(layer).__name__
        rows.append(Row(path, kind, shapes, parameters, totals.pop(_key(layer))))

    before = RUNNING.observer
    RUNNING.observer = observe
    try:
        with recording() as trace, set_grad_enabled(False):
            specs = [_spec(example, dtype) for example in examples]
            module(*[Tensor(trace.input(spec)) for spec in specs])
    finally:
        RUNNING.observer = before
    return Summary(
        tuple(rows),
        parameters=sum(parameter.size for parameter in module.parameters()),
        trainable=sum(p.size for p in module.parameters() if p.requires_grad),
        buffers=sum(buffer.size for buffer in module.buffers()),
        flops=rows[-1].flops,
    )


def _key(layer: Module) -> str:
    return f"{id(layer)}"


def _spec(example: Any, dtype: DType) -> Spec:
    if isinstance(example, tuple) and all(isinstance(extent, int) for extent in example):
        return Spec(example, dtype)
    tensor = operand(example)
    return Spec(tensor.shape, tensor.dtype)


def _tensors(output: Any) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [tensor for part in output for tensor in _tensors(part)]
    return []


def _new_nodes(tensors: Sequence[Tensor], seen: set[int]) -> list[Node]:
    """The nodes behind the tensors that are not in `seen` yet; they are entered there."""
    new: list[Node] = []
    stack = [tensor._node for tensor in tensors]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            new.append(node)
            stack.extend(node.inputs)
    return new


def _flops(node: Node) -> int:
    size = math.prod(node.shape)
    match node.op.lower:
        case Contraction():
            return 2 * size * node.inputs[0].shape[-1]
        case Convolution(by="w"):
            return 2 * math.prod(node.inputs[1].shape) * math.prod(node.shape[1:])
        case Convolution(by=by):
            places = node if by == "y" else node.inputs[0]
            return 2 * math.prod(places.shape) * math.prod(node.inputs[1].shape[1:])
        case Attention(by="y"):
            (batch, queries, heads, width), (_, keys, _, value_width) = (
                node.inputs[0].shape,
                node.inputs[2].shape,
            )
            met = pairs(queries, keys, node.attrs["causal"])
            return 2 * batch * heads * met * (width + value_width)
        case Elementwise() if is_float(node.dtype) and node.op.name != "cast":
            return size
        case Reduction():
            return math.prod(node.inputs[0].shape)
    if node.op.name == "attention":
        query, key, value = (one.shape for one in node.inputs[:3])  # (batch, time, heads, width)
        return 2 * math.prod(query[:3]) * key[1] * (query[3] + value[3])
    if node.op.name == "scan":
        inside: int = node.attrs["length"] * sum(_flops(one) for one in node.attrs["body"].nodes)
        return inside
    if node.op.name in WINDOWS and is_float(node.dtype):
        window: tuple[int, ...] = node.attrs["window"]
        return size * math.prod(window)
    return 0
