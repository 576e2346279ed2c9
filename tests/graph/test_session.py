"""Running what is defined: only what a fetch needs, feeds and fetches of all kinds, errors."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfRangeError,
    NonFiniteError,
    ShapeError,
    TraceError,
)


@pytest.fixture
def graph() -> ne.graph.Graph:
    return ne.graph.Graph()


class Counted:
    """An operation that counts how often it is evaluated."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.count = 0

    def __call__(self, *operands: Any) -> Any:
        def evaluate(*arrays: Any) -> Any:
            self.count += 1
            return self.function(*arrays)

        return ne.numpy_function(evaluate, *operands, result=((), operands[0].dtype))


def operations(explanation: Any) -> set[str]:
    """The kinds of operation that a run does."""
    lines = [line.split(" = ")[1] for line in explanation.graph if " = " in line]
    return {line.partition("(")[0] for line in lines}


def test_power_of_the_notes(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        op1 = ne.add(2, 3)
        op2 = ne.multiply(2, 3)
        op3 = ne.pow(op2, op1)
    with ne.Session(graph) as session:
        result = session.run(op3)
        assert (result, type(result)) == (7776, np.int64)
        assert session.run([op1, op2]) == [5, 6]


def test_only_what_a_fetch_needs_is_run(graph: ne.graph.Graph) -> None:
    add, multiply, power = Counted(np.add), Counted(np.multiply), Counted(np.power)
    with graph.as_default():
        x = ne.graph.placeholder(ne.int64, name="x")
        y = ne.graph.placeholder(ne.int64, name="y")
        op1, op2 = add(x, y), multiply(x, y)
        op3 = power(op2, op1)
    feed = {x: 2, y: 3}
    with ne.Session(graph) as session:
        assert session.run(op2, feed) == 6
        assert (add.count, multiply.count, power.count) == (0, 1, 0)
        assert session.run(op3, feed) == 7776
        assert (add.count, multiply.count, power.count) == (1, 2, 1)
        assert session.run([op1, op3, op1], feed) == [5, 7776, 5]
        assert (add.count, multiply.count, power.count) == (2, 3, 2)


def test_explain_shows_what_is_run(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (4,), name="x")
        y = ne.graph.placeholder(ne.float32, (4,), name="y")
        product, total = x * y, x + y
        f = product + total
    feed = {x: np.ones(4, np.float32), y: np.ones(4, np.float32)}
    with ne.Session(graph) as session:
        assert operations(session.explain(product, feed)) == {"input", "multiply"}
        assert operations(session.explain(total, feed)) == {"input", "add"}
        assert operations(session.explain([f, product], feed)) == {"input", "add", "multiply"}


def test_the_graph_is_optimised(graph: ne.graph.Graph) -> None:
    """Numbers are folded, equal operations done once, marks dropped, and the rest is one kernel."""
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (8,), name="x")
        factor = ne.pow(ne.graph.constant(2.0), ne.graph.constant(3.0))
        y = ne.graph.identity(factor * x, "y") + factor * x
    with ne.Session(graph) as session:
        explained = session.explain(y, {x: np.ones(8, np.float32)})
        assert [line.partition(" = ")[2].partition("(")[0] for line in explained.graph] == [
            *("input", "multiply", "add"),
            "",
        ]
        assert len(explained.kernels) == 1
        np.testing.assert_array_equal(
            session.run(y, {x: np.arange(8.0, dtype="f4")}), 16 * np.arange(8)
        )


def test_sum_and_product_as_a_graph(graph: ne.graph.Graph) -> None:
    """f(x, y) = xy + (x + y), and its gradients as operations of the same graph."""
    with graph.as_default():
        x = ne.graph.placeholder(ne.float64, name="x")
        y = ne.graph.placeholder(ne.float64, name="y")
        f = x * y + (x + y)
        before = len(graph.nodes)
        slopes = ne.gradients(f, [x, y])
        (curve,) = ne.gradients(slopes[0], [y])
    assert len(graph.nodes) > before
    assert all(slope._node.trace is graph for slope in slopes)
    with ne.Session(graph) as session:
        assert session.run([f, *slopes, curve], {x: 2, y: 3}) == [11, 4, 3, 1]


def test_nested_fetches(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.int32, (2,), name="x")
        doubled, total = x * 2, ne.sum(x)
    with ne.Session(graph) as session:
        feed = {x: [1, 2]}
        assert session.run(total, feed) == 3
        assert session.run([total], feed) == [3]
        assert session.run((total, total), feed) == (3, 3)
        found = session.run({"sum": total, "all": [doubled, (x,)]}, feed)
        assert found.keys() == {"sum", "all"}
        assert found["sum"] == 3
        np.testing.assert_array_equal(found["all"][0], [2, 4])
        np.testing.assert_array_equal(found["all"][1][0], [1, 2])
        assert session.run([], feed) == []
        assert session.run({}, {}) == {}


def test_results_are_memory_of_their_own(graph: ne.graph.Graph) -> None:
    fed = np.asarray([1.0, 2.0], np.float32)
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (2,), name="x")
        y = x + 1
    with ne.Session(graph) as session:
        first, same = session.run([y, x], {x: fed})
        second = session.run(y, {x: fed})
        first[0] = same[0] = -1
        np.testing.assert_array_equal(second, [2, 3])
        np.testing.assert_array_equal(fed, [1, 2])


def test_feeds_of_all_kinds(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (2, 2), name="x")
        half = ne.graph.placeholder(ne.bfloat16, name="half")
        yes = ne.graph.placeholder(ne.bool, name="yes")
        y = ne.where(yes, x.T, x)
        z = half + 1
    wanted = [[1, 3], [2, 4]]
    values: list[Any] = [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        np.asarray([[1, 2], [3, 4]], np.float32),
        np.asarray([[1, 3], [2, 4]], np.float32).T,
        ne.asarray([[1.0, 2.0], [3.0, 4.0]]),
        ne.Variable([[1.0, 2.0], [3.0, 4.0]]),
    ]
    with ne.Session(graph) as session:
        for value in values:
            np.testing.assert_array_equal(session.run(y, {x: value, yes: True}), wanted)
        for number in (0.5, ne.asarray(0.5, dtype=ne.bfloat16), np.asarray(0.5, ne.bfloat16)):
            assert session.run(z, {half: number}) == 1.5
        assert session.run(y, {yes: np.bool_(False), x: wanted, half: 1}).tolist() == wanted


def test_any_tensor_can_be_fed(graph: ne.graph.Graph) -> None:
    costly = Counted(np.square)
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, name="x")
        w = ne.graph.variable(2.0, "w")
        c = ne.graph.constant(10.0)
        middle = costly(x * w)
        y = middle + c
        change = ne.graph.assign(w, w * 3)
    with ne.Session(graph) as session:
        assert session.run(y, {middle: 1}) == 11
        assert costly.count == 0
        assert session.run(y, {x: 3, w: 1}) == 19  # w needs no value when one is fed.
        assert session.run(y, {middle: 1, c: 5}) == 6
        fed = np.asarray(7, np.float32)
        assert session.run([change, w], {w: fed}) == [None, 7]
        assert (session.run(w), fed) == (21, 7)


def test_missing_feeds(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, name="x")
        images = ne.graph.placeholder(ne.uint8, (10, 784), name="images")
        y, z = x + 1, x + images
    with ne.Session(graph) as session:
        message = r'a value for the placeholder "x:0" \(float32 \(\)\); give it in feed_dict'
        with pytest.raises(ArgumentError, match=message):
            session.run(y)
        with pytest.raises(ArgumentError, match=r'"images:0" \(uint8 \(10, 784\)\);'):
            session.run(z, {x: 1})
        with pytest.raises(ArgumentError, match=r'"images:0" .* and "x:0"'):
            session.run(z)
        assert session.run(y, {x: 1}) == 2


def test_feeds_that_do_not_fit(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (2, 3), name="x")
        n = ne.graph.placeholder(ne.int8, name="n")
        fetches = [x * 2, n * 2]
    right, one = np.zeros((2, 3), np.float32), np.int8(1)
    with ne.Session(graph) as session:
        with pytest.raises(ShapeError, match=r'"x:0" has shape \(2, 3\), the value fed \(3, 2\)'):
            session.run(fetches, {x: right.reshape(3, 2), n: one})
        with pytest.raises(ShapeError, match=r'"x:0" has shape \(2, 3\), the value fed \(\)'):
            session.run(fetches, {x: 0.0, n: one})
        both = r'"x:0" is float32 \(2, 3\), the value fed float64 \(2, 3\); cast it to float32'
        with pytest.raises(DTypeError, match=both):
            session.run(fetches, {x: right.astype(np.float64), n: one})
        for value in (1.5, np.int16(1), ne.asarray(1)):
            with pytest.raises(DTypeError, match=r'"n:0" is int8 \(\), the value fed '):
                session.run(fetches, {x: right, n: value})
        with pytest.raises(OverflowError, match=r'the value fed for "n:0": 300 does not fit int8'):
            session.run(fetches, {x: right, n: 300})
        for value, problem in ((None, "NoneType"), ([[1, 2], [3]], "rectangular"), ("a", "U1")):
            with pytest.raises((DTypeError, ShapeError), match=f'fed for "x:0": .*{problem}'):
                session.run(fetches, {x: value, n: 1})
        with pytest.raises(TraceError, match=r'the value fed for "x:0": the tensor "x:0" of a'):
            session.run(fetches, {x: x, n: 1})
        assert session.run(fetches[1], {x: right, n: -3}) == -6


def test_fetches_and_feeds_of_elsewhere(graph: ne.graph.Graph) -> None:
    other = ne.graph.Graph()
    with other.as_default():
        there = ne.graph.constant(1.0) + 1
        v = ne.graph.variable(1.0)
        start = ne.graph.variables_initializer()
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, name="x")
        y = x + 1
    with ne.Session(graph) as session:
        for fetch in (there, v, ne.asarray(1.0), ne.Variable(1.0)):
            with pytest.raises(ArgumentError, match=r"the fetch .* is not in this graph; make it"):
                session.run([y, fetch], {x: 1})
        with pytest.raises(ArgumentError, match=r'Operation\("init"\) is not in this graph'):
            session.run(start)
        for fetch in ("Add:0", None, 1.0, np.zeros(2)):
            with pytest.raises(ArgumentError, match="cannot be fetched; there are tensors"):
                session.run([fetch])
        with pytest.raises(ArgumentError, match=r"the key of feed_dict .* is not in this graph"):
            session.run(y, {x: 1, there: 1})
        with pytest.raises(ArgumentError, match=r"'x' cannot be fed; the keys of feed_dict are"):
            session.run(y, {"x": 1})
        assert session.run(graph.tensor("Add:0"), {x: 1}) == 2
    with pytest.raises(ArgumentError, match="a Graph is needed, not a Tensor"):
        ne.Session(x)  # type: ignore[arg-type]


def test_a_session_closes(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.constant(1.0) + 1
    with ne.Session(graph) as session:
        assert session.run(x) == 2
        with graph.as_default():  # It runs here, too, and what it does is not defined.
            assert session.run(x) == 2
    count = len(graph.nodes)
    with pytest.raises(ArgumentError, match="the session is closed; open a new one"):
        session.run(x)
    with pytest.raises(TraceError, match="a function is being compiled; run the session outside"):
        ne.compile(lambda: ne.Session(graph).run(x))()
    assert len(graph.nodes) == count


def test_a_program_for_each_combination(
    graph: ne.graph.Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    program = ne.compiler.fetch.Program

    def count(*args: Any) -> Any:
        made.append(1)
        return program(*args)

    monkeypatch.setattr("neurona.compiler.fetch.Program", count)
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (2,), name="x")
        y = x + 1
        z = y * 2
    with ne.Session(graph) as session:
        for i in range(5):
            np.testing.assert_array_equal(session.run(y, {x: [i, 2]}), [i + 1, 3])
        assert len(made) == 1
        for _ in range(3):
            session.run(graph.tensor("Add"), {graph.tensor("x"): [1, 2]})
        assert len(made) == 1
        for _ in range(2):
            session.run([y, z], {x: [1, 2]})
            session.run([z, y], {x: [1, 2]})
            session.run(z, {y: [1, 2]})
        assert len(made) == 4


def test_a_rebound_handle_is_another_fetch(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (2,), name="x")
        y = x * 2
        with ne.Session(graph) as session:
            assert session.run(y, {x: [1, 2]}).tolist() == [2, 4]
            y += 1
            assert session.run(y, {x: [1, 2]}).tolist() == [3, 5]
            y[0] = 7.0
            assert session.run(y, {x: [1, 2]}).tolist() == [7, 5]


def test_conditions_hold_where_they_matter(graph: ne.graph.Graph) -> None:
    """A check belongs to the runs that use what it looks at; nothing is written when it fails."""
    with graph.as_default():
        logits = ne.graph.placeholder(ne.float32, (2, 3), name="logits")
        labels = ne.graph.placeholder(ne.int64, (2,), name="labels")
        w = ne.graph.variable(1.0, "w")
        loss = w * ne.nn.functional.cross_entropy(logits, labels)
        train = ne.graph.minimize(loss, ne.optim.SGD([w], 0.1))
        start = ne.graph.variables_initializer()
        probabilities = ne.softmax(logits)
        row = ne.take(logits, labels, axis=0)
    x = np.zeros((2, 3), np.float32)
    with ne.Session(graph) as session:
        session.run(start)
        with pytest.raises(IndexOutOfRangeError, match="cross_entropy"):
            session.run(train, {logits: x, labels: [0, 3]})
        assert session.run(w) == 1
        with pytest.raises(IndexOutOfRangeError):
            session.run(row, {logits: x, labels: [0, 2]})
        np.testing.assert_allclose(session.run(probabilities, {logits: x}), 1 / 3, rtol=1e-6)
        assert session.run([loss, train], {logits: x, labels: [0, 2]})[0] == pytest.approx(
            np.log(3)
        )
        assert session.run(w) == pytest.approx(1 - 0.1 * np.log(3))


def test_a_failing_condition_of_ones_own(graph: ne.graph.Graph) -> None:
    from neurona.core.check import ensure

    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, name="x")
        ensure(ne.isfinite(x), "x is not finite", NonFiniteError)
        y = ne.graph.assign(ne.graph.variable(0.0, "last"), x)
    with ne.Session(graph) as session:
        session.run(y, {x: 1.0})
        with pytest.raises(NonFiniteError, match="x is not finite"):
            session.run(y, {x: float("nan")})
        assert session.run(graph.tensor("last")) == 1


def test_loops_and_recorded_bodies(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float64, (3,), name="x")
        w = ne.graph.variable(np.asarray([1.0, 2.0, 3.0]), "w")
        y = ne.sum(ne.checkpoint(lambda a: ne.sin(w * a))(x))
        slopes = ne.gradients(y, [x, w])
        start = ne.graph.variables_initializer()
    point, weights = np.asarray([0.1, 0.2, 0.3]), np.asarray([1.0, 2.0, 3.0])
    with ne.Session(graph) as session:
        session.run(start)
        by_x, by_w = session.run(slopes, {x: point})
    np.testing.assert_allclose(by_x, weights * np.cos(weights * point), rtol=1e-12)
    np.testing.assert_allclose(by_w, point * np.cos(weights * point), rtol=1e-12)


def test_several_threads(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (64,), name="x")
        y = ne.sum(x * 2)
        count = ne.graph.variable(0, "count")
        tick = ne.graph.assign(count, count + 1)
        start = ne.graph.variables_initializer()
    wrong: list[Any] = []
    with ne.Session(graph) as session:
        session.run(start)

        def work(number: int) -> None:
            for _ in range(200):
                found, _ = session.run([y, tick], {x: np.full(64, number, np.float32)})
                if found != 128 * number:
                    wrong.append(found)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert session.run(count) == 800
