"""Variables of sessions, their initial values, and learning in a graph."""

from __future__ import annotations

import re
import runpy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.core.errors import ArgumentError, DTypeError, NeuronaError, ShapeError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "life_expectancy.py"


@pytest.fixture
def graph() -> ne.graph.Graph:
    return ne.graph.Graph()


def test_life_expectancy(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The listing of the notes: 19,000 runs of a training step; about 0.4 s."""
    start = time.perf_counter()
    w, b, loss = runpy.run_path(str(EXAMPLE))["main"](data_folder)
    seconds = time.perf_counter() - start
    assert (round(w, 4), round(b, 4), round(loss, 4)) == (-6.0702, 84.9295, 30.0355)
    assert "life expectancy = -6.0702 · births per woman + 84.9295" in capsys.readouterr().out
    assert seconds < 10


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (EXAMPLE.parents[1] / "docs" / "define_then_run.md").read_text(encoding="utf-8")
    (listing,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    code = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert set(listing.splitlines()) <= set(code)


def test_variables_need_their_initial_value(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable([1.0, 2.0], "weights")
        y = w * 2
        only = ne.graph.variables_initializer([w])
        b = ne.graph.variable(3, "bias")
        start = ne.graph.variables_initializer()
        zero = ne.graph.assign(b, 0)
    missing = r'variable "weights:0" has no value in this session; run the operation that graph.var'
    with ne.Session(graph) as session:
        for fetch in (w, y, [b, y]):
            with pytest.raises(ArgumentError, match=missing):
                session.run(fetch)
        assert session.run(only) is None
        np.testing.assert_array_equal(session.run(y), [2, 4])
        with pytest.raises(ArgumentError, match='variable "bias:0" has no value'):
            session.run(b)
        session.run(zero)  # What a variable was before does not matter here.
        assert session.run(b) == 0
        session.run(start)
        assert session.run(b) == 3
    with ne.Session(graph) as another, pytest.raises(ArgumentError, match=missing):
        another.run(y)


def test_each_session_has_values_of_its_own(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        count = ne.graph.variable(0, "count")
        tick = ne.graph.assign(count, count + 1)
        start = ne.graph.variables_initializer()
    one, two = ne.Session(graph), ne.Session(graph)
    for session in (one, two):
        session.run(start)
    for _ in range(3):
        one.run(tick)
    two.run(tick)
    assert (one.run(count), two.run(count)) == (3, 1)
    one.run(start)
    assert (one.run(count), two.run(count)) == (0, 1)


def test_initial_values_may_be_computed(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        scale = ne.graph.placeholder(ne.float32, name="scale")
        w = ne.graph.variable(scale * ne.random.normal((300, 100)), "w")
        v = ne.graph.variable(w * 0 + 1, "v")
        starts = [ne.graph.variables_initializer([x]) for x in (w, v)]
    with ne.Session(graph) as session:
        with pytest.raises(ArgumentError, match='variable "w:0" has no value'):
            session.run(starts[1])
        with pytest.raises(ArgumentError, match='the placeholder "scale:0"'):
            session.run(starts[0])
        session.run(starts[0], {scale: 0.1})
        first, again = session.run(w), session.run(w)
        np.testing.assert_array_equal(first, again)
        assert abs(first.std() - 0.1) < 0.002
        session.run(starts[1])
        assert (session.run(v) == 1).all()
        session.run(starts[0], {scale: 0.1})
        assert (session.run(w) != first).mean() > 0.99


def test_all_fetches_see_the_variables_of_before(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        a, b = ne.graph.variable([1.0, 2.0], "a"), ne.graph.variable([3.0, 4.0], "b")
        swap = [ne.graph.assign(a, b), ne.graph.assign(b, a)]
        total = a + b * 10
        start = ne.graph.variables_initializer()
    with ne.Session(graph) as session:
        session.run(start)
        *_, seen, here = session.run([*swap, total, a])
        np.testing.assert_array_equal(seen, [31, 42])
        np.testing.assert_array_equal(here, [1, 2])
        np.testing.assert_array_equal(session.run([a, b]), [[3, 4], [1, 2]])


def test_assignments_that_do_not_fit(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable([1.0, 2.0], "w")
        n = ne.graph.variable(0, "n")
        with pytest.raises(ShapeError, match=r'shape \(3,\), GraphVariable\("w:0".* \(2,\)'):
            ne.graph.assign(w, [1.0, 2.0, 3.0])
        with pytest.raises(DTypeError, match=r'int64, GraphVariable\("w:0".* float32; cast it'):
            ne.graph.assign(w, [1, 2])
        with pytest.raises(DTypeError, match=r"float32, GraphVariable.* int64"):
            ne.graph.assign(n, 1.5)
        both = [ne.graph.assign(n, 1), ne.graph.assign(n, n + 2)]
        start = ne.graph.variables_initializer()
    with ne.Session(graph) as session:
        session.run(start)
        with pytest.raises(ArgumentError, match=r'"assign_\d"\) and another .* both assign .n.;'):
            session.run(both)
        session.run([both[1], both[1]])
        assert session.run(n) == 2


RULES: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, 0.05),
    "momentum": lambda p: optim.SGD(p, 0.05, momentum=0.9, dampening=0.1),
    "nesterov": lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, 0.05),
    "adamw": lambda p: optim.AdamW(p, 0.05, weight_decay=0.1),
}


@pytest.mark.parametrize("rule", RULES)
def test_minimize_goes_the_way_of_the_eager_loop(rule: str, rng: np.random.Generator) -> None:
    """And so do two sessions beside each other, whose optimisers' slots are their own."""
    x, t = rng.normal(size=(6, 3)), rng.normal(size=6)
    first = rng.normal(size=3)
    weights = ne.Variable(first, "w")
    eager, wanted = RULES[rule]([weights]), []
    for _ in range(8):
        ne.mean((ne.matmul(ne.asarray(x), weights) - ne.asarray(t)) ** 2).backward()
        eager.step()
        wanted.append(weights.numpy())

    graph = ne.graph.Graph()
    with graph.as_default():
        inputs = ne.graph.placeholder(ne.float64, (6, 3), name="x")
        w = ne.graph.variable(first, "w")
        loss = ne.mean((ne.matmul(inputs, w) - t) ** 2)
        train = ne.graph.minimize(loss, RULES[rule]([w]))
        start = ne.graph.variables_initializer()
    sessions = [ne.Session(graph), ne.Session(graph)]
    for session in sessions:
        session.run(start)
    for right in wanted[:4]:
        sessions[0].run(train, {inputs: x})
        np.testing.assert_allclose(sessions[0].run(w), right, rtol=1e-12)
    for right in wanted:
        sessions[1].run(train, {inputs: x})
        np.testing.assert_allclose(sessions[1].run(w), right, rtol=1e-12)
    for right in wanted[4:]:
        sessions[0].run(train, {inputs: x})
        np.testing.assert_allclose(sessions[0].run(w), right, rtol=1e-12)
    sessions[0].run(start)  # Back to the beginning, slots too.
    sessions[0].run(train, {inputs: x})
    np.testing.assert_allclose(sessions[0].run(w), wanted[0], rtol=1e-12)


def test_slots_need_their_initial_value(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable(1.0, "w")
        start = ne.graph.variables_initializer()
        train = ne.graph.minimize(w * w, optim.SGD([w], 0.1, momentum=0.9))
    with ne.Session(graph) as session:
        session.run(start)
        with pytest.raises(ArgumentError, match='variable "minimize/momentum:0" has no value'):
            session.run(train)


def test_gradients_are_operations_of_the_graph(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable(3.0, "w")
        x = ne.graph.placeholder(ne.float32, name="x")
        loss = ne.square(w * x - 1)
        before = set(graph.nodes)
        train = ne.graph.minimize(loss, optim.SGD([w], 0.1), name="descend")
        start = ne.graph.variables_initializer()
    added = set(graph.nodes) - before
    assert len(added) > 3
    assert all(name.startswith("descend/") for name in added)
    assert repr(train) == 'Operation("descend")'
    with ne.Session(graph) as session:
        session.run(start)
        assert session.run([train, loss], {x: 2.0}) == [None, 25.0]
        assert session.run(w) == pytest.approx(3 - 0.1 * 2 * 5 * 2)


def test_a_new_learning_rate_holds_from_the_next_run_on(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable(1.0, "w", dtype=ne.float64)
        optimizer = optim.SGD([w], 0.5)
        train = ne.graph.minimize(w * 1.0, optimizer)
        start = ne.graph.variables_initializer()
    with ne.Session(graph) as session:
        session.run(start)
        session.run(train)
        assert session.run(w) == 0.5
        optimizer.learning_rate = 0.25
        session.run(train)
        assert session.run(w) == 0.25


def test_two_optimisers_take_turns(graph: ne.graph.Graph) -> None:
    """As in a game of two networks: each changes only its own variables."""
    with graph.as_default():
        a, b = ne.graph.variable(1.0, "a"), ne.graph.variable(1.0, "b")
        game = a * b
        ours = ne.graph.minimize(game, optim.SGD([a], 0.1))
        theirs = ne.graph.minimize(-game, optim.SGD([b], 0.1))
        start = ne.graph.variables_initializer()
    with ne.Session(graph) as session:
        session.run(start)
        session.run(ours)
        np.testing.assert_allclose(session.run([a, b]), [0.9, 1.0], rtol=1e-6)
        session.run(theirs)
        np.testing.assert_allclose(session.run([a, b]), [0.9, 1.09], rtol=1e-6)
        session.run([ours, theirs])  # Both from where they stood.
        np.testing.assert_allclose(session.run([a, b]), [0.9 - 0.109, 1.09 + 0.09], rtol=1e-6)


def test_frozen_and_unused_variables_stay(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable(1.0, "w")
        frozen = ne.graph.variable(1.0, "frozen", requires_grad=False)
        unused = ne.graph.variable(1.0, "unused")
        rule = optim.SGD([w, frozen, unused], 0.1, weight_decay=0.5)
        train = ne.graph.minimize(w * frozen, rule)
        start = ne.graph.variables_initializer()
        with pytest.raises(ArgumentError, match="depends on none of the 1 parameters"):
            ne.graph.minimize(w * frozen, optim.SGD([unused], 0.1))
        with pytest.raises(ShapeError, match=r"minimize: the output has shape \(2,\)"):
            ne.graph.minimize(w * ne.ones((2,)), rule)
        with pytest.raises(DTypeError, match="minimize: a int64 output has no derivative"):
            ne.graph.minimize(ne.graph.constant(1), rule)
    assert set(train.writes) == {w}
    with ne.Session(graph) as session:
        session.run(start)
        session.run(train)
        values = [float(value) for value in session.run([w, frozen, unused])]
        assert values == [pytest.approx(1 - 0.1 * 1.5), 1.0, 1.0]


def network() -> nn.Sequential:
    ne.random.seed(5)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def test_layers_are_trained_where_they_are(rng: np.random.Generator) -> None:
    """Parameters and running statistics from outside change as in the eager loop."""
    batches = [rng.normal(size=(16, 4)).astype(np.float32) for _ in range(5)]
    labels = rng.integers(0, 3, size=(5, 16))
    model, twin = network(), network()
    rule = optim.SGD(twin.parameters(), 0.1, momentum=0.9)
    for x, t in zip(batches, labels, strict=True):
        nn.functional.cross_entropy(twin(ne.asarray(x)), ne.asarray(t)).backward()
        rule.step()

    graph = ne.graph.Graph()
    with graph.as_default():
        inputs = ne.graph.placeholder(ne.float32, (16, 4), name="x")
        targets = ne.graph.placeholder(ne.int64, (16,), name="t")
        loss = nn.functional.cross_entropy(model(inputs), targets)
        train = ne.graph.minimize(loss, optim.SGD(model.parameters(), 0.1, momentum=0.9))
        model.eval()
        scores = model(inputs)
    with ne.Session(graph) as session:
        for x, t in zip(batches, labels, strict=True):
            session.run(train, {inputs: x, targets: t})
        before = model.state_dict()
        found = session.run(scores, {inputs: batches[0]})
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(before[name], value, rtol=2e-4, atol=2e-6, err_msg=name)
    np.testing.assert_array_equal(before["1.running_mean"], model.state_dict()["1.running_mean"])
    twin.eval()
    np.testing.assert_allclose(found, twin(ne.asarray(batches[0])), rtol=1e-3, atol=1e-4)


def test_random_numbers(graph: ne.graph.Graph) -> None:
    """New ones with every run, as an eager program would draw them from the same generator."""
    with graph.as_default():
        a, b = ne.random.normal((40,)), ne.random.uniform((40,))
        y, still = a + 1, ne.graph.constant(1) + 1
    with ne.Session(graph) as session:
        ne.random.seed(3)
        runs = [session.run([a, b, y]) for _ in range(2)]
        ne.random.seed(3)
        for first, second, shifted in runs:
            np.testing.assert_allclose(first, ne.random.normal((40,)), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(second, ne.random.uniform((40,)), rtol=1e-6)
            np.testing.assert_array_equal(shifted, first + 1)
        state = ne.random.DEFAULT.state
        assert session.run(still) == 2  # Draws nothing, so the generator stays.
        assert ne.random.DEFAULT.state == state
        assert (session.run(b) != session.run(b)).any()


def test_dropout_draws_anew_with_every_run(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (1000,), name="x")
        w = ne.graph.variable(np.ones(1000, np.float32), "w")
        kept = nn.functional.dropout(x * w, 0.5, training=True)
        train = ne.graph.minimize(ne.sum(kept), optim.SGD([w], 1.0))
        start = ne.graph.variables_initializer()
    ones = np.ones(1000, np.float32)
    with ne.Session(graph) as session:
        session.run(start)
        first, _ = session.run([kept, train], {x: ones})
        np.testing.assert_array_equal(session.run(w), 1 - first)  # The same mask both ways.
        second = session.run(kept, {x: ones, w: ones})
        assert 350 < (first != second).sum() < 650
        assert 400 < (first == 0).sum() < 600


def test_a_failed_run_changes_nothing(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        table = ne.graph.variable([[1.0, 2.0], [3.0, 4.0]], "table")
        index = ne.graph.placeholder(ne.int64, (2,), name="index")
        loss = ne.sum(ne.take(table, index, axis=0))
        train = ne.graph.minimize(loss, optim.Adam([table], 0.1))
        start = ne.graph.variables_initializer()
    with ne.Session(graph) as session:
        session.run(start)
        session.run(train, {index: [0, 1]})
        before = session.run(table)
        with pytest.raises(NeuronaError, match="out of range"):
            session.run(train, {index: [0, 2]})
        np.testing.assert_array_equal(session.run(table), before)
