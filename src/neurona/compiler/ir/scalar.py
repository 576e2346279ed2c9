"""The scalar language: what one element of a result is.

An expression is an immutable tree with a dtype:

    expr  :=  Constant(value)  |  Variable(name)  |  Load(buffer, offset)  |  Call(function, args)
           |  Lookup(table, index)

`Variable` is a loop counter (int64) or an accumulator's final value; `Load` reads element `offset`
(an int64 expression) of a kernel's buffer; the functions are those of `functions`;
`Lookup` is one of 16 float32 constants, which the low four bits of an int32 expression choose.
Equal expressions are one object (`Builder` interns them), so common subexpressions cost nothing.
Half-precision floats are a storage format here: they are loaded as float32 and rounded when stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.compiler.ir.sizes import NotAffine, Size, varies
from neurona.core import dtypes
from neurona.core.dtypes import DType

INDEX = dtypes.int64
COMPARISONS = frozenset(["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"])
PREDICATES = COMPARISONS | {"isnan", "isinf", "isfinite", "signbit", "unordered"}
_BITS = {
    ("bits", 4): dtypes.int32, ("bits", 8): dtypes.int64,
    ("from_bits", 4): dtypes.float32, ("from_bits", 8): dtypes.float64,
}  # fmt: skip


class Expr:
    """A scalar value of `dtype`; Python's operators build larger ones."""

    __slots__ = ("args", "dtype", "head", "k", "payload")

    def __init__(
        self, k: Builder, head: str, payload: Any, args: tuple[Expr, ...], dtype: DType
    ) -> None:
        self.k = k
        self.head = head
        self.payload = payload
        self.args = args
        self.dtype = dtype

    def _with(self, name: str, other: Any, *, swap: bool = False) -> Expr:
        right = self.k.lift(other, self.dtype)
        return self.k.call(name, right, self) if swap else self.k.call(name, self, right)

    def __add__(self, other: Any) -> Expr:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Expr:
        return self._with("add", other, swap=True)

    def __sub__(self, other: Any) -> Expr:
        return self._with("subtract", other)

    def __rsub__(self, other: Any) -> Expr:
        return self._with("subtract", other, swap=True)

    def __mul__(self, other: Any) -> Expr:
        return self._with("multiply", other)

    def __rmul__(self, other: Any) -> Expr:
        return self._with("multiply", other, swap=True)

    def __truediv__(self, other: Any) -> Expr:
        return self._with("divide", other)

    def __rtruediv__(self, other: Any) -> Expr:
        return self._with("divide", other, swap=True)

    def __floordiv__(self, other: Any) -> Expr:
        return self._with("floor_divide", other)

    def __mod__(self, other: Any) -> Expr:
        return self._with("remainder", other)

    def __and__(self, other: Any) -> Expr:
        return self._with("bitwise_and", other)

    def __or__(self, other: Any) -> Expr:
        return self._with("bitwise_or", other)

    def __xor__(self, other: Any) -> Expr:
        return self._with("bitwise_xor", other)

    def __lshift__(self, other: Any) -> Expr:
        return self._with("bitwise_left_shift", other)

    def __rshift__(self, other: Any) -> Expr:
        return self._with("bitwise_right_shift", other)

    def __invert__(self) -> Expr:
        return self.k.call("bitwise_invert", self)

    def __neg__(self) -> Expr:
        return self.k.call("negative", self)

    def __lt__(self, other: Any) -> Expr:
        return self._with("less", other)

    def __le__(self, other: Any) -> Expr:
        return self._with("less_equal", other)

    def __gt__(self, other: Any) -> Expr:
        return self._with("greater", other)

    def __ge__(self, other: Any) -> Expr:
        return self._with("greater_equal", other)

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return self._with("equal", other)

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return self._with("not_equal", other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        parts, (text,) = spell([self])
        return "; ".join([text, *parts])


SHARED, LONG = 40, 200
"""Characters from which a part used several times, and any part, is spelled on its own."""


def spell(roots: Sequence[Expr]) -> tuple[list[str], list[str]]:
    """The expressions as text: definitions "t0 = …" of their parts, and one text a root."""
    order: list[Expr] = []
    uses: dict[int, int] = {}
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        expr, done = stack.pop()
        if done:
            order.append(expr)
            continue
        uses[id(expr)] = uses.get(id(expr), 0) + 1
        if uses[id(expr)] == 1:
            stack.append((expr, True))
            stack += [(arg, False) for arg in reversed(expr.args)]
    definitions: list[str] = []
    texts: dict[int, str] = {}
    final = {id(root) for root in roots}
    for expr in order:
        text = _spell_one(expr, [texts[id(arg)] for arg in expr.args])
        if len(text) > (SHARED if uses[id(expr)] > 1 else LONG) and id(expr) not in final:
            definitions.append(f"t{len(definitions)} = {text}")
            text = f"t{len(definitions) - 1}"
        texts[id(expr)] = text
    return definitions, [texts[id(root)] for root in roots]


def _spell_one(expr: Expr, args: list[str]) -> str:
    match expr.head:
        case "constant":
            return repr(expr.payload)
        case "variable":
            return str(expr.payload)
        case "load":
            return f"{expr.payload}[{args[0]}]"
        case "lookup":
            return f"({expr.payload[0]:.4g}, …, {expr.payload[-1]:.4g})[{args[0]} % 16]"
    dtype = f":{expr.dtype}" if expr.payload == "cast" else ""
    return f"{expr.payload}({', '.join(args)}){dtype}"


def compute_dtype(dtype: DType) -> DType:
    """The dtype in which values of `dtype` are computed."""
    return dtypes.float32 if dtype in (dtypes.float16, dtypes.bfloat16) else dtype


class Builder:
    """Makes expressions of one kernel; the `k` of the ops' lowerings."""

    def __init__(self) -> None:
        self._interned: dict[Any, Expr] = {}

    def _make(self, head: str, payload: Any, args: tuple[Expr, ...], dtype: DType) -> Expr:
        # repr tells −0.0 from 0.0 and 1 from True, and makes NaN equal to itself.
        key = (head, repr(payload), tuple(map(id, args)), dtype)
        found = self._interned.get(key)
        if found is None:
            found = self._interned[key] = Expr(self, head, payload, args, dtype)
        return found

    def remake(self, expr: Expr, args: tuple[Expr, ...]) -> Expr:
        """The expression with other parts."""
        return self._make(expr.head, expr.payload, args, expr.dtype)

    def constant(self, value: Any, dtype: DType) -> Expr:
        kind = compute_dtype(dtype)
        if isinstance(value, Size):
            return self.cast(self._make("constant", value, (), INDEX), dtype)
        number: Any = dtypes.convert(np.asarray(value), dtype).astype(kind).item()
        return self._make("constant", number, (), kind)

    def variable(self, name: str, dtype: DType = INDEX) -> Expr:
        return self._make("variable", name, (), compute_dtype(dtype))

    def load(self, buffer: str, offset: Expr, dtype: DType) -> Expr:
        # The buffer's own dtype is in the kernel's signature.
        return self._make("load", buffer, (offset,), compute_dtype(dtype))

    def lookup(self, index: Expr, table: tuple[float, ...]) -> Expr:
        return self._make("lookup", table, (index,), dtypes.float32)

    def lift(self, value: Any, dtype: DType) -> Expr:
        return value if isinstance(value, Expr) else self.constant(value, dtype)

    def cast(self, value: Any, dtype: DType) -> Expr:
        x = self.lift(value, dtype)
        if dtype in (dtypes.float16, dtypes.bfloat16):
            # A cast to half precision rounds; the result goes on as float32.
            return self._make(
                "call", f"round_{dtype.name}", (self.cast(x, dtypes.float32),), dtypes.float32
            )
        if x.dtype == dtype:
            return x
        if x.head == "constant" and not isinstance(x.payload, Size):
            return self.constant(x.payload, dtype)
        return self._make("call", "cast", (x,), dtype)

    def where(self, condition: Expr, a: Any, b: Any) -> Expr:
        dtype = a.dtype if isinstance(a, Expr) else b.dtype
        if condition.head == "constant":
            return self.lift(a if condition.payload else b, dtype)
        x, y = self.lift(a, dtype), self.lift(b, dtype)
        return x if x is y else self._make("call", "where", (condition, x, y), dtype)

    def minimum(self, a: Any, b: Any) -> Expr:
        return self._pair("minimum", a, b)

    def maximum(self, a: Any, b: Any) -> Expr:
        return self._pair("maximum", a, b)

    def _pair(self, name: str, a: Any, b: Any) -> Expr:
        dtype = a.dtype if isinstance(a, Expr) else b.dtype if isinstance(b, Expr) else INDEX
        return self.call(name, self.lift(a, dtype), self.lift(b, dtype))

    def call(self, name: str, *args: Expr) -> Expr:
        """`name` of values of one dtype; integer arithmetic on constants is done at once."""
        operand = args[0].dtype
        dtype = dtypes.bool_ if name in PREDICATES else operand
        dtype = _BITS.get((name, operand.itemsize), dtype)
        simple = _simplify(self, name, args) if dtypes.is_integer(operand) else None
        return self._make("call", name, args, dtype) if simple is None else simple


def _simplify(k: Builder, name: str, args: tuple[Expr, ...]) -> Expr | None:
    """Index arithmetic without its ballast; None if there is nothing to gain."""
    if len(args) != 2 or args[0].dtype != INDEX:
        return None
    a, b = args
    x, y = (arg.payload if arg.head == "constant" else None for arg in args)
    if x is not None and y is not None:
        known = _index_arithmetic(k, name, x, y)
        if known is not None:
            return known
    if (name == "add" and x == 0) or (name == "multiply" and x == 1):
        return b
    if (name in ("add", "subtract") and y == 0) or (
        name in ("multiply", "floor_divide") and y == 1
    ):
        return a
    if (name == "multiply" and 0 in (x, y)) or (name == "remainder" and y == 1):
        return k.constant(0, INDEX)
    return None


def _index_arithmetic(k: Builder, name: str, x: int, y: int) -> Expr | None:
    """What two constants come to; None where that is known at run time only."""
    try:
        match name:
            case "add":
                return k.constant(x + y, INDEX)
            case "subtract":
                return k.constant(x - y, INDEX)
            case "multiply":
                return k.constant(x * y, INDEX)
            case "floor_divide" if y > 0:
                return k.constant(x // y, INDEX)
            case "remainder" if y > 0:
                return k.constant(x % y, INDEX)
    except NotAffine:
        return None
    if name in COMPARISONS and not varies((x, y)):
        return k.constant(bool(getattr(np, name)(x, y)), dtypes.bool_)
    return None
