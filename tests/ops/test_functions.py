"""The functions that are made of several ops: against NumPy, differentiated, compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler import compile
from neurona.core.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfRangeError,
    ShapeError,
)
from tests.ops.derivatives import check_gradients

Array = np.ndarray[Any, Any]
inf, nan = float("inf"), float("nan")
_rng = np.random.default_rng(11)
matrix = _rng.uniform(-3, 3, (3, 4))
cube = _rng.uniform(-3, 3, (2, 3, 4))
row = _rng.uniform(0.5, 2, 4)
steps = np.arange(12.0).reshape(3, 4) / 8


@dataclass(frozen=True)
class Case:
    """A function of tensors, the same in NumPy, and inputs away from kinks."""

    name: str
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    inputs: tuple[Array, ...]
    order: int = 2


def np_softmax(x: Array, axis: Any) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def np_logsumexp(x: Array, axis: Any, keepdims: bool) -> Array:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


CASES = [
    Case("square", ne.square, lambda x: x * x, (matrix,)),
    Case("reciprocal", ne.reciprocal, lambda x: 1 / x, (row,)),
    Case("positive", ne.positive, lambda x: x, (matrix,)),
    Case("clip", lambda x: ne.clip(x, -1, 1.5), lambda x: np.clip(x, -1, 1.5), (matrix,)),
    Case("clip low", lambda x: ne.clip(x, 0.1), lambda x: np.maximum(x, 0.1), (matrix,)),
    Case("clip open", lambda x: ne.clip(x), lambda x: x, (matrix,)),
    Case("clip by tensors", ne.clip, np.clip, (4 * steps - 3, -1.2 - row / 20, 1.2 + row / 20)),
    Case("mean", ne.mean, np.mean, (matrix,)),
    Case(
        "mean of axes",
        lambda x: ne.mean(x, axis=(0, 2), keepdims=True),
        lambda x: x.mean((0, 2), keepdims=True),
        (cube,),
    ),
    Case("var", lambda x: ne.var(x, axis=1), lambda x: x.var(1), (matrix,)),
    Case(
        "var of a sample",
        lambda x: ne.var(x, axis=-1, correction=1, keepdims=True),
        lambda x: x.var(-1, ddof=1, keepdims=True),
        (cube,),
    ),
    Case("std", lambda x: ne.std(x, axis=0), lambda x: x.std(0), (matrix,)),
    Case(
        "logsumexp",
        lambda x: ne.logsumexp(x, axis=1, keepdims=True),
        lambda x: np_logsumexp(x, 1, True),
        (matrix,),
    ),
    Case("logsumexp of all", ne.logsumexp, lambda x: np_logsumexp(x, None, False), (cube,)),
    Case("softmax", ne.softmax, lambda x: np_softmax(x, -1), (cube,)),
    Case(
        "softmax of axes",
        lambda x: ne.softmax(x, axis=(0, 2)),
        lambda x: np_softmax(x, (0, 2)),
        (cube,),
    ),
    Case(
        "log_softmax",
        lambda x: ne.log_softmax(x, axis=0),
        lambda x: np.log(np_softmax(x, 0)),
        (matrix,),
    ),
    Case("count_nonzero", ne.count_nonzero, np.count_nonzero, (np.eye(3),), 0),
    Case("expand_dims", lambda x: ne.expand_dims(x, axis=1), lambda x: x[:, None], (matrix,)),
    Case("squeeze", lambda x: ne.squeeze(x[None], 0), lambda x: x, (matrix,)),
    Case("moveaxis", lambda x: ne.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), (cube,)),
    Case("matrix_transpose", ne.matrix_transpose, lambda x: x.swapaxes(-1, -2), (cube,)),
    Case(
        "roll",
        lambda x: ne.roll(x, (1, -2), axis=(0, 1)),
        lambda x: np.roll(x, (1, -2), (0, 1)),
        (matrix,),
    ),
    Case("roll flat", lambda x: ne.roll(x, 5), lambda x: np.roll(x, 5), (matrix,)),
    Case("repeat", lambda x: ne.repeat(x, 3, axis=1), lambda x: np.repeat(x, 3, 1), (matrix,)),
    Case(
        "repeat each",
        lambda x: ne.repeat(x, np.array([2, 0, 1, 3])),
        lambda x: np.repeat(x, [2, 0, 1, 3]),
        (row,),
    ),
    Case("tile", lambda x: ne.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), (matrix,)),
    Case(
        "pad",
        lambda x: ne.pad(x, ((1, 0), (2, 3)), value=7),
        lambda x: np.pad(x, ((1, 0), (2, 3)), constant_values=7),
        (matrix,),
    ),
    Case(
        "stack",
        lambda a, b: ne.stack([a, b], axis=1),
        lambda a, b: np.stack([a, b], 1),
        (matrix, steps),
    ),
    Case("unstack", lambda x: ne.unstack(x, axis=1)[2], lambda x: x[:, 2], (matrix,)),
    Case("split", lambda x: ne.split(x, (1, 3), axis=1)[1], lambda x: x[:, 1:], (matrix,)),
    Case("split evenly", lambda x: ne.split(x, 2, axis=1)[0], lambda x: x[:, :2], (matrix,)),
    Case(
        "meshgrid",
        lambda a, b: ne.meshgrid(a, b)[0],
        lambda a, b: np.meshgrid(a, b)[0],
        (row, row[:2]),
    ),
    Case(
        "meshgrid ij",
        lambda a, b: ne.meshgrid(a, b, indexing="ij")[1],
        lambda a, b: np.meshgrid(a, b, indexing="ij")[1],
        (row, row[:2]),
    ),
    Case("tril", lambda x: ne.tril(x, k=-1), lambda x: np.tril(x, -1), (cube,)),
    Case("triu", lambda x: ne.triu(x, k=1), lambda x: np.triu(x, 1), (cube,)),
    Case("diff", lambda x: ne.diff(x, n=2, axis=1), lambda x: np.diff(x, 2, 1), (matrix,)),
    Case(
        "diff with ends",
        lambda x, a: ne.diff(x, prepend=a, append=a),
        lambda x, a: np.diff(x, prepend=a, append=a),
        (matrix, matrix[:, :1]),
    ),
    Case(
        "cumulative_sum",
        lambda x: ne.cumulative_sum(x, axis=1, include_initial=True),
        lambda x: np.pad(np.cumsum(x, 1), ((0, 0), (1, 0))),
        (matrix,),
    ),
    Case(
        "cumulative_prod",
        lambda x: ne.cumulative_prod(x, axis=0),
        lambda x: np.cumprod(x, 0),
        (matrix,),
    ),
    Case("vecdot", lambda a, b: ne.vecdot(a, b), lambda a, b: (a * b).sum(-1), (cube, row)),
    Case("outer", ne.outer, np.outer, (row, row[:3])),
    Case(
        "tensordot",
        lambda a, b: ne.tensordot(a, b, axes=((2, 1), (1, 0))),
        lambda a, b: np.tensordot(a, b, ((2, 1), (1, 0))),
        (cube, matrix),
    ),
    Case(
        "einsum",
        lambda a, b: ne.einsum("bij,kj->bik", a, b),
        lambda a, b: np.einsum("bij,kj->bik", a, b),
        (cube, matrix),
    ),
    Case("matmul of vectors", ne.matmul, np.matmul, (row, row)),
    Case("matmul of a vector", ne.matmul, np.matmul, (cube, row)),
    Case("matmul by a matrix", ne.matmul, np.matmul, (cube, matrix.T.copy())),
    Case(
        "sort", lambda x: ne.sort(x, axis=0, descending=True), lambda x: -np.sort(-x, 0), (matrix,)
    ),
    Case("top_k", lambda x: ne.top_k(x, 2)[0], lambda x: -np.sort(-x, -1)[:, :2], (matrix,)),
    Case("logical_and", ne.logical_and, np.logical_and, (steps, steps - 0.5), 0),
    Case("logical_or", ne.logical_or, np.logical_or, (steps, steps - 0.5), 0),
    Case("logical_xor", ne.logical_xor, np.logical_xor, (steps, steps - 0.5), 0),
    Case("logical_not", ne.logical_not, np.logical_not, (steps,), 0),
    Case(
        "one_hot",
        lambda x: ne.one_hot(ne.astype(x, ne.int64), 4, axis=0),
        lambda x: np.eye(4, dtype=np.float32)[x.astype(int)].T,
        (np.array([2.0, 0.0, 3.0]),),
        0,
    ),
    Case("full_like", lambda x: ne.full_like(x, 2.5) + x, lambda x: x + 2.5, (matrix,)),
    Case(
        "arange and linspace",
        lambda x: x * ne.arange(4) + ne.linspace(0, 1, 4, dtype="float64"),
        lambda x: x * np.arange(4) + np.linspace(0, 1, 4),
        (matrix,),
    ),
    Case(
        "eye",
        lambda x: x @ ne.eye(4, 3, k=-1, dtype="float64"),
        lambda x: x @ np.eye(4, 3, -1),
        (matrix,),
    ),
]
EACH = pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])


@EACH
def test_values(case: Case) -> None:
    result = case.ours(*map(ne.asarray, case.inputs))
    expected = np.asarray(case.theirs(*case.inputs))
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result.numpy(), expected, rtol=4e-15, atol=4e-15)


@EACH
def test_gradients(case: Case) -> None:
    if case.order:
        check_gradients(case.ours, *case.inputs, order=case.order)
    else:
        leaves = [ne.asarray(x).requires_grad_() for x in case.inputs]
        assert not case.ours(*leaves).requires_grad


@EACH
def test_compiled(case: Case) -> None:
    for kind in (np.float64, np.float32):
        inputs = [ne.asarray(x.astype(kind)) for x in case.inputs]
        eager, compiled = case.ours(*inputs), compile(case.ours)(*inputs)
        assert compiled.dtype == eager.dtype
        bound = 16 * np.finfo(kind).eps
        np.testing.assert_allclose(compiled.numpy(), eager.numpy(), rtol=bound, atol=bound)


# --- edges ---


@pytest.mark.parametrize("run", [lambda f: f, compile], ids=["eager", "compiled"])
def test_softmax_and_its_kin_at_infinity(run: Callable[..., Any]) -> None:
    big = ne.asarray([1e4, 1e4, -1e4])
    assert run(ne.softmax)(big).tolist() == [0.5, 0.5, 0]
    np.testing.assert_allclose(
        run(ne.log_softmax)(big).numpy(), [-np.log(2)] * 2 + [-2e4 - np.log(2)], 1e-6
    )
    assert run(ne.logsumexp)(big).item() == np.float32(1e4 + np.log(2))
    assert run(ne.softmax)(ne.asarray([-inf, 0.0])).tolist() == [0, 1]
    assert np.isnan(run(ne.softmax)(ne.asarray([-inf, -inf])).numpy()).all()
    assert run(ne.logsumexp)(ne.asarray([-inf, -inf])).item() == -inf
    assert run(ne.logsumexp)(ne.asarray([inf, -inf])).item() == inf
    assert np.isnan(run(ne.logsumexp)(ne.asarray([nan, 1.0])).item())
    assert run(lambda x: ne.logsumexp(x, axis=1))(ne.zeros((2, 0))).tolist() == [-inf, -inf]


def test_gradients_at_infinity() -> None:
    x = ne.asarray([-inf, 0.0, 1.0]).requires_grad_()
    np.testing.assert_allclose(
        ne.gradients(ne.logsumexp(x), [x])[0].numpy(), [0, 0.26894143, 0.7310586], 1e-6
    )
    nothing = ne.asarray([-inf, -inf]).requires_grad_()
    assert ne.gradients(ne.logsumexp(nothing), [nothing])[0].tolist() == [0, 0]


def test_clip_keeps_the_gradient_inside_only() -> None:
    x = ne.asarray([-2.0, -1.0, 0.0, 1.0, 2.0, nan]).requires_grad_()
    clipped = ne.clip(x, -1, 1)
    assert clipped.tolist()[:5] == [-1, -1, 0, 1, 1]
    assert np.isnan(clipped.numpy()[5])
    (found,) = ne.gradients(clipped, [x], np.ones(6, np.float32))
    assert found.tolist() == [0, 1, 1, 1, 0, 1]
    assert ne.clip(ne.asarray(5, dtype="uint8"), -1, 300).dtype == ne.uint8


def test_means_of_halves_do_not_overflow() -> None:
    for dtype in (ne.float16, ne.bfloat16):
        x = ne.full((4096,), 60.0, dtype=dtype)
        assert ne.mean(x).dtype == dtype
        assert ne.mean(x).item() == 60
        assert ne.var(x).item() == 0


def test_reductions_of_nothing() -> None:
    nothing = ne.zeros((0, 2))
    assert np.isnan(ne.mean(nothing, axis=0).numpy()).all()
    assert ne.sum(nothing).item() == 0
    assert ne.prod(nothing).item() == 1
    assert ne.any(nothing).item() is False
    assert ne.all(nothing).item() is True
    assert ne.count_nonzero(nothing).item() == 0


@pytest.mark.parametrize(
    ("call", "error", "fragment"),
    [
        (lambda: ne.stack([np.zeros(2), np.zeros(3)]), ShapeError, "(2,) and (3,) must be equal"),
        (lambda: ne.stack([]), ArgumentError, "stack: at least one tensor is needed"),
        (lambda: ne.split(np.zeros(5), 2), ShapeError, "axis 0 of shape (5,) has no 2 parts"),
        (lambda: ne.split(np.zeros(5), (2, 2)), ShapeError, "sizes (2, 2) must add up to axis 0"),
        (lambda: ne.squeeze(np.zeros((2, 1)), 0), ShapeError, "not all of extent 1"),
        (lambda: ne.permute_dims(np.zeros((2, 1)), (0, 0)), ShapeError, "must name each axis"),
        (lambda: ne.moveaxis(np.zeros((2, 1)), (0, 1), 0), ShapeError, "2 axes for 1 places"),
        (lambda: ne.repeat(np.zeros(2), -1), ArgumentError, "must not be negative, found -1"),
        (lambda: ne.repeat(np.zeros(2), np.array([1, 2, 3])), ShapeError, "2 integers are needed"),
        (lambda: ne.roll(np.zeros(2), (1, 2)), ArgumentError, "several shifts need one axis each"),
        (lambda: ne.meshgrid(np.zeros((2, 2))), ShapeError, "operands are 1-d, found shape (2, 2)"),
        (lambda: ne.meshgrid(np.zeros(2), indexing="no"), ArgumentError, "'xy' or 'ij', not 'no'"),
        (lambda: ne.diff(np.zeros(3), n=-1), ArgumentError, "n must not be negative, found -1"),
        (lambda: ne.tril(np.zeros(3)), ShapeError, "tril: shape (3,) has fewer than two axes"),
        (lambda: ne.triu(np.zeros(3)), ShapeError, "triu: shape (3,) has fewer than two axes"),
        (lambda: ne.one_hot(np.zeros(2), 3), DTypeError, "indices are integers, not float64"),
        (lambda: ne.one_hot([0, 3], 3), IndexOutOfRangeError, "index 3 at position (1,)"),
        (lambda: ne.one_hot([0, -1], 3), IndexOutOfRangeError, "index -1 at position (1,)"),
        (lambda: ne.outer(np.zeros((2, 2)), np.zeros(2)), ShapeError, "both must have one axis"),
        (lambda: ne.vecdot(np.zeros(2), np.zeros(3)), ShapeError, "must have as many elements"),
        (lambda: ne.tensordot(np.zeros((2, 3)), np.zeros((3, 2))), ShapeError, "of equal extents"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], fragment: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert fragment in str(caught.value)
