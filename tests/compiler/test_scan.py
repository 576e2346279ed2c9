"""Scans in programs: one native loop, rows in place, weights packed once, gradients by products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.lower.control import Control
from neurona.compiler.program import Program
from tests.autodiff.unrolled import unrolled
from tests.compiler.test_control_flow import program_of


def scans_of(program: Program) -> list[Control]:
    return [task.control for task in program.plan.tasks if task.control is not None]


def names(program: Program) -> list[str]:
    return [str(task) for task in program.plan.tasks]


def cell(w: Any, h: Any, x: Any) -> tuple[Any, Any]:
    h = ne.tanh(h @ w + x)
    return h, h


def data(time: int, batch: int = 6, width: int = 40) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(time)
    w = rng.normal(size=(width, width)).astype(np.float32) / 8
    h = rng.normal(size=(batch, width)).astype(np.float32)
    return w, h, rng.normal(size=(time, batch, width)).astype(np.float32)


def test_one_native_segment_whose_weights_are_packed_once() -> None:
    function = ne.compile(lambda w, h, x: ne.scan(lambda h, x: cell(w, h, x), h, x))
    w, h, x = data(7)
    last, rows = function(w, h, x)
    expected = unrolled(lambda h, x: cell(w, h, x), h, ne.asarray(x))
    np.testing.assert_allclose(last, expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(rows, expected[1], rtol=1e-4, atol=1e-5)
    program = program_of(function)
    assert program.native
    assert len(program.segments) == 1
    (loop,) = scans_of(program)
    (body,) = loop.bodies
    assert all("matmul" in str(task) or "tanh" in str(task) for task in body.plan.tasks)
    assert all(loop.inputs[-1].size == task.buffers[0].size for task in body.plan.prologue)


def test_the_program_does_not_grow_with_the_length() -> None:
    counts = []
    for time in (3, 50):
        function = ne.compile(
            ne.grad(lambda w, h, x: ne.sum(ne.scan(lambda h, x: cell(w, h, x), h, x)[1]), (0, 1, 2))
        )
        function(*data(time))
        program = program_of(function)
        loops = scans_of(program)
        counts.append([len(program.plan.tasks), *[len(x.bodies[0].plan.tasks) for x in loops]])
    assert counts[0] == counts[1]
    assert len(counts[0]) == 3


def test_one_function_for_several_lengths() -> None:
    function = ne.compile(lambda w, h, x: ne.scan(lambda h, x: cell(w, h, x), h, x))
    for time in (3, 5, 0, 8):
        w, h, x = data(time)
        last, rows = function(w, h, x)
        eager = ne.scan(lambda h, x, w=w: cell(w, h, x), h, x)
        np.testing.assert_allclose(last, eager[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(rows, eager[1], rtol=1e-4, atol=1e-5)


def test_gradients_of_weights_are_one_product_of_all_steps() -> None:
    def loss(w: Any, b: Any, h: Any, x: Any) -> Any:
        return ne.sum(ne.scan(lambda h, x: cell(w, h, x + b), h, x)[1] ** 2)

    w, h, x = data(9)
    b = w[0]
    function = ne.compile(ne.grad(loss, argnums=(0, 1)))
    found = function(w, b, h, x)
    _, back = scans_of(program_of(function))
    # The state's cotangent alone is carried back.
    assert [spec.shape for spec in back.node.specs or ()] == [x.shape, h.shape]
    products = [task.matmul for task in program_of(function).plan.tasks if task.matmul]
    assert [(m.m, m.k, m.n) for m in products] == [(40, 9 * 6, 40)]

    def whole(w: Any, b: Any) -> Any:
        return ne.sum(unrolled(lambda h, x: cell(w, h, x + b), h, ne.asarray(x))[1] ** 2)

    expected = ne.grad(whole, argnums=(0, 1))(ne.asarray(w), ne.asarray(b))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_results_that_nobody_takes_are_not_made() -> None:
    def function(h: Any, x: Any) -> Any:
        step = lambda c, x: ((c[0] * 0.5 + x, c[1] + ne.exp(x)), (ne.sin(x), c[0]))  # noqa: E731
        return ne.scan(step, (h, h), x)[1][1]

    compiled = ne.compile(function)
    _, h, x = data(4)
    np.testing.assert_allclose(compiled(h, x), function(ne.asarray(h), ne.asarray(x)), rtol=1e-5)
    (loop,) = scans_of(program_of(compiled))
    assert [spec.shape for spec in loop.node.specs or ()] == [x.shape, h.shape]


def test_python_runs_steps_that_have_no_native_form() -> None:
    def function(h: Any, x: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return ne.numpy_function(np.cumsum, h, result=(h.shape, h.dtype)) + x, h

        return ne.scan(step, h, x, reverse=True)

    compiled = ne.compile(function)
    h, x = np.float32([1, 2]), np.float32([[1, 0], [0, 1], [5, 5]])
    for found, expected in zip(compiled(h, x), function(ne.asarray(h), ne.asarray(x)), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert not program_of(compiled).native


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (16, 16), (33, 70)])
def test_rows_that_begin_anywhere_in_memory(shape: tuple[int, int]) -> None:
    """Both operands of products, of rows whose bytes are no multiple of a vector's."""
    n, m = shape
    rng = np.random.default_rng(n)
    a = rng.normal(size=(5, m, m)).astype(np.float32) / m
    h = rng.normal(size=(n, m)).astype(np.float32)

    def loss(h: Any, a: Any, run: Any = ne.scan) -> Any:
        last, rows = run(lambda h, a: (ne.tanh(h @ a) + h, h @ a), h, a)
        return ne.sum(last**2) + ne.sum(ne.sin(rows))

    found = ne.compile(ne.grad(loss, argnums=(0, 1)))(h, a)
    expected = ne.grad(lambda h, a: loss(h, a, unrolled), argnums=(0, 1))(
        ne.asarray(h), ne.asarray(a)
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_same_bits_with_any_number_of_threads(threads: Any) -> None:
    function = ne.compile(
        ne.grad(lambda w, h, x: ne.sum(ne.scan(lambda h, x: cell(w, h, x), h, x)[1] ** 2), (0, 1))
    )
    arguments = data(6, 64, 200)
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(b"".join(x.numpy().tobytes() for x in function(*arguments)))
    assert len(set(found)) == 1


def test_several_scans_one_in_another() -> None:
    def function(x: Any) -> Any:
        def row(c: Any, x: Any) -> Any:
            c, ys = ne.scan(lambda c, x: (c * 0.5 + x, c), c, x, reverse=True)
            return c, ys * 2

        last, rows = ne.scan(row, 1.0, x)
        return ne.scan(lambda c, x: (c + ne.sum(x), c), last, rows)

    compiled = ne.compile(function)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    for found, expected in zip(compiled(x), function(ne.asarray(x)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert program_of(compiled).native


def test_explain_shows_the_body() -> None:
    function = ne.compile(lambda w, h, x: ne.scan(lambda h, x: cell(w, h, x), h, x)[0])
    explanation = function.explain(*data(3))
    (loop,) = [kernel for kernel in explanation.kernels if kernel.kind == "control"]
    assert loop.name == "scan"
    assert any(
        "matmul" in kernel.name and kernel.place.startswith("in ") for kernel in explanation.kernels
    )
