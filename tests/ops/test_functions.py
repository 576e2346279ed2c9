"""Functions over the primitives: against NumPy, compiled against eager, and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, ShapeError, TraceError
from neurona.core.trace import recording

inf, nan = math.inf, math.nan
Function = Callable[[Any], Any]


def logsumexp(x: Any, axis: Any = None) -> Any:
    return np.log(np.sum(np.exp(x), axis))


def softmax(x: Any, axis: Any = -1) -> Any:
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


CASES: dict[str, tuple[Function, Function]] = {
    "mean": (lambda x: ne.mean(x, axis=(0, 2)), lambda x: np.mean(x, (0, 2))),
    "var": (lambda x: ne.var(x, axis=1, correction=1), lambda x: np.var(x, 1, ddof=1)),
    "std": (
        lambda x: ne.std(x, axis=-1, keepdims=True),
        lambda x: np.std(x, -1, keepdims=True),
    ),
    "prod": (lambda x: ne.prod(x, axis=(2, 0)), lambda x: np.prod(x, (0, 2))),
    "logsumexp": (lambda x: ne.logsumexp(x, axis=(0, 1)), lambda x: logsumexp(x, (0, 1))),
    "logsumexp of all": (ne.logsumexp, logsumexp),
    "softmax": (ne.softmax, softmax),
    "softmax over two axes": (lambda x: ne.softmax(x, axis=(0, 2)), lambda x: softmax(x, (0, 2))),
    "log_softmax": (lambda x: ne.log_softmax(x, axis=1), lambda x: np.log(softmax(x, 1))),
    "cumulative_sum": (lambda x: ne.cumulative_sum(x, axis=1), lambda x: np.cumsum(x, 1)),
    "cumulative_prod": (lambda x: ne.cumulative_prod(x, axis=2), lambda x: np.cumprod(x, 2)),
    "include_initial": (
        lambda x: ne.cumulative_prod(x, axis=0, include_initial=True),
        lambda x: np.concatenate([np.ones((1, 3, 4)), np.cumprod(x, 0)]),
    ),
    "permute_dims": (
        lambda x: ne.permute_dims(x, (1, -1, 0)),
        lambda x: np.transpose(x, (1, 2, 0)),
    ),
    "moveaxis": (
        lambda x: ne.moveaxis(x, (0, 1), (-1, 0)),
        lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
    ),
    "flip": (lambda x: ne.flip(x, axis=(0, -1)), lambda x: np.flip(x, (0, -1))),
    "roll": (lambda x: ne.roll(x, (1, -4), axis=(0, 2)), lambda x: np.roll(x, (1, -4), (0, 2))),
    "roll flattened": (lambda x: ne.roll(x, 5), lambda x: np.roll(x, 5)),
    "repeat": (lambda x: ne.repeat(x, 2, axis=1), lambda x: np.repeat(x, 2, 1)),
    "repeat each": (
        lambda x: ne.repeat(x, [0, 3, 1], axis=1),
        lambda x: np.repeat(x, [0, 3, 1], 1),
    ),
    "repeat flattened": (lambda x: ne.repeat(x, 2), lambda x: np.repeat(x, 2)),
    "tile": (lambda x: ne.tile(x, (2, 1, 1, 3)), lambda x: np.tile(x, (2, 1, 1, 3))),
    "tile fewer axes": (lambda x: ne.tile(x, (2,)), lambda x: np.tile(x, 2)),
    "pad": (
        lambda x: ne.pad(x, ((1, 0), (0, 2), (0, 0)), value=0.5),
        lambda x: np.pad(x, ((1, 0), (0, 2), (0, 0)), constant_values=0.5),
    ),
    "concat": (
        lambda x: ne.concat([x, x[:, :1], x * 2], axis=1),
        lambda x: np.concatenate([x, x[:, :1], x * 2], 1),
    ),
    "stack": (lambda x: ne.stack([x, -x], axis=2), lambda x: np.stack([x, -x], 2)),
    "unstack": (lambda x: ne.unstack(x, axis=1)[2], lambda x: x[:, 2]),
    "split": (lambda x: ne.split(x, (1, 3), axis=2)[1], lambda x: x[:, :, 1:]),
    "tril": (lambda x: ne.tril(x, k=1), lambda x: np.tril(x, 1)),
    "triu": (lambda x: ne.triu(x, k=-1), lambda x: np.triu(x, -1)),
    "diff": (lambda x: ne.diff(x, n=2), lambda x: np.diff(x, n=2)),
    "diff with ends": (
        lambda x: ne.diff(x, axis=1, prepend=x[:, :2], append=x[:, :1]),
        lambda x: np.diff(x, axis=1, prepend=x[:, :2], append=x[:, :1]),
    ),
    "meshgrid": (
        lambda x: ne.meshgrid(x[0, 0], x[0, :, 0])[0],
        lambda x: np.meshgrid(x[0, 0], x[0, :, 0])[0],
    ),
    "clip": (lambda x: ne.clip(x, -0.5, 0.7), lambda x: np.clip(x, -0.5, 0.7)),
}


@pytest.mark.parametrize("name", CASES)
def test_value_compiled_and_gradient(name: str, rng: np.random.Generator) -> None:
    function, reference = CASES[name]
    x = rng.normal(size=(2, 3, 4))
    expected = reference(x)
    found = function(ne.asarray(x))
    assert (found.shape, found.dtype) == (expected.shape, "float64")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    compiled = ne.compile(function)(ne.asarray(x))
    np.testing.assert_allclose(compiled.numpy(), found.numpy(), rtol=1e-12)
    ne.check_gradients(function, x, order=2)


REDUCTIONS = ("mean", "var", "std", "logsumexp", "logsumexp of all")


@pytest.mark.parametrize("name", [name for name in CASES if name not in (*REDUCTIONS, "meshgrid")])
def test_shapes_without_elements(name: str) -> None:
    function, reference = CASES[name]
    x = np.zeros((0, 3, 4))
    expected = reference(x)
    found = function(ne.asarray(x))
    assert (found.shape, found.dtype) == (expected.shape, "float64")
    np.testing.assert_array_equal(found.numpy(), expected)


# --- ranges and constants ---


@pytest.mark.parametrize(
    "arguments",
    [(5,), (0,), (-3,), (2, 7), (7, 2), (0, 10, 3), (10, 0, -3), (0, 1, 0.25), (1.5, -1, -0.5)],
)
def test_arange(arguments: tuple[Any, ...]) -> None:
    expected = np.arange(*arguments)
    found = ne.arange(*arguments, dtype=expected.dtype)
    np.testing.assert_array_equal(found.numpy(), expected)
    compiled = ne.compile(lambda: ne.arange(*arguments, dtype=expected.dtype))()
    np.testing.assert_array_equal(compiled.numpy(), expected)


def test_arange_at_the_ends_of_the_dtypes() -> None:
    top = 2**64 - 1
    assert ne.arange(top - 2, top, dtype=ne.uint64).tolist() == [top - 2, top - 1]
    assert ne.arange(top, top - 6, -3, dtype=ne.uint64).tolist() == [top, top - 3]
    assert ne.arange(-128, 128, 85, dtype=ne.int8).tolist() == [-128, -43, 42, 127]
    with pytest.raises(OverflowError, match="128 does not fit int8"):
        ne.arange(0, 129, 64, dtype=ne.int8)


@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 2, 7])
def test_linspace(num: int, endpoint: bool) -> None:
    expected = np.linspace(-1.5, 4.1, num, endpoint=endpoint)
    found = ne.linspace(-1.5, 4.1, num, endpoint=endpoint, dtype=ne.float64)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15)
    if num and endpoint:
        assert found[-1].item() == expected[-1]
    assert ne.linspace(0, 8, 3, dtype=ne.int32).tolist() == [0, 4, 8]


def test_eye_and_triangles() -> None:
    for rows, columns, k in ((3, None, 0), (2, 4, 1), (4, 2, -1), (2, 2, 5), (0, 3, 0)):
        expected = np.eye(rows, columns, k, dtype=np.int8)
        assert ne.eye(rows, columns, k=k, dtype=ne.int8).tolist() == expected.tolist()
    truth = ne.ones((3, 3), dtype=ne.bool)
    assert ne.tril(truth).tolist() == np.tri(3, dtype=bool).tolist()
    infinite = ne.full((2, 2), -inf)
    assert ne.triu(infinite, k=1).tolist() == [[0, -inf], [0, 0]]


def test_full_of_a_tensor_has_its_gradient() -> None:
    w = ne.Variable(2.0)
    ne.sum(ne.full((3, 2), w)).backward()
    assert w.grad is not None
    assert w.grad.item() == 6


def test_lists_of_tensors_are_stacked() -> None:
    w = ne.Variable(2.0)
    x = ne.asarray([[w, w * w], [1.0, ne.asarray(3)]])
    assert x.tolist() == [[2, 4], [1, 3]]
    ne.sum(x).backward()
    assert w.grad is not None
    assert w.grad.item() == 5


def test_repeat_needs_counts_it_knows() -> None:
    with recording(), pytest.raises(TraceError, match="repeat"):
        ne.repeat(ne.asarray([1, 2]), ne.asarray([1, 2]) + 0)
    with pytest.raises(ArgumentError, match="found -1"):
        ne.repeat([1, 2], [1, -1])
    with pytest.raises(ShapeError, match=r"\(3,\); an int or 2 integers"):
        ne.repeat([1, 2], [1, 2, 3])


# --- softmax and its like, where they must not overflow ---


def test_logsumexp_at_the_ends() -> None:
    def value(*x: float) -> float:
        return float(ne.logsumexp(ne.asarray(x, dtype=ne.float64)))

    assert value(1e4, 1e4) == pytest.approx(1e4 + math.log(2))
    assert value(-1e4, -1e4) == pytest.approx(-1e4 + math.log(2))
    assert value(-inf, -inf) == -inf
    assert value(-inf, 3.0) == 3
    assert value(inf, 1.0) == value(inf, -inf) == inf
    assert math.isnan(value(nan, 1.0))
    assert value() == -inf
    gradient = ne.grad(ne.logsumexp)
    assert gradient(ne.asarray([-inf, -inf])).tolist() == [0, 0]
    assert gradient(ne.asarray([-inf, 5.0])).tolist() == [0, 1]


def test_softmax_at_the_ends() -> None:
    assert ne.softmax([1e4, 1e4, -inf]).tolist() == [0.5, 0.5, 0]
    assert ne.log_softmax([1e4, 0.0]).tolist() == [0, -1e4]
    assert all(math.isnan(x) for x in ne.softmax([-inf, -inf]).tolist())
    masked = ne.grad(lambda x: ne.sum(ne.softmax(x) * ne.asarray([1.0, 2.0, 3.0])))
    assert masked(ne.asarray([0.0, 0.0, -inf])).tolist() == [-0.25, 0.25, 0]


def test_half_precision_accumulates_in_float32() -> None:
    x = ne.full((4096,), 100.0, dtype=ne.float16)
    assert ne.mean(x).item() == 100
    assert ne.var(x).item() == 0
    ones = ne.ones(4096, dtype=ne.bfloat16)
    assert ne.sum(ones).item() == 4096
    assert ne.cumulative_sum(ones)[-1].item() == 4096


# --- rules at ties and zeros ---


def test_extremes_share_their_gradient_among_ties() -> None:
    x = ne.asarray([[2.0, 5.0, 5.0], [1.0, 1.0, 1.0]])
    largest = ne.grad(lambda x: ne.sum(ne.max(x, axis=1)))(x)
    np.testing.assert_allclose(largest.numpy(), [[0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)
    smallest = ne.grad(lambda x: ne.min(x))(x)
    np.testing.assert_allclose(smallest.numpy(), [[0, 0, 0], [1 / 3] * 3], rtol=1e-6)


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3)])
def test_products_have_the_right_derivatives_at_zeros(zeros: tuple[int, ...]) -> None:
    x = np.asarray([1.5, -2.0, 0.5, 3.0])
    x[list(zeros)] = 0
    others = [np.prod(np.delete(x, i)) for i in range(4)]
    gradient = ne.grad(lambda x: ne.prod(x))
    np.testing.assert_allclose(gradient(ne.asarray(x)).numpy(), others)
    second = ne.hessian(lambda x: ne.prod(x))(ne.asarray(x)).numpy()
    for i, j in np.ndindex(4, 4):
        assert second[i, j] == pytest.approx(0 if i == j else np.prod(np.delete(x, (i, j))))
    ne.check_gradients(lambda x: ne.cumulative_prod(x), x, order=2)


# --- one-hot ---


def test_one_hot() -> None:
    assert ne.one_hot([[1], [0]], 3, axis=0).tolist() == [[[0], [1]], [[1], [0]], [[0], [0]]]
    assert ne.one_hot(2, 4, dtype=ne.bool).tolist() == [False, False, True, False]
    with pytest.raises(IndexOutOfRangeError, match=r"indices\[1\] is -1; the places are 0…2"):
        ne.one_hot([0, -1], 3)


def test_one_hot_out_of_range_stops_a_compiled_program_before_it_writes() -> None:
    seen = ne.Variable(0.0)

    @ne.compile
    def count(labels: ne.Tensor) -> ne.Tensor:
        seen.assign(seen + 1)
        return ne.one_hot(labels, 3)

    assert count(ne.asarray([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(
        IndexOutOfRangeError, match=r"one_hot: indices\[1\] is 3; the places are 0…2"
    ):
        count(ne.asarray([0, 3]))
    assert seen.item() == 1
