"""Loops over sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurona.autodiff.bodies import Form, agree, settle, specs_of, take_apart
from neurona.autodiff.steps import run_steps
from neurona.core import dtypes
from neurona.core.arguments import whole
from neurona.core.check import require
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.node import placeholder
from neurona.core.op import Spec
from neurona.core.subgraph import Recorded, Subgraph, record_like
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace
from neurona.ops.broadcast import reshape
from neurona.ops.compare import greater_equal, less, less_equal, logical_and, where
from neurona.ops.create import arange, zeros_like
from neurona.ops.operand import cast, literal, operand

Step = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    f: Step,
    init: Any,
    xs: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
    lengths: Any = None,
) -> tuple[Any, Any]:
    """Carry a state along a sequence: carry, y = f(carry, x) for every x in order.

    Returns the last carry and all y, stacked along a new first axis.
    init: the first carry. xs: what is taken a row at a time, all (time, …) of the same time; None
    for none, with `length` steps. All are tensors, numbers, or nested tuples, lists and dicts of
    them; f returns the next carry, of the structure, shapes and dtypes of `init`, and any tree.
    reverse: from the last row to the first; y stand where their x do.
    lengths: integers (batch,) in 0…time, for sequences that are padded to one time. The steps of a
    sample at its length and after leave its state as it is, and its rows of y are 0. All leaves of
    the carry and of y then have the axis batch first.
    `f` is recorded once, so it may not ask a tensor for its value; a compiled program runs it in
    one native loop of any length. Derivatives of every order flow, also to what f closes over: by
    a loop back, for which the states of all steps are kept (`checkpoint(f)` keeps nothing else).
    A weight's gradient by products is one product of all steps together.
    Raises `ShapeError` where lengths differ or a carry changes, `DTypeError`, `ArgumentError`, also
    naming a length out of range (a compiled function when it runs).

    >>> import neurona as ne
    >>> ne.scan(lambda total, x: (total + x, total * x), 0.0, ne.asarray([1.0, 2.0, 3.0]))
    (Tensor(6., dtype=float32), Tensor([0., 2., 9.], dtype=float32))
    """
    carry, form = take_apart(init)
    rows, rows_form = take_apart(xs)
    time = _length(rows, rows_form, length)
    step = f
    if lengths is not None:
        step, rows, rows_form = _padded(f, rows, rows_form, time, operand(lengths))
    forms: list[Form] = []
    count = len(carry)

    def run(tensors: list[Tensor]) -> list[Tensor]:
        state = tensors[:count]
        result = step(form.fill(state), rows_form.fill(tensors[count:]))
        if type(result) is not tuple or len(result) != 2:
            raise ArgumentError(
                f"scan: f returns a pair (carry, y), not {type(result).__name__}; y may be None"
            )
        news, found = take_apart(result[0], state)
        agree(
            "scan",
            ("carry", "f's carry"),
            (form, found),
            (specs_of(state), specs_of(news)),
            "f must return the carry as it takes it",
        )
        made, made_form = take_apart(result[1])
        forms.append(made_form)
        return [*made, *news]

    nowhere = Trace()
    patterns = [
        *[
            placeholder(
                x._node.spec, nowhere, requires_grad=STATE.grad and dtypes.is_float(x.dtype)
            )
            for x in carry
        ],
        *[
            placeholder(Spec(x.shape[1:], x.dtype), nowhere, requires_grad=x.requires_grad)
            for x in rows
        ],
    ]
    recorded = record_like(run, patterns)
    stacks, last = _apply(recorded, carry, rows, time, reverse)
    return form.fill(last), forms[0].fill(stacks)


def _length(rows: list[Tensor], form: Form, length: int | None) -> int:
    """The number of steps. Raises `ShapeError` where there are several."""
    for path, x in zip(form.places, rows, strict=True):
        if not x.ndim:
            raise ShapeError(f"scan: xs{path} is a scalar; its first axis must be time")
    if length is not None:
        length = whole("scan", "length", length, 0)
    times = {x.shape[0] for x in rows} | (set() if length is None else {length})
    if len(times) > 1:
        parts = [f"xs{path} {x.shape}" for path, x in zip(form.places, rows, strict=True)]
        given = [] if length is None else [f"length={length}"]
        raise ShapeError(f"scan: {', '.join([*parts, *given])}: the first axes must be equal")
    if not times:
        raise ArgumentError("scan: without xs the number of steps must be given as length=")
    (time,) = times
    return int(time)


def _padded(
    f: Step, rows: list[Tensor], form: Form, time: int, lengths: Tensor
) -> tuple[Step, list[Tensor], Form]:
    """f for sequences of these lengths, whose rows begin with the number of the step."""
    if not dtypes.is_integer(lengths.dtype) or lengths.ndim != 1:
        raise DTypeError(
            f"scan: lengths are {lengths.dtype} {lengths.shape}; integers (batch,) are needed"
        )
    lengths = cast(lengths, dtypes.int64)
    (batch,) = lengths.shape
    right = logical_and(greater_equal(lengths, 0), less_equal(lengths, time))
    require(right, lengths, "scan: lengths", f"they lie in 0…{time}, the time")

    def step(carry: Any, x: Any) -> Any:
        number, x = x
        alive = less(number, lengths)

        def chosen(name: str, path: str, new: Tensor, old: Tensor) -> Tensor:
            if new.shape[:1] != (batch,):
                raise ShapeError(
                    f"scan: {name}{path} has shape {new.shape}; with lengths of shape "
                    f"{lengths.shape} its first axis must be the batch of {batch}"
                )
            return where(reshape(alive, (batch, *[1] * (new.ndim - 1))), new, old)

        result = f(carry, x)
        if type(result) is not tuple or len(result) != 2:
            return result
        olds, _ = take_apart(carry)
        news, found = take_apart(result[0], olds)
        if len(news) != len(olds):
            return result
        kept = [
            chosen("carry", *three) if three[1].shape == three[2].shape else three[1]
            for three in zip(found.places, news, olds, strict=True)
        ]
        made, made_form = take_apart(result[1])
        shown = [
            chosen("y", p, x, zeros_like(x)) for p, x in zip(made_form.places, made, strict=True)
        ]
        return found.fill(kept), made_form.fill(shown)

    _, numbered = take_apart((0, form.fill(rows)))
    return step, [arange(time), *rows], numbered


def _apply(
    recorded: Recorded, carry: list[Tensor], rows: list[Tensor], time: int, reverse: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """The loop as an op, which carries the state, Variables that are written, and checks."""
    body, count = recorded.body, len(carry)
    made = recorded.results - count
    outside = dict(zip(map(id, recorded.captured), recorded.captured, strict=True))
    inside = dict(zip(outside, body.inputs[count + len(rows) :], strict=True))
    written = set(map(id, recorded.written))
    nowhere = Trace()
    true = literal(True, dtypes.bool_)
    truths = [placeholder(true._node.spec, nowhere) for _ in recorded.checks]
    carried = [*body.inputs[:count], *[inside[id(v)] for v in recorded.written], *truths]
    given = [*carry, *recorded.written, *[true] * len(truths)]
    news = body.outputs[made:]
    rest = [key for key in outside if key not in written]
    # What a step only hands on is no carry.
    kept = [i for i, place in enumerate(carried) if news[i] is not place]
    fixed = [i for i in range(len(carried)) if i not in kept]
    step = Subgraph(
        [
            *[carried[i] for i in kept],
            *body.inputs[count : count + len(rows)],
            *[carried[i] for i in fixed],
            *[inside[key] for key in rest],
        ],
        [*body.outputs[:made], *[news[i] for i in kept]],
    )
    first = len(carried) - len(truths)
    stacks, last = run_steps(
        step,
        [given[i] for i in kept],
        rows,
        [*[given[i] for i in fixed], *[outside[key] for key in rest]],
        length=time,
        reverse=reverse,
        gates=tuple(at for at, i in enumerate(kept) if i >= first),
    )
    values = list(given)
    for i, result in zip(kept, last, strict=True):
        values[i] = result
    return stacks, settle(values, count, recorded.written, recorded.checks)
