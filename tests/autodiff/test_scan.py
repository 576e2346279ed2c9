"""`scan`: values and derivatives against the unrolled graph, trees, state, lengths, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.tree import flatten
from tests.autodiff.control import agree, both
from tests.autodiff.unrolled import unrolled

Cell = Callable[[Any, Any, Any], tuple[Any, Any]]


def elman(p: Any, h: Any, x: Any) -> tuple[Any, Any]:
    h = ne.tanh(x @ p["u"] + h @ p["w"].T + p["b"])
    return h, h * 2


def lstm(p: Any, state: Any, x: Any) -> tuple[Any, Any]:
    h, c = state["h"], state["c"]
    z = x @ ne.concat([p["u"]] * 4, axis=1) + ne.concat([h @ p["w"]] * 4, axis=1) * 0.5
    i, f, g, o = ne.split(z + ne.concat([p["b"]] * 4), 4, axis=1)
    c = ne.sigmoid(f) * c + ne.sigmoid(i) * ne.tanh(g)
    h = ne.sigmoid(o) * ne.tanh(c)
    return {"h": h, "c": c}, (h, {"none": None, "c": c})


def branching(p: Any, h: Any, x: Any) -> tuple[Any, Any]:
    """A choice, a function whose derivative is another function, a second use of a weight."""
    z = ne.cond(ne.sum(x) > 0, lambda z: ne.sin(z), lambda z: z * z, h @ p["w"] + x @ p["u"])
    return ne.cos(z) @ p["w"] + ne.exp(p["b"]) * h, ne.sum(z, axis=0)


def inner_scan(p: Any, h: Any, x: Any) -> tuple[Any, Any]:
    h, rows = ne.scan(lambda h, u: (ne.sin(h @ p["w"]) + u, ne.sum(h)), h, p["u"])
    return h, ne.sum(rows) * ne.sum(x)


def recomputed(p: Any, h: Any, x: Any) -> tuple[Any, Any]:
    return ne.checkpoint(lambda h, x: elman(p, h, x))(h, x)


def elementwise(p: Any, h: Any, x: Any) -> tuple[Any, Any]:
    """Weights whose gradient is no sum over rows, and one that stays outside."""
    w = ne.stop_gradient(p["w"])
    h = h * p["u"][0] + (h * p["u"][1] * ne.sum(p["w"] * w)) * ne.mean(x)
    return h, h[:, 0]


CELLS = [elman, lstm, branching, inner_scan, recomputed, elementwise]


def data(seed: int = 0, time: int = 4) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    p = {name: rng.normal(size=shape) / 2 for name, shape in
         {"w": (5, 5), "u": (3, 5), "b": (5,)}.items()}  # fmt: skip
    return p, rng.normal(size=(2, 5)), rng.normal(size=(time, 2, 3))


def loss_of(run: Any, cell: Cell, *, reverse: bool) -> Callable[..., Any]:
    def loss(p: Any, h: Any, x: Any) -> Any:
        init = {"h": h, "c": h * h} if cell is lstm else h
        last, rows = run(lambda h, x: cell(p, h, x), init, x, reverse=reverse)
        leaves = [leaf for leaf in flatten((last, rows))[0] if leaf is not None]
        return sum((ne.sum(ne.sin(leaf + i)) for i, leaf in enumerate(leaves)), ne.asarray(0.0))

    return loss


def slopes_of(loss: Any) -> Callable[..., Any]:
    return ne.grad(loss, argnums=(0, 1, 2))


def curvature_of(loss: Any) -> Callable[..., Any]:
    slopes = slopes_of(loss)
    return slopes_of(lambda *args: sum(ne.sum(ne.cos(leaf)) for leaf in flatten(slopes(*args))[0]))


def assert_close(found: Any, expected: Any) -> None:
    for a, b in zip(flatten(found)[0], flatten(expected)[0], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_derivatives_are_those_of_the_unrolled_graph(cell: Cell, reverse: bool) -> None:
    arguments = ne.core.tree.tree_map(ne.asarray, data())
    ours, theirs = [loss_of(run, cell, reverse=reverse) for run in (ne.scan, unrolled)]
    for of in (lambda loss: loss, slopes_of, curvature_of):
        assert_close(of(ours)(*arguments), of(theirs)(*arguments))


@pytest.mark.parametrize("cell", CELLS)
def test_compiled(cell: Cell) -> None:
    loss = loss_of(ne.scan, cell, reverse=False)
    p, h, x = data(1)
    given = ne.core.tree.tree_map(ne.asarray, (p, h, x))
    for of in (lambda loss: loss, slopes_of, curvature_of):
        assert_close(ne.compile(of(loss))(p, h, x), of(loss)(*given))


def test_finite_differences() -> None:
    p, h, x = ne.core.tree.tree_map(ne.asarray, data(2))
    loss = loss_of(ne.scan, elman, reverse=False)
    report = ne.check_gradients(lambda w, h, x: loss({**p, "w": w}, h, x), p["w"], h, x, order=2)
    assert report


def test_variables_get_their_gradients() -> None:
    p, h, x = data()
    variables = {name: ne.Variable(value) for name, value in p.items()}

    def step(run: Any) -> Any:
        loss = loss_of(run, elman, reverse=False)(variables, ne.asarray(h), ne.asarray(x))
        loss.backward()
        found = {name: variable.grad for name, variable in variables.items()}
        for variable in variables.values():
            variable.grad = None
        return found

    expected = step(unrolled)
    assert_close(step(ne.scan), expected)
    assert_close(ne.compile(lambda: step(ne.scan))(), expected)


def test_only_some_results_are_differentiated() -> None:
    p, h, x = ne.core.tree.tree_map(ne.asarray, data())
    for pick in (lambda c, y: ne.sum(c), lambda c, y: ne.sum(y[1]), lambda c, y: ne.sum(y * y)):
        ours, theirs = [
            ne.grad(
                lambda h, x, run=run, pick=pick: pick(*run(lambda h, x: elman(p, h, x), h, x)),
                (0, 1),
            )
            for run in (ne.scan, unrolled)
        ]
        assert_close(ours(h, x), theirs(h, x))
        assert_close(ne.compile(ours)(h, x), theirs(h, x))


def test_numbers_trees_and_no_xs() -> None:
    def f(carry: Any, x: Any) -> Any:
        n, (a, b) = carry
        assert x is None
        return (n + 1, [b, a + b]), {"a": a, "n": n}

    def function(start: Any) -> Any:
        (n, _), rows = ne.scan(f, (0, [0.0, start]), length=6)
        return ne.concat([rows["a"], ne.astype(rows["n"], ne.float32), n[None] * 1.0])

    agree(function, [0, 1, 1, 2, 3, 5, 0, 1, 2, 3, 4, 5, 6], np.float32(1))


def test_no_steps() -> None:
    w = ne.Variable(np.ones((3, 3), np.float32))

    def loss(h: Any, x: Any) -> Any:
        last, rows = ne.scan(lambda h, x: (ne.tanh(h @ w + x), h), h, x)
        return ne.sum(last * last) + ne.sum(rows)

    def slopes(h: Any, x: Any) -> Any:
        return ne.concat([ne.grad(loss)(h, x), ne.gradients(loss(h, x), [w])[0]])

    h, x = np.ones((2, 3), np.float32), np.zeros((0, 2, 3), np.float32)
    agree(slopes, [[2] * 3] * 2 + [[0] * 3] * 3, ne.asarray(h), ne.asarray(x))
    assert ne.scan(lambda h, x: (h, h), h, x)[1].shape == (0, 2, 3)


def test_nothing_carried() -> None:
    agree(lambda x: ne.scan(lambda c, x: (c, x * 2), (), x)[1], [2, 4], np.float32([1, 2]))
    assert ne.scan(lambda c, x: (c, None), None, length=3) == (None, None)


def test_state_and_random_numbers_are_those_of_a_loop() -> None:
    state = ne.Variable(np.float32(0))

    def f(carry: Any, x: Any) -> Any:
        state.assign(state + x)
        return carry + ne.random.normal(()), state * 2

    results = []
    for run in (unrolled, ne.scan, ne.compile(lambda *args: ne.scan(f, *args))):
        ne.random.seed(5)
        state.assign(np.float32(0))
        arguments = (ne.asarray(np.float32(0)), ne.asarray([1.0, 2.0, 3.0]))
        last, rows = run(*arguments) if run not in (unrolled, ne.scan) else run(f, *arguments)
        results.append([*rows.numpy(), last.item(), state.numpy()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_sequences_of_several_lengths(reverse: bool) -> None:
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(5, 4, 2)).astype(np.float32), np.array([3, 0, 5, 1])

    def function(x: Any, scan: Any = ne.scan) -> Any:
        f = lambda s, x: (s * 0.5 + x, {"y": s * x, "none": None})  # noqa: E731
        last, rows = scan(f, ne.zeros((4, 2)), x, lengths=lengths, reverse=reverse)
        return ne.concat([last[None], rows["y"]])

    expected = np.zeros((6, 4, 2), np.float32)
    for i, length in enumerate(lengths):
        if length:
            f = lambda s, x: (s * 0.5 + x, s * x)  # noqa: E731
            part = ne.asarray(x[:length, i])
            expected[0, i], expected[1 : length + 1, i] = unrolled(
                f, np.zeros(2, np.float32), part, reverse=reverse
            )
    agree(function, expected, ne.asarray(x))
    # What lies behind a sequence's end has no part in it.
    slope = ne.grad(lambda x: ne.sum(function(x)))(ne.asarray(x)).numpy()
    assert not any(slope[length:, i].any() for i, length in enumerate(lengths))
    assert slope[0, 3].any()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda x: ne.scan(lambda c, x: (c[:1], x), x, x), r"carry is float32 \(2,\).*\(1,\)"),
        (
            lambda x: ne.scan(lambda c, x: ({"a": c["a"] + 0.5}, x), {"a": 1}, x),
            r"carry\['a'\] is int64 \(\), f's carry\['a'\] float32 \(\)",
        ),
        (lambda x: ne.scan(lambda c, x: ((c, c), x), x, x), "structure"),
        (lambda x: ne.scan(lambda c, x: c, x, x), "a pair"),
        (lambda x: ne.scan(lambda c, x: (c, x), x, (x, x[:1])), r"xs\[0\] \(2,\), xs\[1\] \(1,\)"),
        (lambda x: ne.scan(lambda c, x: (c, x), x, x, length=3), r"xs \(2,\), length=3"),
        (lambda x: ne.scan(lambda c, x: (c, x), x), "length="),
        (lambda x: ne.scan(lambda c, x: (c, x), x, length=-1), "at least 0, found -1"),
        (lambda x: ne.scan(lambda c, x: (c, x), x, length=2.5), "length must be a whole number"),
        (lambda x: ne.scan(lambda c, x: (c, x), x, 1.0), "xs is a scalar"),
        (lambda x: ne.scan(lambda c, x: (c, x), x, x, lengths=x), "integers"),
        (lambda x: ne.scan(lambda c, x: (c, x), x, x, lengths=np.array([1, 2])), "y has shape"),
        (
            lambda x: ne.scan(lambda c, x: (c, c), x, x, lengths=np.array([2, 3])),
            r"scan: lengths\[1\] is 3; they lie in 0…2, the time",
        ),
        (
            lambda x: ne.scan(lambda c, x: (c, c), x, x, lengths=-ne.astype(x, ne.int32)),
            r"scan: lengths\[0\] is -1; they lie in 0…2, the time",
        ),
        (lambda x: ne.scan(lambda c, x: (c, x), x, x, lengths=np.array([1])), "carry has shape"),
        (lambda x: ne.scan(lambda c, x: (c if x > 0 else -c, x), x, x), "while"),
    ],
)
def test_mistakes_are_named(compiled: bool, run: Any, message: str) -> None:
    with pytest.raises(ne.core.errors.NeuronaError, match=message):
        (ne.compile(run) if compiled else run)(ne.asarray(np.float32([1, 2])))


def test_an_index_out_of_range_ends_the_loop() -> None:
    def function(table: Any, i: Any) -> Any:
        return ne.scan(lambda c, i: (c + ne.take(table, i), c), 0.0, i)[0]

    table = np.float32([1, 2, 4])
    assert [x.item() for x in both(function, table, np.array([2, 0]))] == [5, 5]
    for run in (function, ne.compile(function)):
        with pytest.raises(IndexError, match=r"index 7 is out of range.*\(3,\)"):
            run(ne.asarray(table), ne.asarray(np.array([2, 7, 0])))
