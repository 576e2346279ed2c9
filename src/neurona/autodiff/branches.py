"""Conditionals: one of several functions, chosen by a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.autodiff.bodies import Form, agree, join, scalar, settle, specs_of, take_apart
from neurona.autodiff.reverse import pull, zeros
from neurona.core import dtypes
from neurona.core.apply import apply_many
from neurona.core.errors import ArgumentError
from neurona.core.node import Node
from neurona.core.op import Array, Op, Spec
from neurona.core.subgraph import Subgraph, record
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, set_grad_enabled
from neurona.ops.arithmetic import clip
from neurona.ops.operand import cast

Branches = Sequence[Callable[..., Any]]


def cond(
    predicate: Any,
    true_function: Callable[..., Any],
    false_function: Callable[..., Any],
    *operands: Any,
) -> Any:
    """true_function(*operands) where the predicate holds, else false_function(*operands).

    predicate: a boolean scalar. operands: tensors, numbers, or nested tuples, lists and dicts of
    them, which reach the functions as tensors.
    Only the chosen function runs, in a compiled program too, where both are recorded: they must
    return the same structure, shapes and dtypes. What they close over may be differentiated like
    the operands; what they assign to Variables, and the numbers they draw, count if they run.
    Raises `DTypeError` or `ShapeError` for another predicate and, while recording, where the
    results differ.

    >>> import neurona as ne
    >>> def slope(x):
    ...     return ne.cond(x > 0, lambda x: x, lambda x: 0.01 * x, x)
    >>> slope(ne.asarray(-2.0)), ne.compile(ne.grad(slope))(ne.asarray(-2.0))
    (Tensor(-0.02, dtype=float32), Tensor(0.01, dtype=float32))
    """
    flag = scalar("cond", "predicate", predicate, "boolean")
    functions = (false_function, true_function)
    if STATE.trace is None or _is_python(predicate):
        return _run(functions[bool(predicate)], operands)
    return _choose("cond", cast(flag, dtypes.int64), functions, operands, ("false", "true"))


def switch(index: Any, branches: Branches, *operands: Any) -> Any:
    """branches[index](*operands); an index below 0 takes the first branch, one too large the last.

    index: an integer scalar. For everything else see `cond`.
    Raises `ArgumentError` without branches.

    >>> import neurona as ne
    >>> ne.switch(2, [ne.sin, ne.cos, ne.exp], 0.0)
    Tensor(1., dtype=float32)
    """
    if not branches:
        raise ArgumentError("switch: there are no branches; give at least one")
    number = scalar("switch", "index", index, "integer")
    if STATE.trace is None or _is_python(index) or len(branches) == 1:
        chosen = 0 if len(branches) == 1 else min(max(int(index), 0), len(branches) - 1)
        return _run(branches[chosen], operands)
    if number.dtype == dtypes.uint64:
        number = clip(number, 0, len(branches))
    number = clip(cast(number, dtypes.int64), 0, len(branches) - 1)
    names = [f"branch {i}" for i in range(len(branches))]
    return _choose("switch", number, tuple(branches), operands, names)


def _is_python(value: Any) -> bool:
    return isinstance(value, (bool, int, np.generic))


def _run(function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    tensors, form = take_apart(operands)
    results, found = take_apart(function(*form.fill(tensors)))
    return found.fill(results)


def _choose(
    who: str, index: Tensor, functions: Branches, operands: tuple[Any, ...], names: Sequence[str]
) -> Any:
    """Record all functions, and the choice between them."""
    arguments, form = take_apart(operands)
    forms: list[Form] = []

    def recorder(function: Callable[..., Any]) -> Callable[[list[Tensor]], list[Tensor]]:
        def run(tensors: list[Tensor]) -> list[Tensor]:
            results, found = take_apart(function(*form.fill(tensors)))
            forms.append(found)
            return results

        return run

    recorded = [record(recorder(function), arguments) for function in functions]
    results = [specs_of(one.body.outputs[: one.results]) for one in recorded]
    for i in range(1, len(functions)):
        agree(
            who,
            (f"the result of {names[0]}", f"that of {names[i]}"),
            (forms[0], forms[i]),
            (results[0], results[i]),
            "all branches must return the same",
        )
    joined = join(recorded, len(arguments))
    inputs = (*arguments, *joined.captured)
    values = _apply(index, inputs, joined.bodies)
    return forms[0].fill(settle(values, joined.results, joined.written, joined.errors))


def _apply(
    index: Tensor, inputs: Sequence[Tensor], bodies: tuple[Subgraph, ...]
) -> tuple[Tensor, ...]:
    if not bodies[0].outputs:
        return ()
    return apply_many(SWITCH, index, *inputs, branches=bodies)


def _infer(index: Node, *inputs: Node, branches: tuple[Subgraph, ...]) -> tuple[Spec, ...]:
    return tuple(output.spec for output in branches[0].outputs)


def _evaluate(index: Array, *arrays: Array, branches: tuple[Subgraph, ...]) -> tuple[Array, ...]:
    return tuple(branches[int(index)].evaluate(arrays))


def _vjp(
    cotangents: dict[int, Tensor],
    output: Tensor,
    index: Tensor,
    *inputs: Tensor,
    branches: tuple[Subgraph, ...],
) -> list[Tensor | None]:
    """The same choice between the branches' derivatives, each of which runs its branch again."""
    wanted = [i for i, x in enumerate(inputs) if x.requires_grad]
    given = sorted(cotangents)
    arguments = [*inputs, *[cotangents[i] for i in given]]

    def recorder(branch: Subgraph) -> Callable[[list[Tensor]], list[Tensor]]:
        def run(tensors: list[Tensor]) -> list[Tensor]:
            xs = tensors[: len(inputs)]
            with set_grad_enabled(True):
                values = branch.replay(xs)
            targets = [xs[i]._node for i in wanted]
            ends = [values[i]._node for i in given]
            found = pull(ends, tensors[len(inputs) :], targets)
            pairs = zip(targets, found, strict=True)
            return [zeros(node) if one is None else one for node, one in pairs]

        return run

    joined = join([record(recorder(branch), arguments) for branch in branches], len(arguments))
    values = _apply(index, (*arguments, *joined.captured), joined.bodies)
    slopes = settle(values, joined.results, joined.written, joined.errors)
    parts = dict(zip(wanted, slopes, strict=True))
    return [None, *[parts.get(i) for i in range(len(inputs))]]


SWITCH = Op("switch", _infer, _evaluate, _vjp)
"""The outputs of branches[index] for the inputs; the index, an int64, is in range."""
