"""Loops whose length depends on values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from neurona.autodiff.bodies import agree, scalar, settle, specs_of, take_apart
from neurona.core import dtypes
from neurona.core.apply import apply_many
from neurona.core.errors import ArgumentError
from neurona.core.node import Node, placeholder
from neurona.core.op import Array, Op, Spec
from neurona.core.subgraph import Recorded, Subgraph, record
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace
from neurona.ops.operand import cast, literal

Step = Callable[..., Any]


def while_loop(condition: Step, body: Step, initial: Any) -> Any:
    """carry = body(carry) as long as condition(carry) holds, beginning with `initial`.

    initial: tensors, numbers, or nested tuples, lists and dicts of them; the functions get them as
    tensors. condition: gives a boolean scalar. body: gives the next carry, of the same structure,
    shapes and dtypes; numbers in it take the dtype of their place.
    In eager mode this is Python's loop, and gradients flow through what ran. A compiled program
    runs it natively, in memory that does not grow with the number of rounds, for which reason
    gradients do not flow: a derivative through it raises `ArgumentError`. Variables may be read
    and assigned in both functions.
    Raises `DTypeError` or `ShapeError` where the condition is no boolean scalar or a carry changes.

    >>> import neurona as ne
    >>> def collatz(n):
    ...     even = lambda n: n // 2
    ...     odd = lambda n: 3 * n + 1
    ...     step = lambda carry: (ne.cond(carry[0] % 2 == 0, even, odd, carry[0]), carry[1] + 1)
    ...     return ne.while_loop(lambda carry: carry[0] != 1, step, (n, 0))[1]
    >>> collatz(27), ne.compile(collatz)(27)
    (Tensor(111, dtype=int64), Tensor(111, dtype=int64))
    """
    return _loop("while_loop", condition, body, initial)


def fori_loop(lower: Any, upper: Any, body: Step, initial: Any) -> Any:
    """carry = body(i, carry) for i = lower … upper − 1, beginning with `initial`.

    lower, upper: integer scalars; i is an int64 tensor. For everything else see `while_loop`.

    >>> import neurona as ne
    >>> ne.fori_loop(1, 6, lambda i, product: product * i, 1)
    Tensor(120, dtype=int64)
    """
    first, last = [
        cast(scalar("fori_loop", name, value, "integer"), dtypes.int64)
        for name, value in (("lower bound", lower), ("upper bound", upper))
    ]
    _, result = _loop(
        "fori_loop",
        lambda carry: carry[0] < last,
        lambda carry: (carry[0] + 1, body(*carry)),
        (first, initial),
        hidden="[1]",
    )
    return result


def _loop(who: str, condition: Step, body: Step, initial: Any, hidden: str = "") -> Any:
    carry, form = take_apart(initial)

    def holds(tensors: Sequence[Tensor]) -> Tensor:
        return scalar(who, "condition", condition(form.fill(tensors)), "boolean")

    def following(tensors: Sequence[Tensor]) -> list[Tensor]:
        news, found = take_apart(body(form.fill(tensors)), tensors)
        agree(
            who,
            ("carry", "the body's result"),
            (form, found),
            (specs_of(tensors), specs_of(news)),
            "the body must return what it takes",
            hidden,
        )
        return news

    if STATE.trace is None:
        while holds(carry):
            carry = following(carry)
        return form.fill(carry)

    def step(tensors: list[Tensor]) -> list[Tensor]:
        news = following(tensors[1:])
        return [holds(news), *news]

    go = holds(carry)
    recorded = record(step, [go, *carry])
    return form.fill(_apply(recorded, [go, *carry])[1:])


def _apply(recorded: Recorded, arguments: list[Tensor]) -> list[Tensor]:
    """The loop as an op: it carries arguments, Variables that are written, and checks."""
    places, outputs = recorded.body.inputs, recorded.body.outputs
    count, checks = len(arguments), len(recorded.checks)
    nowhere = Trace()
    nowhere.open = False
    true = literal(True, dtypes.bool_)
    truths = [placeholder(true._node.spec, nowhere) for _ in recorded.checks]
    written = {id(variable) for variable in recorded.written}
    outside = dict(zip(map(id, recorded.captured), recorded.captured, strict=True))
    inside = dict(zip(outside, places[count:], strict=True))
    rest = [key for key in outside if key not in written]
    carried = [*places[:count], *[inside[id(v)] for v in recorded.written], *truths]
    given = [*arguments, *recorded.written, *[true] * checks]
    # What the body only hands on is no carry; the first, which ends the loop, always is one.
    kept = [i for i, place in enumerate(carried) if i == 0 or outputs[i] is not place]
    fixed = [i for i in range(len(carried)) if i not in kept]
    body = Subgraph(
        [*[carried[i] for i in (*kept, *fixed)], *[inside[key] for key in rest]],
        [outputs[i] for i in kept],
    )
    gates = tuple(at for at, i in enumerate(kept) if i == 0 or i >= len(carried) - checks)
    results = apply_many(
        LOOP,
        *[given[i] for i in (*kept, *fixed)],
        *[outside[key] for key in rest],
        body=body,
        gates=gates,
    )
    values = list(given)
    for i, result in zip(kept, results, strict=True):
        values[i] = result
    return settle(values, count, recorded.written, recorded.checks)


def _infer(*inputs: Node, body: Subgraph, gates: tuple[int, ...]) -> tuple[Spec, ...]:
    return tuple(output.spec for output in body.outputs)


def _evaluate(*arrays: Array, body: Subgraph, gates: tuple[int, ...]) -> tuple[Array, ...]:
    count = len(body.outputs)
    carry, rest = list(arrays[:count]), arrays[count:]
    while all(carry[gate] for gate in gates):
        carry = body.evaluate([*carry, *rest])
    return tuple(carry)


def _vjp(*_: Any, **__: Any) -> NoReturn:
    raise ArgumentError(
        "while_loop: a recorded loop has no derivative, since the steps to walk back are not kept; "
        "use scan, whose number of steps is known, or cut the loop off with stop_gradient"
    )


LOOP = Op("loop", _infer, _evaluate, _vjp)
"""carry = body(carry, rest) as long as all carries numbered in `gates` are true.

The inputs are the carries (as many as the body has outputs) and then the rest.
"""
