"""Operations written by the user: `Function` in tensor ops, `numpy_function` in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from neurona.autodiff.marks import ATTACH, STOP_GRADIENT, tie, token
from neurona.autodiff.reverse import zeros
from neurona.core.apply import TAKE_RESULT, apply, apply_many
from neurona.core.dtypes import as_dtype, is_float
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Array, Op, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, nested, no_grad
from neurona.ops.operand import as_shape, operand


class Context:
    """What `forward` leaves for `backward`: tensors by `save`, anything else as attributes."""

    def __init__(self) -> None:
        self._saved: tuple[Tensor, ...] = ()

    def save(self, *tensors: Tensor) -> None:
        """Keep tensors for `backward`, where `saved` has them. Once in a `forward`."""
        self._saved = tensors

    @property
    def saved(self) -> tuple[Tensor, ...]:
        """The tensors that `forward` saved."""
        return self._saved

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            raise ArgumentError(
                f"ctx.{name}: tensors are kept with ctx.save(…), so that they can be differentiated"
            )
        object.__setattr__(self, name, value)


class Function:
    """An operation with a derivative of its own: subclass it and call `apply`.

    forward(ctx, *tensors, **options): the result, or a tuple of them, in tensor ops; they are not
        differentiated. backward(ctx, *cotangents): one cotangent an input, in tensor ops, None for
        none. Cotangents that nobody gave are zeros.

    Higher derivatives are those of the ops in `backward`. There, saved inputs and results are
    known as functions of the inputs. What else `forward` computed is not: a second derivative
    through it raises `ArgumentError`.

    >>> import neurona as ne
    >>> class Multiply(ne.Function):
    ...     @staticmethod
    ...     def forward(ctx, x, y):
    ...         ctx.save(x, y)
    ...         return x * y
    ...
    ...     @staticmethod
    ...     def backward(ctx, dz):
    ...         x, y = ctx.saved
    ...         return dz * y, dz * x
    >>> ne.grad(Multiply.apply, argnums=(0, 1))(4.0, -3.0)
    (Tensor(-3., dtype=float32), Tensor(4., dtype=float32))
    """

    @staticmethod
    def forward(ctx: Any, *tensors: Any, **options: Any) -> Any:
        raise NotImplementedError("a Function needs the static method forward(ctx, *tensors)")

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        raise NotImplementedError("a Function needs the static method backward(ctx, *cotangents)")

    @classmethod
    def apply(cls, *tensors: Any, **options: Any) -> Any:
        """The operation on tensors (arrays and numbers become tensors); options by keyword.

        Raises `ShapeError` or `DTypeError` when a cotangent from `backward` does not fit its input.
        """
        ctx = Context()
        # Handles of its own: what `forward` does to them in place stays in there.
        inputs = [Tensor(operand(x)._resolve(STATE.trace)) for x in tensors]
        with no_grad():
            outcome = cls.forward(ctx, *[Tensor(x._node) for x in inputs], **options)
        results = _several(outcome)
        for result in results:
            if not isinstance(result, Tensor):
                raise ArgumentError(f"{cls.__name__}.forward returned {result!r}, not a tensor")
        op, more = _reverse_rule(cls, ctx, inputs, results)
        tied = tie(results, op, *inputs, *more)
        return tuple(tied) if isinstance(outcome, (tuple, list)) else tied[0]


class _Place(NamedTuple):
    """Where a saved tensor is found again: among what the token op takes; as which result."""

    at: int
    result: int | None


def _reverse_rule(
    cls: type[Function], ctx: Context, inputs: list[Tensor], results: list[Tensor]
) -> tuple[Op, list[Tensor]]:
    """The token op whose vjp is `backward`, and what it takes beside the inputs.

    The op refers to no node, so that a recording of it can be applied to other inputs.
    """
    name = cls.__name__
    taken = list(inputs)
    places: list[_Place] = []
    for tensor in ctx.saved:
        if not isinstance(tensor, Tensor):
            raise ArgumentError(f"{name}: ctx.save keeps tensors, not {tensor!r}; set an attribute")
        node = tensor._resolve(STATE.trace)
        at = next((i for i, x in enumerate(inputs) if x._node is node), len(taken))
        if at == len(taken):
            taken.append(Tensor(node))
        places.append(_Place(at, next((i for i, y in enumerate(results) if y._node is node), None)))
    ctx._saved = ()
    count, specs = len(inputs), [y._node.spec for y in results]

    def vjp(cotangents: dict[int, Tensor], anchor: Tensor, *handed: Tensor) -> list[Any]:
        ctx._saved = tuple(
            handed[at] if at < count else _known(handed[at], result, anchor, name)
            for at, result in places
        )
        given = [cotangents[i] if i in cotangents else zeros(spec) for i, spec in enumerate(specs)]
        try:
            parts = _several(cls.backward(ctx, *given))
        finally:
            ctx._saved = ()
        _check_cotangents(f"{name}.backward", parts, handed[:count])
        return parts + [None] * (len(handed) - count)

    return token(name, vjp), taken[count:]


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value]


def _known(saved: Tensor, result: int | None, anchor: Tensor, name: str) -> Tensor:
    """A saved tensor as a function of the inputs, as far as that is known."""
    if not STATE.grad or not is_float(saved.dtype):
        return saved
    if result is not None:
        return apply(ATTACH, saved, anchor, index=result)
    if saved._node.op is STOP_GRADIENT or saved.requires_grad:
        return saved

    def refuse(*_: Any) -> Any:
        raise ArgumentError(
            f"{name}: a second derivative needs that of a tensor which forward computed and saved; "
            "save the inputs and compute it in backward, return it from forward as a result, or "
            "cut it off with stop_gradient"
        )

    return tie([saved], token(f"{name}.saved", refuse), anchor)[0]


def _check_cotangents(who: str, found: list[Any], inputs: Sequence[Tensor]) -> None:
    if len(found) != len(inputs):
        raise ArgumentError(
            f"{who} returned {len(found)} cotangents for {len(inputs)} inputs; "
            "return one each, None for none"
        )
    for i, (part, x) in enumerate(zip(found, inputs, strict=True)):
        if part is None:
            continue
        if not isinstance(part, Tensor):
            raise ArgumentError(f"{who}: cotangent {i} is {part!r}, not a tensor")
        if part.shape != x.shape:
            raise ShapeError(f"{who}: cotangent {i} has shape {part.shape}, its input {x.shape}")
        if part.dtype != x.dtype:
            raise DTypeError(f"{who}: cotangent {i} is {part.dtype}, its input {x.dtype}")


def numpy_function(
    fn: Callable[..., Any],
    *tensors: Any,
    result: Any,
    vjp: Callable[..., Any] | None = None,
) -> Any:
    """A plain NumPy function as an op, also in compiled programs, where Python runs it.

    fn(*arrays): the arrays are read-only; the result must depend on nothing else.
    result: what comes out, as a `Spec` or (shape, dtype), or a list of them for several results;
        checked each time.
    vjp(cotangent, output, *inputs): one cotangent an input, in tensor ops (None for none); with
        several results cotangent and output are dicts and tuples of them. Without it a derivative
        through the op raises `ArgumentError`; `stop_gradient` says that none is wanted.
    Raises `ShapeError` or `DTypeError` when `fn` returns something else than declared.

    >>> import neurona as ne, numpy as np
    >>> x = ne.asarray([3.0, 1.0, 2.0])
    >>> ne.numpy_function(np.sort, x, result=(x.shape, x.dtype))
    Tensor([1., 2., 3.], dtype=float32)
    """
    name = getattr(fn, "__name__", type(fn).__name__)
    specs = [_declared(name, one) for one in (result if isinstance(result, list) else [result])]
    several = isinstance(result, list)

    def evaluate(*arrays: Array) -> Any:
        views = [array.view() for array in arrays]
        for view in views:
            view.flags.writeable = False
        with nested():
            found = fn(*views)
        if several and (not isinstance(found, (tuple, list)) or len(found) != len(specs)):
            raise ArgumentError(
                f"numpy_function {name!r}: {len(specs)} results are declared, {found!r} returned"
            )
        checked = [
            _checked(name, one, spec)
            for one, spec in zip(found if several else [found], specs, strict=True)
        ]
        return tuple(checked) if several else checked[0]

    def reverse(cotangent: Any, output: Tensor, *inputs: Tensor) -> list[Any]:
        if vjp is None:
            raise ArgumentError(
                f"numpy_function {name!r} has no vjp: give it one, or say with stop_gradient that "
                "no derivative is wanted"
            )
        if several:
            given = tuple(cotangent[i] if i in cotangent else zeros(s) for i, s in enumerate(specs))
            outputs = tuple(apply(TAKE_RESULT, output, index=i) for i in range(len(specs)))
            parts = _several(vjp(given, outputs, *inputs))
        else:
            parts = _several(vjp(cotangent, output, *inputs))
        _check_cotangents(f"the vjp of numpy_function {name!r}", parts, inputs)
        return parts

    inputs = [operand(x) for x in tensors]
    known = tuple(specs) if several else specs[0]
    op = Op(f"numpy_function {name}", lambda *_: known, evaluate, reverse)
    return apply_many(op, *inputs) if several else apply(op, *inputs)


def _declared(name: str, result: Any) -> Spec:
    if not isinstance(result, tuple) or len(result) != 2:
        raise ArgumentError(
            f"numpy_function {name!r}: result must be (shape, dtype) or a list of those, "
            f"not {result!r}"
        )
    return Spec(as_shape(result[0], "numpy_function"), as_dtype(result[1]))


def _checked(name: str, found: Any, spec: Spec) -> Array:
    # A copy: the function may go on using the memory that it returned.
    array = np.array(found)
    if array.shape != spec.shape:
        raise ShapeError(
            f"numpy_function {name!r} returned shape {array.shape}, declared is {spec.shape}"
        )
    if array.dtype != spec.dtype:
        raise DTypeError(
            f"numpy_function {name!r} returned {array.dtype}, declared is {spec.dtype}; "
            "use .astype in the function or declare what it returns"
        )
    return array
