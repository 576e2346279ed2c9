"""Which axis lies innermost in memory around convolutions.

Convolutions want the channels innermost. What follows one, elementwise, over windows or as a
reduction, is computed on arrays with that order of axes too, so that axes are exchanged only where
a chain begins or ends. A value's `form` names the order ("channels last" …); None is the order in
which it was written.
"""

from __future__ import annotations

from collections.abc import Sequence

from neurona.compiler.ir.sizes import plain
from neurona.compiler.lower.depthwise import depthwise, is_depthwise
from neurona.compiler.lower.prepare import op
from neurona.core.lowering import Convolution, Elementwise, Reduction
from neurona.core.node import Node
from neurona.core.op import LITERAL
from neurona.graph.order import topological, with_inputs
from neurona.graph.passes import make

Form = str | None
CHANNELS, BATCH = "channels last", "batch last"
FEW_CHANNELS = 16
"""Channels up to which they would leave vectors empty that a batch of MANY_SAMPLES fills."""
MANY_SAMPLES = 16
ROW_OF_PIXELS = 6
"""Pixels in a row from which tiles of rows, and what can be done with them at once, are better
than a product of all pixels."""

BY_AXIS = {
    "window_max": ("window", "strides", "padding", "dilation"),
    "window_argmax": ("window", "strides", "padding", "dilation"),
    "window_pick": ("window", "strides", "padding", "dilation"),
    "window_put": ("window", "strides", "padding", "dilation", "shape"),
    "window_sum": ("window", "strides", "padding", "dilation"),
    "window_spread": ("window", "strides", "padding", "dilation", "shape"),
    "pad": ("low", "high", "interior"),
    "slice": ("start", "size", "step"),
}
"""Ops whose attributes have an entry for each axis."""


def arranged(outputs: Sequence[Node]) -> list[Node]:
    """The graph with convolutions, and what is around them, in the order that suits them."""
    order = topological(outputs)
    if not any(isinstance(node.op.lower, Convolution) for node in order):
        return list(outputs)
    arrangement = Arrangement(forms_of(order))
    for node in order:
        arrangement.place(node)
    return [arrangement.version(node, None) for node in outputs]


def axes_of(form: Form, ndim: int) -> tuple[int, ...]:
    """The axes of a value in the order in which its form has them."""
    if form == CHANNELS:
        return (0, *range(2, ndim), 1)
    if form == BATCH:
        return (1, *range(2, ndim), 0)
    return tuple(range(ndim))


def convolution_form(node: Node) -> Form:
    """The order of axes in which a convolution is computed; None where it has one already."""
    if node.attrs["layout"] != "channels first":
        return None
    first, second = node.inputs
    w = node if node.op.name == "conv_weight_gradient" else second
    few = max(w.shape[0], w.shape[1] * node.attrs["groups"]) <= FEW_CHANNELS
    return BATCH if few and plain(first.shape[0]) >= MANY_SAMPLES else CHANNELS


def forms_of(order: Sequence[Node]) -> dict[int, Form]:
    """The form of every node."""
    forms: dict[int, Form] = {}
    for node in order:
        lower = node.op.lower
        forms[id(node)] = None
        if isinstance(lower, Convolution):
            forms[id(node)] = convolution_form(node) if lower.by != "w" else None
        elif isinstance(lower, Elementwise) or node.op.name in BY_AXIS or node.op.name == "concat":
            near = [forms[id(x)] for x in node.inputs if len(x.shape) == len(node.shape)]
            forms[id(node)] = next((form for form in near if form), None)
    users: dict[int, list[Node]] = {}
    for node in order:
        for x in node.inputs:
            users.setdefault(id(x), []).append(node)
    for node in reversed(order):
        # What only such values are made of is made in their order at once.
        if forms[id(node)] is None and isinstance(node.op.lower, Elementwise):
            wanted = {_wanted(user, forms) for user in users.get(id(node), ())}
            same = all(len(user.shape) == len(node.shape) for user in users.get(id(node), ()))
            if len(wanted) == 1 and same and node.shape:
                forms[id(node)] = wanted.pop()
    return forms


def _wanted(user: Node, forms: dict[int, Form]) -> Form:
    return convolution_form(user) if isinstance(user.op.lower, Convolution) else forms[id(user)]


class Arrangement:
    """The nodes of the new graph by those of the old one."""

    def __init__(self, forms: dict[int, Form]) -> None:
        self.forms = forms
        self.versions: dict[tuple[int, Form], Node] = {}

    def version(self, node: Node, form: Form) -> Node:
        """The node's value in a form."""
        key = id(node), form
        if key not in self.versions:
            mine = self.forms[id(node)]
            ndim = len(node.shape)
            there, here = axes_of(mine, ndim), axes_of(form, ndim)
            axes = tuple(there.index(axis) for axis in here)
            self.versions[key] = permuted(self.versions[id(node), mine], axes)
        return self.versions[key]

    def place(self, node: Node) -> None:
        """Enter the node of the new graph for one whose inputs have been."""
        form = self.forms[id(node)]
        lower = node.op.lower
        if isinstance(lower, Convolution):
            made = self.convolution(node, lower)
        elif form is not None and node.op.name in BY_AXIS:
            made = self.by_axis(node, form)
        elif form is not None and node.op.name == "concat":
            axis = axes_of(form, len(node.shape)).index(node.attrs["axis"])
            inputs = [self.version(x, form) for x in node.inputs]
            made = make(node.op, *inputs, axis=axis)
        elif form is not None:
            inputs = [self.operand(x, form, len(node.shape)) for x in node.inputs]
            made = make(node.op, *inputs, **node.attrs)
        elif isinstance(lower, Reduction) and self.forms[id(node.inputs[0])]:
            made = self.reduction(node)
        elif node.op.name == "permute_dims":
            made = permuted(self.version(node.inputs[0], None), node.attrs["axes"])
        else:
            made = with_inputs(node, tuple(self.version(x, None) for x in node.inputs))
        if made.source is None:
            made.source = node.source
        self.versions[id(node), form] = made

    def operand(self, x: Node, form: Form, ndim: int) -> Node:
        """An input that may have fewer axes than the result."""
        if x.op is LITERAL or not x.shape:
            return self.version(x, None)
        if len(x.shape) == ndim:
            return self.version(x, form)
        full = (*[1] * (ndim - len(x.shape)), *x.shape)
        return permuted(make(op("reshape"), self.version(x, None), shape=full), axes_of(form, ndim))

    def by_axis(self, node: Node, form: Form) -> Node:
        axes = axes_of(form, len(node.shape))
        attrs = dict(node.attrs)
        for name in BY_AXIS[node.op.name]:
            attrs[name] = tuple(attrs[name][axis] for axis in axes)
        return make(node.op, *[self.version(x, form) for x in node.inputs], **attrs)

    def reduction(self, node: Node) -> Node:
        x = node.inputs[0]
        form, ndim = self.forms[id(x)], len(x.shape)
        axes = axes_of(form, ndim)
        folded = [axis % ndim for axis in node.attrs["axis"]]
        attrs = dict(node.attrs, axis=tuple(sorted(axes.index(axis) for axis in folded)))
        made = make(node.op, self.version(x, form), **attrs)
        left = [a for a in axes if node.attrs["keepdims"] or a not in folded]
        back = tuple(left.index(axis) for axis in sorted(left))
        return made if back == tuple(range(len(back))) else permuted(made, back)

    def convolution(self, node: Node, lower: Convolution) -> Node:
        form = convolution_form(node)
        first, second = node.inputs
        inputs = [
            self.version(first, form),
            self.version(second, form if lower.by == "w" else None),
        ]
        if 0 in (*first.shape, *second.shape) and 0 not in node.shape:
            shape = tuple(node.shape[a] for a in axes_of(form, len(node.shape)))
            shape = node.shape if lower.by == "w" else shape
            return make(op("full"), shape=shape, value=0, dtype=node.dtype.name)
        attrs = dict(node.attrs, layout=form or node.attrs["layout"])
        if attrs["layout"] == CHANNELS:
            if lower.by != "w" and is_depthwise(node, second):
                return depthwise(node, lower, *inputs)
            product = _as_product(node, lower, *inputs)
            if product is not None:
                return product
        return make(node.op, *inputs, **attrs)


def permuted(x: Node, axes: tuple[int, ...]) -> Node:
    """x with its axes in another order; of a permuted x, that of what it was made from."""
    if axes == tuple(range(len(axes))):
        return x
    if x.op.name == "permute_dims":
        axes = tuple(x.attrs["axes"][axis] for axis in axes)
        x = x.inputs[0]
    elif axes == axes_of(BATCH, len(axes)) and _is_unflattened(x):
        # So that a product may be computed the other way round.
        rows = make(op("permute_dims"), x.inputs[0], axes=(1, 0))
        return make(op("reshape"), rows, shape=(*x.shape[1:], x.shape[0]))
    return x if axes == tuple(range(len(axes))) else make(op("permute_dims"), x, axes=axes)


def _is_unflattened(x: Node) -> bool:
    """Whether it is a matrix whose rows got axes: samples by features."""
    return x.op.name == "reshape" and x.inputs[0].shape[:-1] == x.shape[:1]


def _as_product(node: Node, lower: Convolution, first: Node, second: Node) -> Node | None:
    """A convolution of single taps, channels last, as a matrix product of pixels and channels."""
    attrs = node.attrs
    kernel = attrs["kernel"] if lower.by == "w" else second.shape[2:]
    plain = set(kernel) | set(attrs["strides"]) | {attrs["groups"]} == {1}
    if not plain or any(map(any, attrs["padding"])):
        return None
    if lower.by != "w" and first.shape[-2] >= ROW_OF_PIXELS:
        return None
    reshape, matmul = op("reshape"), op("matmul")

    def matrix(x: Node) -> Node:
        pixels = 1
        for extent in x.shape[:-1]:
            pixels = extent * pixels
        return make(reshape, x, shape=(pixels, x.shape[-1]))

    if lower.by == "w":
        product = make(matmul, permuted(matrix(second), (1, 0)), matrix(first))
        return make(reshape, product, shape=node.shape)
    weights = make(reshape, second, shape=second.shape[:2])
    if lower.by == "y":
        weights = permuted(weights, (1, 0))
    product = make(matmul, matrix(first), weights)
    return make(reshape, product, shape=(*first.shape[:-1], weights.shape[1]))
