"""Checks that several functions make of their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurona.core import dtypes
from neurona.core.check import require
from neurona.core.errors import ArgumentError, DTypeError, ShapeError, nearest
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.running import who
from neurona.ops.operand import cast, operand


def choice(function: str, argument: str, given: str, known: Sequence[str]) -> None:
    """Raise `ArgumentError` unless `given` is one of `known`."""
    if not isinstance(given, str) or given not in known:
        raise ArgumentError(
            f"{who(function)}: {argument} is one of {', '.join(map(repr, known))}, "
            f"not {given!r}{nearest(str(given), known)}"
        )


def same_dtype(function: str, x: Tensor, parameter: Tensor, name: str = "weight") -> None:
    """Raise `DTypeError` unless input and parameter share a dtype."""
    if x.dtype != parameter.dtype:
        raise DTypeError(
            f"{who(function)}: x is {x.dtype}, {name} {parameter.dtype}; "
            "cast the input with ne.astype or the layer with its astype"
        )


def float_input(function: str, x: Any) -> Tensor:
    """The input as a tensor. Raises `DTypeError` unless it is floating."""
    tensor = operand(x)
    if not dtypes.is_float(tensor.dtype):
        raise DTypeError(f"{who(function)}: x is {tensor.dtype}; cast it to a float with ne.astype")
    return tensor


def statistics_dtype(x: Tensor) -> Tensor:
    """x in the dtype in which means and variances are taken: half floats in float32."""
    return cast(x, dtypes.float32) if x.dtype.itemsize == 2 else x


def same_shape(function: str, x: Tensor, target: Any) -> Tensor:
    """The target in x's shape and dtype; integers and bools are cast.

    Raises `ShapeError` unless the shapes are equal: a loss that broadcasts hides a mistake, since
    (batch, 1) against (batch,) would compare every output with every target. Raises `DTypeError`
    for another float dtype.
    """
    t = operand(target)
    if t.shape != x.shape:
        raise ShapeError(
            f"{who(function)}: input has shape {x.shape}, target {t.shape}; losses do not "
            "broadcast, reshape one of them"
        )
    if not dtypes.is_float(t.dtype):
        return cast(t, x.dtype)
    same_dtype(function, x, t, "target")
    return t


def check_that(function: str, right: Tensor, name: str, values: Tensor, rule: str) -> None:
    """Raise `ArgumentError` where `right` is false, naming the first such place of `values`.

    In a compiled function the check is made when the program runs, before it writes a Variable.
    """
    require(right, values, f"{who(function)}: {name}", rule)


def check_index(
    function: str, index: Tensor, count: int, name: str, noun: str, ignored: int | None = None
) -> None:
    """Raise `IndexOutOfRangeError` unless the indices lie in 0…count−1 or equal `ignored`.

    In a compiled function the check is made when the program runs, before it writes a Variable.
    """
    wide = cast(index, dtypes.int64)  # count and `ignored` need not fit the indices' own dtype
    right = (wide >= 0) & (wide < count)
    if ignored is not None:
        right = right | (wide == ignored)
    require(right, index, f"{who(function)}: {name}", f"the {noun} are", count)


def check_state(network: str, state: Any, shapes: Mapping[str, Sequence[Shape]]) -> None:
    """Raise unless a state holds tensors of these shapes under these names. network: who asks.

    shapes: for each name those of its tensor, or of its list of tensors, one a layer.
    Raises `ArgumentError` for what is no such dict, `ShapeError` naming the shapes that differ.
    """
    if not isinstance(state, Mapping) or not set(shapes) <= set(state):
        found = f"one with {', '.join(map(str, state))}" if isinstance(state, Mapping) else state
        raise ArgumentError(
            f"{network}: the state must be a dict with {', '.join(shapes)}, as begin gives it, not "
            f"{found!r}"
        )
    for name, wanted in shapes.items():
        parts = state[name] if isinstance(state[name], (list, tuple)) else [state[name]]
        shown = [operand(part).shape for part in parts]
        if shown != list(wanted):
            raise ShapeError(
                f"{network}: the state's {name} has the shapes {shown}, which must be "
                f"{list(wanted)}; take the one that begin gives for these tokens"
            )


def check_tokens(
    network: str, tokens: Any, vocabulary: int, name: str = "tokens", context: int | None = None
) -> Tensor:
    """Tokens (batch, time) as a tensor, once they are right. network: who asks, for messages.

    Raises `DTypeError` unless they are integers, `ShapeError` for other axes, no step or more steps
    than `context`, `IndexOutOfRangeError` naming the first token not in 0…vocabulary−1.
    """
    found = operand(tokens)
    if not dtypes.is_integer(found.dtype):
        raise DTypeError(f"{network}: {name} are integers, not {found.dtype}")
    if found.ndim != 2 or not found.shape[1]:
        raise ShapeError(
            f"{network}: {name} must be (batch, time) with at least one step, not {found.shape}"
        )
    if context is not None and found.shape[1] > context:
        raise ShapeError(
            f"{network}: {found.shape[1]} {name} (of {found.shape}) are more than the table "
            f"of positions holds, context {context}; cut the sequence or make the table longer"
        )
    right = (found >= 0) & (found < vocabulary)
    require(right, found, f"{network}: {name}", "the tokens are", vocabulary)
    return found
