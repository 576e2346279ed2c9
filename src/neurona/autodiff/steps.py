"""The op of a loop over the rows of tensors, and its derivative: the loop back.

The forward loop hands out, stacked, what the loop back asks of each step: the states that the step
began with and the results of functions, products and sums (see `rows`); the rest, cheap
expressions of these, is computed again. A compiled program drops what nobody asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.autodiff.reverse import pull, zeros
from neurona.autodiff.rows import depending, merged, residuals
from neurona.autodiff.sums import Sums, added, total
from neurona.core.apply import TAKE_RESULT, apply, apply_many
from neurona.core.dtypes import is_float
from neurona.core.errors import ArgumentError
from neurona.core.node import Node, placeholder
from neurona.core.op import Array, Op, Spec
from neurona.core.subgraph import Subgraph, record_like, topological
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace, set_grad_enabled


def run_steps(
    body: Subgraph,
    carries: Sequence[Tensor],
    xs: Sequence[Tensor],
    rest: Sequence[Tensor],
    *,
    length: int,
    reverse: bool,
    gates: tuple[int, ...] = (),
) -> tuple[list[Tensor], list[Tensor]]:
    """The stacked rows and the last carries of a loop.

    body: from carries, a row of each of `xs` and `rest` to a row of each result and the next
        carries. gates: numbers of the carries that end the loop when they are false.
    """
    if not body.outputs:
        return [], []
    used = set(map(id, topological(body.outputs)))
    count, rows = len(carries), len(body.outputs) - len(carries)
    places = body.inputs
    across = [(x, p) for x, p in zip(xs, places[count:], strict=False) if id(p) in used]
    steady = [(x, p) for x, p in zip(rest, places[count + len(xs) :], strict=True) if id(p) in used]
    body = Subgraph(
        [*places[:count], *[p for _, p in across], *[p for _, p in steady]], body.outputs
    )
    inputs = [*carries, *[x for x, _ in across], *[x for x, _ in steady]]
    saved = 0
    if STATE.grad and any(x.requires_grad for x in inputs):
        body, saved, more = _with_residuals(body, count, len(across))
        inputs += more
    results = apply_many(
        SCAN,
        *inputs,
        body=body,
        carries=count,
        scanned=len(across),
        length=length,
        reverse=reverse,
        gates=gates,
        saved=saved,
    )
    return list(results[:rows]), list(results[rows + saved :])


def _infer(*inputs: Node, body: Subgraph, carries: int, length: int, **_: Any) -> tuple[Spec, ...]:
    rows = len(body.outputs) - carries
    stacks = [Spec((length, *x.shape), x.dtype) for x in body.outputs[:rows]]
    return (*stacks, *[x.spec for x in body.outputs[rows:]])


def order_of(length: int, reverse: bool) -> range:
    return range(length - 1, -1, -1) if reverse else range(length)


def _evaluate(
    *arrays: Array,
    body: Subgraph,
    carries: int,
    scanned: int,
    length: int,
    reverse: bool,
    gates: tuple[int, ...],
    saved: int,
) -> tuple[Array, ...]:
    carry, rest = list(arrays[:carries]), arrays[carries + scanned :]
    rows = len(body.outputs) - carries
    stacks = [np.zeros((length, *x.shape), x.dtype) for x in body.outputs[:rows]]
    for t in order_of(length, reverse):
        if not all(carry[gate] for gate in gates):
            break
        values = body.evaluate(
            [*carry, *[x[t] for x in arrays[carries : carries + scanned]], *rest]
        )
        for stack, value in zip(stacks, values, strict=False):
            stack[t] = value
        carry = values[rows:]
    return (*stacks, *carry)


# --- the way back ---


class Back:
    """A recorded reverse step.

    Its inputs are the cotangents of the float carries, those of a row of each of `given` results,
    then what the step itself takes; its outputs the cotangents of float carries, of wanted rows and
    of wanted rest (those that are not zero), and all values of the step.
    """

    def __init__(
        self,
        body: Subgraph,
        carries: int,
        given: Sequence[int],
        wanted: Sequence[int],
    ) -> None:
        rows = len(body.outputs) - carries
        inputs = body.inputs
        self.floats = [i for i in range(carries) if is_float(inputs[i].dtype)]
        nowhere = Trace()
        cotangents = [inputs[i] for i in self.floats] + [body.outputs[i] for i in given]
        patterns = [placeholder(x.spec, nowhere, requires_grad=True) for x in cotangents]
        first = len(patterns)
        targets = [*self.floats, *wanted]
        for i, x in enumerate(inputs):
            patterns.append(placeholder(x.spec, nowhere, requires_grad=i in targets))
        self.found: list[int] = []
        """Which of `wanted` the step depends on."""

        def run(tensors: list[Tensor]) -> list[Tensor]:
            values = body.replay(tensors[first:])
            ends = [values[rows + i]._node for i in self.floats] + [values[i]._node for i in given]
            places = [tensors[first + i]._node for i in targets]
            parts = pull(ends, tensors[:first], places)
            count = len(self.floats)
            back = [
                zeros(inputs[i]) if part is None else part
                for i, part in zip(self.floats, parts, strict=False)
            ]
            more = [(i, x) for i, x in zip(wanted, parts[count:], strict=True) if x is not None]
            self.found += [i for i, _ in more]
            return [*back, *[x for _, x in more], *values]

        # Whether or not it is differentiated again, so that the same nodes come of it.
        with set_grad_enabled(True):
            recorded = record_like(run, patterns)
        if recorded.written or recorded.checks:
            raise ArgumentError("scan: a derivative that writes Variables or checks values")
        self.captured = recorded.captured
        places = recorded.body.inputs
        self.cotangents, self.taken = places[:first], places[first:]
        outputs = merged(recorded.body.outputs, {})
        self.results = outputs[: len(self.floats) + len(self.found)]
        self.values = outputs[len(self.results) :]


def _with_residuals(
    body: Subgraph, carries: int, scanned: int
) -> tuple[Subgraph, int, tuple[Tensor, ...]]:
    """The body that also hands out what the way back asks for, before its carries.

    With it the number of these rows, and further inputs.
    """
    rows = len(body.outputs) - carries
    given = [i for i in range(rows) if is_float(body.outputs[i].dtype)]
    wanted = [i for i in range(carries, len(body.inputs)) if body.inputs[i].requires_grad]
    back = Back(body, carries, given, wanted)
    kept = residuals(back.results, back.cotangents, back.taken[: carries + scanned])
    saved = [*back.taken[:carries], *kept]
    outputs = [*back.values[:rows], *saved, *back.values[rows:]]
    return Subgraph(back.taken, outputs), len(saved), back.captured


def _vjp(
    cotangents: dict[int, Tensor],
    output: Tensor,
    *inputs: Tensor,
    body: Subgraph,
    carries: int,
    scanned: int,
    length: int,
    reverse: bool,
    gates: tuple[int, ...],
    saved: int,
) -> list[Tensor | None]:
    rows = len(body.outputs) - carries
    after = carries + scanned
    given = sorted(i for i in cotangents if i < rows)
    wanted = [i for i in range(carries, len(inputs)) if inputs[i].requires_grad]
    back = Back(body, carries, given, wanted)
    stacks = [apply(TAKE_RESULT, output, index=i) for i in range(rows - saved, rows)]
    began, kept = stacks[:carries], stacks[carries:]
    nowhere = Trace()
    values = back.values[rows - saved + carries : rows]
    places = [
        placeholder(x.spec, nowhere, requires_grad=stack.requires_grad)
        for x, stack in zip(values, kept, strict=True)
    ]
    known = {id(value): place for value, place in zip(values, places, strict=True)}
    results = merged(back.results, known)
    seeds = list(back.cotangents[: len(back.floats)])
    stacked = {
        **{id(p): cotangents[i] for p, i in zip(back.cotangents[len(seeds) :], given, strict=True)},
        **{id(p): x for p, x in zip(back.taken, (*began, *inputs[carries:after]), strict=False)},
        **{id(p): x for p, x in zip(places, kept, strict=True)},
    }
    rowed = [*back.cotangents[len(seeds) :], *back.taken[:after], *places]
    varying = depending(topological(results), [*seeds, *rowed])
    count = len(back.floats)
    parts = dict(zip(back.found, results[count:], strict=True))
    sums = Sums(stacked, varying)
    terms = {i: sums.of(node) for i, node in parts.items() if i >= after}
    # Rows to hand out: the cotangents of rows, then what is summed up afterwards.
    handed = {id(parts[i]): parts[i] for i in parts if i < after} | sums.wanted
    totals = [(i, x) for i, (_, within) in terms.items() for x in within]
    sums_of = [placeholder(x.spec, nowhere, requires_grad=True) for _, x in totals]
    sums_after = [added(place, x) for place, (_, x) in zip(sums_of, totals, strict=True)]
    loop = Subgraph(
        [*seeds, *sums_of, *rowed, *back.taken[after:]],
        [*handed.values(), *results[:count], *sums_after],
    )
    ends = [cotangents.get(rows + i) for i in back.floats]
    first = [zeros(seed) if x is None else x for x, seed in zip(ends, seeds, strict=True)]
    found, last = run_steps(
        loop,
        [*first, *[zeros(x) for x in sums_of]],
        [stacked[id(place)] for place in rowed],
        [*inputs[after:], *back.captured],
        length=length,
        reverse=not reverse,
    )
    stacked |= dict(zip(handed, found, strict=True))
    slopes: list[Tensor | None] = [None] * len(inputs)
    for i, x in zip(back.floats, last[:count], strict=True):
        slopes[i] = x
    for i, node in parts.items():
        if i < after:
            slopes[i] = stacked[id(node)]
    for i, (outside, _) in terms.items():
        more = [combine([stacked[id(x)] for x in nodes]) for nodes, combine in outside]
        inner = [x for (j, _), x in zip(totals, last[count:], strict=True) if j == i]
        slopes[i] = total([*more, *inner])
    return slopes


SCAN = Op("scan", _infer, _evaluate, _vjp)
"""A loop over `length` rows.

The inputs are the carries, the stacks of which each step takes a row, and the rest; the results the
stacks of which each step makes a row, of which the last `saved` are for the way back, and the
carries. `body` is one step (see `run_steps`).
"""
