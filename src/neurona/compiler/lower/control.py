"""Conditionals and loops in programs.

Each branch or body is a program of its own. If all its tasks are native, its words stand within the
segment of the program around it (see `runner`): its inputs and results have slots there already,
all else gets new ones, in an arena that lies in the arena around it. Else Python runs the programs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurona.autodiff.branches import SWITCH
from neurona.autodiff.loops import LOOP
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.lower.indices import index_checks
from neurona.compiler.run.memory import Held
from neurona.compiler.run.runner import CHOOSE, REPEAT, SIGNALS
from neurona.core import dtypes
from neurona.core.apply import TAKE_RESULT
from neurona.core.buffer import Buffer
from neurona.core.errors import NeuronaError
from neurona.core.node import Node, placeholder
from neurona.core.op import LITERAL, Array, Spec
from neurona.core.subgraph import Subgraph
from neurona.core.trace import Trace
from neurona.graph.order import rewrite, with_inputs
from neurona.graph.passes import make

if TYPE_CHECKING:
    from neurona.compiler.program import Program

Checks = list[tuple[Node, NeuronaError]]


class Slot(int):
    """A word that is the number of a slot, not a count or an address."""


def is_control(node: Node) -> bool:
    return node.op in (SWITCH, LOOP)


def bodies_of(node: Node) -> tuple[Subgraph, ...]:
    """The branches of a choice, the body of a loop."""
    found: tuple[Subgraph, ...] = node.attrs.get("branches") or (node.attrs["body"],)
    return found


def steady_inputs(node: Node, body: Subgraph) -> tuple[Node, ...]:
    """The inputs of a body that are the same in every round."""
    return body.inputs[len(body.outputs) :] if node.op is LOOP else ()


# --- checks ---


def expose_checks(outputs: Sequence[Node]) -> tuple[list[Node], Checks]:
    """The same graph, whose bodies also give whether the indices used in them are in range.

    With it all such checks of the graph, those in bodies too.
    """
    checks: Checks = []

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if not is_control(node):
            return with_inputs(node, inputs)
        found = [expose_checks(body.outputs) for body in bodies_of(node)]
        errors = [error for _, more in found for _, error in more]
        if not errors:
            return with_inputs(node, inputs)
        count = len(bodies_of(node)[0].outputs)
        new = _choice(node, inputs, found) if node.op is SWITCH else _loop(node, inputs, *found[0])
        for i, error in enumerate(errors, count):
            checks.append((make(TAKE_RESULT, new, index=i), error))
        return new

    outputs = rewrite(outputs, rule)
    return outputs, [*index_checks(outputs), *checks]


def _true() -> Node:
    return Node(LITERAL, (), {}, Spec((), dtypes.bool_), Buffer(np.asarray(True)))


def _choice(
    node: Node, inputs: tuple[Node, ...], found: Sequence[tuple[list[Node], Checks]]
) -> Node:
    total = sum(len(checks) for _, checks in found)
    branches = []
    passed = 0
    for body, (outputs, checks) in zip(bodies_of(node), found, strict=True):
        truths = [_true() for _ in range(total)]
        truths[passed : passed + len(checks)] = [ok for ok, _ in checks]
        passed += len(checks)
        branches.append(Subgraph(body.inputs, [*outputs, *truths]))
    return make(SWITCH, *inputs, branches=tuple(branches))


def _loop(node: Node, inputs: tuple[Node, ...], outputs: list[Node], checks: Checks) -> Node:
    old, count, more = bodies_of(node)[0], len(outputs), len(checks)
    nowhere = Trace()
    places = [placeholder(Spec((), dtypes.bool_), nowhere) for _ in checks]
    body = Subgraph(
        [*old.inputs[:count], *places, *old.inputs[count:]],
        [*outputs, *[ok for ok, _ in checks]],
    )
    gates = (*node.attrs["gates"], *range(count, count + more))
    truths = [_true() for _ in checks]
    return make(LOOP, *inputs[:count], *truths, *inputs[count:], body=body, gates=gates)


# --- as part of a program ---


@dataclass(frozen=True, eq=False)
class Control:
    """A choice or a loop as a task.

    following: where a native loop's body leaves the next carries. arena: the bodies' own memory.
    """

    node: Node
    bodies: tuple[Program, ...]
    inputs: tuple[Storage, ...]
    results: tuple[Storage, ...]
    following: tuple[Storage, ...]
    arena: Storage

    @property
    def native(self) -> bool:
        return all(body.native for body in self.bodies)

    @property
    def buffers(self) -> list[tuple[Storage, str]]:
        """All memory of the task and what it does with it."""
        inputs = [(storage, "read") for storage in self.inputs]
        results = [(storage, "write") for storage in self.results]
        scratch = [(storage, "scratch") for storage in (*self.following, self.arena)]
        return [*inputs, *results, *(scratch if self.native else ())]


def make_control(node: Node, taken: dict[int, Node], bodies: tuple[Program, ...]) -> Control:
    """taken: the nodes that take the results, by number."""
    specs = node.specs or ()

    def storage(role: str, spec: Spec) -> Storage:
        return Storage(node, role, max(1, math.prod(spec.shape)), spec.dtype)

    return Control(
        node,
        bodies,
        tuple(storage_of(x) for x in node.inputs),
        tuple(
            storage_of(taken[i]) if i in taken else storage(f"result {i}", spec)
            for i, spec in enumerate(specs)
        ),
        tuple(storage(f"next {i}", spec) for i, spec in enumerate(specs) if node.op is LOOP),
        Storage(node, "arena", max(body.size for body in bodies), dtypes.uint8),
    )


def words(control: Control, program: Program) -> list[int]:
    """The section of a native choice or loop in the segments of `program`."""
    slots = program.plan.slots
    inputs, results, following = [
        [Slot(slots[storage.key]) for storage in storages]
        for storages in (control.inputs, control.results, control.following)
    ]
    base = program.plan.arena()[0][slots[control.arena.key]]
    if control.node.op is SWITCH:
        parts = []
        for body in control.bodies:
            first, rest = _inline(program, body, inputs[1:], results, base)
            parts.append([*first[:-1], *rest])
        return [CHOOSE, inputs[0], len(parts), *map(len, parts), *itertools.chain(*parts)]
    (body,) = control.bodies
    count = len(results)
    first, rest = _inline(program, body, [*results, *inputs[count:]], following, base)
    sizes = [math.prod(spec.shape) * spec.dtype.itemsize for spec in control.node.specs or ()]
    carries = zip(inputs[:count], results, following, sizes, strict=True)
    gates = [results[gate] for gate in control.node.attrs["gates"]]
    signals = Slot(program.slot_count)
    program.slot_count += 1
    program.constants.append((signals, SIGNALS))
    return [
        *(REPEAT, signals, count, *itertools.chain(*carries), len(gates), *gates),
        *(len(first), *first, len(rest), *rest),
    ]


def _inline(
    program: Program, body: Program, sources: list[Slot], targets: list[Slot], base: int
) -> tuple[list[int], list[int]]:
    """The words of a body's prologue and of the rest, in the slots of the program around it."""
    names: dict[int, Slot] = {}
    for slot, outer in zip(body.input_slots, sources, strict=True):
        names[slot] = outer
    for (slot, _), outer in zip(body.result_specs, targets, strict=True):
        names[slot] = outer
    names.pop(body.unused, None)
    for slot in range(1, body.slot_count):
        if slot not in names:
            names[slot] = Slot(program.slot_count)
            program.slot_count += 1
    program.inlined += [(names[slot], base + offset) for slot, offset in body.places()[0]]
    program.constants += [(names[slot], array) for slot, array in body.constants]
    first, rest = [
        [names[word] if isinstance(word, Slot) else word for word in segment]
        for segment in (body.words(body.prologue_steps), body.words(body.steps))
    ]
    return first, rest


# --- run by Python ---


_RUNS = itertools.count()


def run_control(control: Control, arrays: list[Array]) -> list[Array]:
    """The results, by calls of the bodies' programs."""
    # What a body keeps between rounds depends on inputs that other runs have others of.
    held = Held((), (next(_RUNS),))
    if control.node.op is SWITCH:
        return control.bodies[int(arrays[0])].run(arrays[1:], held)
    (body,) = control.bodies
    count = len(control.results)
    carry, rest = arrays[:count], arrays[count:]
    while all(carry[gate] for gate in control.node.attrs["gates"]):
        carry = body.run([*carry, *rest], held)
    return carry
