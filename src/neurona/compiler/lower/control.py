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
from neurona.autodiff.steps import SCAN, order_of
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import aligned
from neurona.compiler.lower.indices import index_checks
from neurona.compiler.run.memory import Held
from neurona.compiler.run.runner import CHOOSE, ENDLESS, REPEAT, SIGNALS
from neurona.core import dtypes
from neurona.core.apply import TAKE_RESULT
from neurona.core.buffer import Buffer
from neurona.core.errors import NeuronaError
from neurona.core.node import Node, placeholder
from neurona.core.op import LITERAL, Array, Spec
from neurona.core.subgraph import Subgraph
from neurona.core.trace import Trace
from neurona.graph.order import rewrite, topological, with_inputs
from neurona.graph.passes import make

if TYPE_CHECKING:
    from neurona.compiler.program import Program

Checks = list[tuple[Node, NeuronaError]]


class Slot(int):
    """A word that is the number of a slot, not a count or an address."""


def is_control(node: Node) -> bool:
    return node.op in (SWITCH, LOOP, SCAN)


def bodies_of(node: Node) -> tuple[Subgraph, ...]:
    """The branches of a choice, the body of a loop."""
    found: tuple[Subgraph, ...] = node.attrs.get("branches") or (node.attrs["body"],)
    return found


def steady_inputs(node: Node, body: Subgraph) -> tuple[Node, ...]:
    """The inputs of a body that are the same in every round."""
    if node.op is SCAN:
        return body.inputs[node.attrs["carries"] + node.attrs["scanned"] :]
    return body.inputs[len(body.outputs) :] if node.op is LOOP else ()


def count_carries(node: Node) -> int:
    """The carries of a loop: the first inputs, and the last results."""
    carries: int = node.attrs.get("carries", len(node.specs or ()))
    return carries


# --- results that nobody takes ---


def without_unused(outputs: Sequence[Node]) -> list[Node]:
    """The same graph, whose scans make only what is taken of their results."""
    taken: dict[int, set[int]] = {}
    for node in topological(outputs):
        if node.op is TAKE_RESULT and node.inputs[0].op is SCAN:
            taken.setdefault(id(node.inputs[0]), set()).add(node.attrs["index"])
    numbers: dict[int, list[int]] = {}

    def rule(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op is TAKE_RESULT and (kept := numbers.get(id(node.inputs[0]))) is not None:
            return make(TAKE_RESULT, inputs[0], index=kept.index(node.attrs["index"]))
        if node.op is not SCAN:
            return with_inputs(node, inputs)
        kept = numbers[id(node)] = _alive(node, taken[id(node)])
        if len(kept) == len(node.specs or ()):
            return with_inputs(node, inputs)
        body, attrs = node.attrs["body"], dict(node.attrs)
        rows, scanned = len(body.outputs) - attrs["carries"], attrs["scanned"]
        outs = [body.outputs[i] for i in kept]
        used = set(map(id, topological(outs)))
        carries = [i - rows for i in kept if i >= rows]
        across = range(attrs["carries"], attrs["carries"] + scanned)
        steady = range(attrs["carries"] + scanned, len(inputs))
        stacks = [i for i in across if id(body.inputs[i]) in used]
        chosen = [*carries, *stacks, *[i for i in steady if id(body.inputs[i]) in used]]
        attrs |= {
            "body": Subgraph([body.inputs[i] for i in chosen], outs),
            "carries": len(carries),
            "scanned": len(stacks),
            "gates": tuple(carries.index(gate) for gate in attrs["gates"]),
            "saved": 0,
        }
        return make(SCAN, *[inputs[i] for i in chosen], **attrs)

    return rewrite(outputs, rule)


def _alive(node: Node, taken: set[int]) -> list[int]:
    """The numbers of the results that are taken, and of the carries that these need."""
    body, carries = node.attrs["body"], node.attrs["carries"]
    rows = len(body.outputs) - carries
    alive = {*taken, *[rows + gate for gate in node.attrs["gates"]]}
    while True:
        used = set(map(id, topological([body.outputs[i] for i in sorted(alive)])))
        more = {rows + i for i in range(carries) if id(body.inputs[i]) in used} - alive
        if not more:
            return sorted(alive)
        alive |= more


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
    old, count, more = bodies_of(node)[0], count_carries(node), len(checks)
    nowhere = Trace()
    places = [placeholder(Spec((), dtypes.bool_), nowhere) for _ in checks]
    body = Subgraph(
        [*old.inputs[:count], *places, *old.inputs[count:]],
        [*outputs, *[ok for ok, _ in checks]],
    )
    gates = (*node.attrs["gates"], *range(count, count + more))
    truths = [_true() for _ in checks]
    attrs = node.attrs | {"body": body, "gates": gates}
    if node.op is SCAN:
        attrs["carries"] = count + more
    return make(node.op, *inputs[:count], *truths, *inputs[count:], **attrs)


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
        tuple(storage_of(aligned(x)[0]) for x in node.inputs),
        tuple(
            storage_of(taken[i]) if i in taken else storage(f"result {i}", spec)
            for i, spec in enumerate(specs)
        ),
        tuple(storage(f"next {i}", spec) for i, spec in _carried(node)),
        Storage(node, "arena", max(body.size for body in bodies), dtypes.uint8),
    )


def _carried(node: Node) -> list[tuple[int, Spec]]:
    """The results of a loop that are carried, by number."""
    specs = list(enumerate(node.specs or ()))
    return specs[len(specs) - count_carries(node) :] if node.op in (LOOP, SCAN) else []


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
    node, attrs = control.node, control.node.attrs
    count, scanned = count_carries(node), attrs.get("scanned", 0)
    stacked = len(results) - count
    steps = attrs.get("length", ENDLESS)
    whole, carried = [*inputs[count : count + scanned], *results[:stacked]], results[stacked:]
    rows = [_new_slot(program) for _ in whole]
    first, rest = _inline(
        program,
        body,
        [*carried, *rows[:scanned], *inputs[count + scanned :]],
        [*rows[scanned:], *following],
        base,
    )
    moved: list[int] = []
    shapes = [x.spec for x in body.inputs[count : count + scanned]]
    shapes += [Spec(spec.shape[1:], spec.dtype) for spec in (node.specs or ())[:stacked]]
    for stack, row, spec in zip(whole, rows, shapes, strict=True):
        step = math.prod(spec.shape) * spec.dtype.itemsize
        start = step * (steps - 1) if attrs["reverse"] else 0
        moved += [stack, row, start, -step if attrs["reverse"] else step]
    sizes = [math.prod(spec.shape) * spec.dtype.itemsize for _, spec in _carried(node)]
    carries = zip(inputs[:count], carried, following, sizes, strict=True)
    gates = [carried[gate] for gate in attrs["gates"]]
    signals = _new_slot(program)
    program.constants.append((signals, SIGNALS))
    return [
        *(REPEAT, signals, steps, len(rows), *moved),
        *(count, *itertools.chain(*carries), len(gates), *gates),
        *(len(first), *first, len(rest), *rest),
    ]


def _new_slot(program: Program) -> Slot:
    program.slot_count += 1
    return Slot(program.slot_count - 1)


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
            names[slot] = _new_slot(program)
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
    count, attrs = count_carries(control.node), control.node.attrs
    scanned = attrs.get("scanned", 0)
    carry, stacks, rest = arrays[:count], arrays[count : count + scanned], arrays[count + scanned :]
    specs = (control.node.specs or ())[: len(control.results) - count]
    made = [np.zeros(spec.shape, spec.dtype) for spec in specs]
    endless = control.node.op is LOOP
    for t in itertools.count() if endless else order_of(attrs["length"], attrs["reverse"]):
        if not all(carry[gate] for gate in attrs["gates"]):
            break
        values = body.run([*carry, *[stack[t] for stack in stacks], *rest], held)
        for stack, row in zip(made, values, strict=False):
            stack[t] = row
        carry = values[len(made) :]
    return [*made, *carry]
