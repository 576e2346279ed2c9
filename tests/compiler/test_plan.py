"""The order of tasks, updates in place, and the arena."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.lower.plan import value_key
from neurona.core.check import ensure
from tests.compiler.programs import copies, entry_of, program_of

N = 40


def variable(*shape: int, start: float = 0.0) -> ne.Variable:
    size = int(np.prod(shape))
    return ne.Variable((start + np.arange(size)).reshape(shape).astype(np.float32))


def run(function: Any, *variables: ne.Variable, copied: int) -> list[np.ndarray]:
    """The Variables' values after one call, which must be those of eager mode."""
    before = [v.numpy() for v in variables]
    function()
    expected = [v.numpy() for v in variables]
    for v, value in zip(variables, before, strict=True):
        v.assign(value)
    program = program_of(ne.compile(function))
    values = [v.numpy() for v in variables]
    for value, wanted in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, wanted)
    assert len(copies(program)) == copied
    return values


def test_an_elementwise_update_is_written_in_place() -> None:
    v = variable(N)
    run(lambda: v.assign(v * 2 + 1), v, copied=0)


def test_a_value_that_does_not_use_the_old_one_is_written_in_place() -> None:
    v, w = variable(N), variable(N, start=9)
    run(lambda: v.assign(w * 2 + 1), v, copied=0)


@pytest.mark.parametrize("shift", [1, -1, 7])
def test_reading_other_places_of_the_old_value_needs_a_copy(shift: int) -> None:
    v = variable(N)
    run(lambda: v.assign(ne.roll(v, shift) + v), v, copied=1)


def test_a_transposed_old_value_needs_a_copy() -> None:
    v = variable(8, 8)
    run(lambda: v.assign(v.T), v, copied=1)
    run(lambda: v.assign(v + v.T), v, copied=1)


def test_a_fold_of_the_old_value_earlier_in_the_kernel_needs_no_copy() -> None:
    v = variable(6, 8)
    run(lambda: v.assign(v - ne.sum(v)), v, copied=0)
    run(lambda: v.assign(v - ne.sum(v, axis=1, keepdims=True)), v, copied=0)


def test_a_fold_of_the_old_value_in_another_kernel_comes_first() -> None:
    v = variable(6, 8)
    run(lambda: v.assign(v - ne.sum(v, axis=0)), v, copied=0)


def test_a_swap_copies_one_of_the_two() -> None:
    a, b = variable(N), variable(N, start=100)

    def swap() -> None:
        old = ne.asarray(a) + 0
        a.assign(b)
        b.assign(old)

    run(swap, a, b, copied=1)


def test_a_ring_of_three() -> None:
    a, b, c = (variable(N, start=100 * i) for i in range(3))

    def turn() -> None:
        first = ne.asarray(a) + 0
        a.assign(b)
        b.assign(c)
        c.assign(first)

    run(turn, a, b, c, copied=1)


def test_each_reads_the_other_s_old_value() -> None:
    a, b = variable(N), variable(N, start=100)

    def mix() -> None:
        total, difference = a + b, a - b
        a.assign(total)
        b.assign(difference)

    run(mix, a, b, copied=1)


def test_each_reads_the_other_s_new_value() -> None:
    a, b = variable(N), variable(N, start=100)

    def mix() -> None:
        a.assign(a + b)
        b.assign(a - b)

    run(mix, a, b, copied=0)


def test_one_value_for_two_variables() -> None:
    a, b = variable(N), variable(N, start=100)

    def share() -> None:
        total = a + b
        a.assign(total)
        b.assign(total)

    run(share, a, b, copied=0)


def test_the_last_of_several_assignments_counts() -> None:
    v = variable(N)

    def twice() -> None:
        v.assign(v + 1)
        v.assign(v * 2)

    run(twice, v, copied=0)


def test_a_result_that_is_also_assigned() -> None:
    v = variable(N)
    step = ne.compile(lambda: v.assign(v + 1) or ne.asarray(v) * 1)
    first = step()
    second = step()
    np.testing.assert_array_equal(first.numpy(), np.arange(N) + 1)
    np.testing.assert_array_equal(second.numpy(), np.arange(N) + 2)
    np.testing.assert_array_equal(v.numpy(), second.numpy())


def test_the_old_value_as_a_result_survives_the_update() -> None:
    v = variable(N)

    def step() -> Any:
        old = v[::-1]
        v.assign(v + 1)
        return old, v * 1

    old, new = ne.compile(step)()
    np.testing.assert_array_equal(old.numpy(), np.arange(N)[::-1])
    np.testing.assert_array_equal(new.numpy(), np.arange(N) + 1)


def test_a_captured_value_of_before_does_not_change() -> None:
    v = variable(N)
    kept = v * 1
    shown = v.numpy()
    view = v[2:4]
    ne.compile(lambda: v.assign(v + 1))()
    np.testing.assert_array_equal(kept.numpy(), np.arange(N))
    np.testing.assert_array_equal(shown, np.arange(N))
    np.testing.assert_array_equal(view.numpy(), [2, 3])


def test_variables_are_written_after_all_checks() -> None:
    v, w = variable(N), variable(N)

    def step(x: Any) -> None:
        v.assign(v + x)
        ensure(ne.all(v < 1e6), "too large")
        w.assign(w + ne.sum(v))

    program = program_of(ne.compile(step), np.float32(1))
    plan = program.plan
    inputs = [value_key(node) for node in program.inputs]
    slots = {plan.slots[key] for key in inputs if key in plan.slots}
    for i, task in enumerate(plan.tasks):
        writes = {plan.slots[key] for key in task.writes()}
        assert not writes & slots or i >= plan.guarded


# --- memory ---


def test_the_arena_is_used_again() -> None:
    def chain(x: Any) -> Any:
        for _ in range(10):
            x = ne.tanh(x @ x)
        return x

    plan = program_of(ne.compile(chain), np.eye(64, dtype=np.float32) / 2).plan
    total = sum(
        storage.size * storage.dtype.itemsize
        for key, storage in {s.key: s for t in plan.tasks for s in t.buffers}.items()
        if plan.slots[key] in plan.arena()[0]
    )
    assert plan.arena()[1] < total / 3


def test_what_lives_at_the_same_time_does_not_overlap() -> None:
    def graph(x: Any) -> Any:
        parts = [ne.sum(x * i, axis=0) @ x for i in range(5)]
        return sum(parts[1:], parts[0]) * parts[2]

    plan = program_of(ne.compile(graph), np.ones((33, 33), np.float32)).plan
    places = plan.arena()[0]
    spans: dict[int, tuple[int, int, int, int]] = {}
    for i, task in enumerate(plan.tasks):
        for storage in task.buffers:
            slot = plan.slots[storage.key]
            if slot in places:
                begin = spans.get(slot, (0, 0, i, i))[2]
                start = places[slot]
                spans[slot] = (start, start + storage.size * storage.dtype.itemsize, begin, i)
    items = list(spans.values())
    for a in items:
        for b in items:
            apart = a[1] <= b[0] or b[1] <= a[0] or a[3] < b[2] or b[3] < a[2]
            assert a is b or apart, (a, b)
    assert all(start % 64 == 0 for start, *_ in items)


def test_results_have_memory_of_their_own() -> None:
    step = ne.compile(lambda x: (x, x[1:], x * 2, x.T))
    x = np.ones((3, 3), np.float32)
    results = [r.numpy() for r in step(x)]
    again = [r.numpy() for r in step(x + 1)]
    for i, result in enumerate(results):
        assert not np.shares_memory(result, x)
        for other in (*results[:i], *again):
            assert not np.shares_memory(result, other)
        np.testing.assert_array_equal(result, np.full_like(result, 1 + (i == 2)))


def test_what_is_returned_twice_is_one_tensor() -> None:
    one, other, (third,) = ne.compile(lambda x: (y := x + 1, x, (y,)))(np.zeros(3, np.float32))
    assert one is third
    np.testing.assert_array_equal(one.numpy() - other.numpy(), 1)


def test_versions_count_only_variables_that_are_written() -> None:
    a, b = variable(N), variable(N)
    entry = entry_of(ne.compile(lambda: a.assign(a + b)))
    assert (a.version, b.version) == (1, 0)
    assert entry.access.writes == [a]
    assert set(entry.reads) == {a, b}


def test_an_update_made_where_a_check_is_gives_way_alone() -> None:
    """A running total of what is checked, as in a training step, costs the others nothing."""
    total, v, w = variable(), variable(40, 40), variable(40, 40, start=9)
    x, y = ne.asarray(np.eye(40, dtype=np.float32)), ne.asarray(np.ones((40, 40), np.float32))

    def step() -> None:
        loss = ne.mean(v @ w)
        ensure(ne.isfinite(loss), "not finite")
        total.assign(total + loss)
        v.assign(v * 2 + loss * (x @ y))
        w.assign(w * 2 + loss * (y @ x))

    assert len(copies(program_of(ne.compile(step)))) == 1
