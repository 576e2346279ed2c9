"""How an op presents itself to the compiler: the `lower` facet of `neurona.core.op.Op`.

A lowering is data. The compiler decides loops, fusion and layout; an op only says what one
element of its result is. The scalar language that `emit`, `at` and `index` functions speak is
handed to them as `k` (`neurona.compiler.ir.scalar`), so that ops need not import the compiler:
`k.call(name, *values)`, `k.where(condition, a, b)`, `k.cast(value, dtype)`, `k.constant(value,
dtype)`; values and indices also take Python's arithmetic, comparison and bit operators.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Index = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Elementwise:
    """`emit(k, *values, **attrs)` is an element from the inputs' elements at the same place.

    Inputs broadcast against the result. `dear` marks expressions worth storing rather than
    computing twice.
    """

    emit: Callable[..., Any]
    dear: bool = False


@dataclass(frozen=True, eq=False)
class Indexed:
    """`at(k, index, *inputs, **attrs)` is the element at `index`; `input[index]` reads an input.

    Each input also has `shape` and `dtype`.
    """

    at: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class View:
    """`index(k, out_index, in_shape, **attrs)` says which input element shows at `out_index`."""

    index: Callable[..., Index]


@dataclass(frozen=True, eq=False)
class Reshape:
    """The same elements in the same row-major order under another shape."""


@dataclass(frozen=True, eq=False)
class Reduction:
    """`combine` over the axes in `attrs["axis"]`, from `initial(dtype)`; associative."""

    combine: str
    initial: Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Scatter:
    """`inputs[0]`, with the elements of `inputs[1]` put or added where they belong, in order.

    `target(k, index, base, *indices, **attrs)` is the place in the base for the update at `index`;
    `combine` (element there so far, update) is "add", or None where the update stays.
    """

    target: Callable[..., Index]
    combine: str | None = None


@dataclass(frozen=True, eq=False)
class Scan:
    """Every state on the way along `attrs["axis"]`, from the end if `attrs["reverse"]`.

    `step(k, state, *values)` is the next state from the last and the inputs' elements there; the
    first is made from `start`. Half precision keeps its state in float32.
    """

    step: Callable[..., Any]
    start: float


@dataclass(frozen=True, eq=False)
class Sort:
    """The indices that sort the input along `attrs["axis"]`, equal elements in their order.

    From the greatest down if `attrs["descending"]`; NaN counts as greatest.
    """


@dataclass(frozen=True, eq=False)
class Contraction:
    """Batched matrix product of (..., m, k) and (..., k, n)."""


@dataclass(frozen=True, eq=False)
class Convolution:
    """The derivative of Σ y·w·x over all places (see `neurona.ops.convolution`) by one of them.

    by: "y", the convolution of x and w; "x", from y and w; "w", from x and y.
    """

    by: str


@dataclass(frozen=True, eq=False)
class Attention:
    """Attention (see `neurona.ops.attention`), or its gradient.

    by: "y", the results and their log-sum-exps; "qkv", the gradients of all three operands.
    """

    by: str


Lowering = (
    Elementwise
    | Indexed
    | View
    | Reshape
    | Reduction
    | Scatter
    | Scan
    | Sort
    | Contraction
    | Convolution
    | Attention
)
