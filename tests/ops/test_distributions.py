"""Distributions, orders and choices against their formulae."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurona import random
from neurona.compiler import compile
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.variable import Variable
from neurona.ops.quantile import normal_quantile
from tests.ops.record import Array, tensor

N = 1 << 16


def kolmogorov(sample: Array, distribution: Callable[[float], float]) -> float:
    """√n·sup|empirical − given distribution function|; above 1.95 with probability 0.001."""
    ordered = np.sort(sample.astype(np.float64))
    n = len(ordered)
    expected = np.array([distribution(x) for x in ordered])
    ranks = np.arange(n) / n
    gap = np.maximum(expected - ranks, ranks + 1 / n - expected).max()
    return float(math.sqrt(n) * gap)


def chi_squared(counts: Array, probabilities: Array) -> float:
    """How many standard deviations χ² lies above its mean."""
    expected = probabilities * counts.sum()
    freedom = len(counts) - 1
    return float((((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom))


def phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_in_the_unit_interval(dtype: str) -> None:
    x = random.uniform(N, dtype=dtype, generator=random.Generator(1)).numpy()
    assert x.dtype == dtypes.as_dtype(dtype)
    wide = x.astype(np.float64)
    assert wide.min() >= 0
    assert wide.max() < 1
    digits = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[dtype]
    assert (wide * 2**digits == np.floor(wide * 2**digits)).all()
    counts = np.bincount((wide * 64).astype(int), minlength=64)
    assert abs(chi_squared(counts, np.full(64, 1 / 64))) < 4
    if digits > 20:
        assert kolmogorov(x, lambda v: v) < 1.95
        assert abs(wide.mean() - 0.5) < 4 * math.sqrt(1 / 12 / N)
        assert abs(wide.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / N)


def test_uniform_uses_all_digits() -> None:
    x = random.uniform(N, generator=random.Generator(1)).numpy()
    assert len(np.unique((x * 2**24).astype(np.int64) & 0xFF)) == 256
    assert (x == random.bits(N, generator=random.Generator(1)).numpy() // 256 * 2.0**-24).all()


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (1.0, 2.0, "float32"),
        (-1e-3, 0.0, "float32"),
        (-3.0, 5.0, "float16"),
        (1.0, 1.25, "bfloat16"),
        (7.0, 7.0, "float32"),
        (-1e300, 1e300, "float64"),
        (0, 3, "float32"),
    ],
)
def test_uniform_stays_below_high(low: float, high: float, dtype: str) -> None:
    kind = dtypes.as_dtype(dtype)
    x = random.uniform(N, low, high, dtype, generator=random.Generator(8)).numpy()
    assert (x >= np.asarray(low, kind)).all()
    assert (x < np.asarray(high, kind)).all() or low == high
    if low < high:
        fraction = (x.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2)
        assert abs(fraction.mean() - 0.5) < 4 * math.sqrt(1 / 12 / N) + 2.0**-7


def test_uniform_with_tensor_bounds() -> None:
    low, high = np.array([[0.0], [1.0]], np.float32), np.array([1.0, 2.0, 9.0], np.float32)
    x = random.uniform((2, 3), low, high, generator=random.Generator(8)).numpy()
    unit = random.uniform((2, 3), generator=random.Generator(8)).numpy()
    expected = np.minimum(unit * (high - low) + low, np.nextafter(high, low))
    np.testing.assert_array_equal(x, expected)


def test_bernoulli() -> None:
    for p in (0.0, 0.1, 0.5, 1.0):
        x = random.bernoulli(p, N, generator=random.Generator(3)).numpy()
        assert x.dtype == np.bool_
        assert abs(x.mean() - p) <= 4 * math.sqrt(p * (1 - p) / N)
    each = np.array([[0.0], [1.0]])
    drawn = random.bernoulli(each, (2, 50), generator=random.Generator(3)).numpy()
    assert not drawn[0].any()
    assert drawn[1].all()
    assert random.bernoulli(each).shape == (2, 1)


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 6.8), ("float64", 8.7)])
def test_normal(dtype: str, limit: float) -> None:
    x = random.normal(N, dtype=dtype, generator=random.Generator(1)).numpy().astype(np.float64)
    assert np.isfinite(x).all()
    assert abs(x).max() < limit
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - moment) < 4 * math.sqrt(variance / N)
    assert kolmogorov(x, phi) < 1.95
    pairs = np.corrcoef(x[:-1], x[1:])[0, 1]
    assert abs(pairs) < 4 / math.sqrt(N)


class Words(random.Generator):
    """A generator that always draws the same word."""

    def __init__(self, word: int) -> None:
        super().__init__()
        self.word = word

    def draw(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return tensor(np.full(shape, self.word, dtype))


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        # u₁ = 2^−33 and 2^−54 from the lowest word; 1 from the highest; u₂ = 0 and 1/2.
        ("float32", 0, 0, math.sqrt(66 * math.log(2))),
        ("float32", 0, 1 << 31, -math.sqrt(66 * math.log(2))),
        ("float32", 0xFFFFFFFF, 0, 0.0),
        ("float64", 0, 0, math.sqrt(108 * math.log(2))),
        ("float64", 0xFFFFFFFF, 0xFFFFFFFF, 0.0),
    ],
)
def test_normal_from_extreme_words(dtype: str, low: int, high: int, expected: float) -> None:
    x = random.normal((), dtype=dtype, generator=Words(low | high << 32)).item()
    assert math.isclose(x, expected, rel_tol=1e-6, abs_tol=1e-30)


def test_normal_parameters() -> None:
    standard = random.normal((3, 4), generator=random.Generator(5)).numpy()
    mean = Variable(np.zeros((4,), np.float32) + 2)
    std = Variable(np.float32(3))
    x = random.normal((3, 4), mean, std, generator=random.Generator(5))
    np.testing.assert_array_equal(x.numpy(), standard * np.float32(3) + np.float32(2))
    x.backward(tensor(np.ones((3, 4), np.float32)))
    assert mean.grad is not None
    assert std.grad is not None
    assert mean.grad.tolist() == [3.0] * 4
    np.testing.assert_allclose(std.grad.numpy(), standard.sum(), rtol=1e-5)
    assert random.normal((2, 3), dtype="float16").dtype == np.float16
    np.testing.assert_array_equal(
        random.normal((9,), 2, 3, generator=random.Generator(5)).numpy(),
        random.normal((9,), generator=random.Generator(5)).numpy() * np.float32(3) + np.float32(2),
    )


@pytest.mark.parametrize(("low", "high"), [(-2, 2), (-math.inf, 0.5), (1, 1.5), (6, math.inf)])
def test_truncated_normal(low: float, high: float) -> None:
    n = N // 4
    g = random.Generator(3)
    x = random.truncated_normal(n, 10, 2, low, high, "float64", generator=g).numpy()
    z = (x - 10) / 2
    assert z.min() >= low - 1e-14
    assert z.max() <= high + 1e-14
    # Through the mirror image, since Φ has no digits left near 1.
    below, above = phi(-high), phi(-low)
    assert kolmogorov(-z, lambda v: (phi(v) - below) / (above - below)) < 1.95


def test_truncated_normal_keeps_to_its_bounds_in_float32() -> None:
    x = random.truncated_normal(N, generator=random.Generator(3)).numpy()
    assert x.dtype == np.float32
    assert abs(x).max() <= 2


def test_normal_quantile_is_that_of_the_standard_library() -> None:
    exact = statistics.NormalDist().inv_cdf
    p = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 1001), 10.0 ** -np.arange(3, 300, 7)])
    np.testing.assert_allclose(normal_quantile(p), [exact(v) for v in p], rtol=1e-15, atol=1e-15)
    with pytest.raises(DTypeError, match="float64 is needed"):
        normal_quantile(np.float32(0.5))


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [(0, 10, None), (-3, 4, "int8"), (5, 6, "uint64"), (-128, 128, "int8"), (0, 256, "uint8")],
)
def test_integers(low: int, high: int, dtype: str | None) -> None:
    x = random.integers(low, high, N, dtype, generator=random.Generator(1)).numpy()
    assert x.dtype == np.dtype(dtype or np.int64)
    assert x.min() == low
    assert x.max() == high - 1
    counts = np.bincount(x.astype(np.int64) - low)
    if high - low > 1:
        assert abs(chi_squared(counts, np.full(high - low, 1 / (high - low)))) < 4


def test_integers_of_full_width() -> None:
    words = random.bits(5, "uint64", generator=random.Generator(1)).numpy()
    wide = random.integers(0, 2**64, 5, "uint64", generator=random.Generator(1))
    np.testing.assert_array_equal(wide, words)
    signed = random.integers(-(2**63), 2**63, 5, generator=random.Generator(1))
    np.testing.assert_array_equal(signed, (words ^ np.uint64(1 << 63)).view(np.int64))


# --- orders and choices ---


def test_permutation() -> None:
    g = random.Generator(1)
    order = random.permutation(1000, generator=g).numpy()
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert (order == np.arange(1000)).sum() < 8
    x = np.arange(12).reshape(3, 4)
    across = random.permutation(x, axis=1, generator=g).numpy()
    np.testing.assert_array_equal(np.sort(across, 1), x)
    assert len({tuple(row - row[0]) for row in across}) == 1
    assert random.permutation(0).shape == (0,)
    assert random.permutation(np.zeros((1, 3))).shape == (1, 3)


def test_all_orders_are_equally_likely() -> None:
    g = random.Generator(5)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(2400):
        key = tuple(random.permutation(4, generator=g).tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 24
    assert abs(chi_squared(np.array(list(counts.values())), np.full(24, 1 / 24))) < 4


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_categorical(dtype: str) -> None:
    p = np.array([0.5, 0.0, 0.25, 0.125, 0.125])
    with np.errstate(divide="ignore"):
        logits = np.log(p).astype(dtypes.as_dtype(dtype))
    x = random.categorical(logits, shape=N, generator=random.Generator(2)).numpy()
    assert x.dtype == np.int64
    counts = np.bincount(x, minlength=5)
    assert counts[1] == 0
    if dtype in ("float32", "float64"):
        assert abs(chi_squared(counts[p > 0], p[p > 0])) < 4
    else:
        np.testing.assert_allclose(counts / N, p, atol=0.01)


def test_categorical_of_rare_classes() -> None:
    logits = np.array([0.0, -8.0], np.float32)
    x = random.categorical(logits, shape=16 * N, generator=random.Generator(2)).numpy()
    expected = 16 * N / (1 + math.exp(8))
    assert abs(x.sum() - expected) < 4 * math.sqrt(expected)


def test_categorical_shapes() -> None:
    certain = np.full((2, 3, 4), -np.inf, np.float32)
    certain[0, :, 1], certain[1, :, 3] = 0, 0
    assert random.categorical(certain).tolist() == [[1] * 3, [3] * 3]
    certain = np.moveaxis(certain, -1, 0)
    assert random.categorical(certain, axis=0).tolist() == [[1] * 3, [3] * 3]
    drawn = random.categorical(certain[:, :, :1], axis=0, shape=(5, 2, 3))
    assert drawn.tolist() == [[[1] * 3, [3] * 3]] * 5
    assert random.categorical(np.zeros((0, 3), np.float32)).shape == (0,)


@pytest.mark.parametrize("word", [0, 0xFFFFFFFFFFFFFFFF])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_impossible_classes_are_never_drawn(word: int, dtype: str) -> None:
    class Extreme(Words):
        def draw(self, shape: tuple[int, ...], dtype: Any) -> Any:
            return tensor(np.full(shape, word >> (64 - 8 * np.dtype(dtype).itemsize), dtype))

    logits = np.array([-np.inf, 0, -np.inf], dtype)
    assert random.categorical(logits, generator=Extreme(word)).item() == 1


def test_choice() -> None:
    g = random.Generator(3)
    x = np.array([[10, 1], [20, 2], [30, 3]])
    rows = random.choice(x, (4, 2), generator=g).numpy()
    assert rows.shape == (4, 2, 2)
    np.testing.assert_array_equal(rows[..., 0], rows[..., 1] * 10)
    assert random.choice(x, 5, axis=1, generator=g).shape == (3, 5)
    assert sorted(random.choice(7, 7, replace=False, generator=g).tolist()) == list(range(7))
    assert random.choice(x, generator=g).shape == (2,)
    assert random.choice(0, 0).shape == (0,)
    weighted = random.choice(3, N, p=[1.0, 2.0, 1.0], generator=g).numpy()
    assert abs(chi_squared(np.bincount(weighted), np.array([0.25, 0.5, 0.25]))) < 4
    plain = random.choice(10, N, generator=g).numpy()
    assert abs(chi_squared(np.bincount(plain), np.full(10, 0.1))) < 4


def test_choice_without_replacement_renews_the_probabilities() -> None:
    g = random.Generator(3)
    p = {(0, 1): 0.3, (0, 2): 0.3, (1, 0): 0.15, (2, 0): 0.15, (1, 2): 0.05, (2, 1): 0.05}
    counts = dict.fromkeys(p, 0)
    for _ in range(2000):
        pair = random.choice(3, 2, replace=False, p=[0.6, 0.2, 0.2], generator=g).tolist()
        counts[tuple(pair)] += 1
    assert abs(chi_squared(np.array(list(counts.values())), np.array(list(p.values())))) < 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: random.permutation(-1), ArgumentError, "n must not be negative"),
        (lambda: random.permutation(1.0), ShapeError, "out of range for 0 axes"),
        (lambda: random.categorical([1, 2]), DTypeError, "logits are floats, not int64"),
        (lambda: random.categorical(1.0), ShapeError, "out of range for 0 axes"),
        (lambda: random.categorical(np.zeros((2, 0))), ShapeError, "do not give"),
        (lambda: random.categorical(np.zeros((2, 3)), shape=()), ShapeError, "do not give"),
        (lambda: random.choice(3, 4, replace=False), ArgumentError, "there are 3 .* 4 are wanted"),
        (lambda: random.choice(0, 1), ArgumentError, "there are 0 to choose from"),
        (lambda: random.choice(3, 1, p=[0.5, 0.5]), ShapeError, r"p has shape \(2,\)"),
        (lambda: random.bits(3, "int32"), DTypeError, "uint32 or uint64, not int32"),
        (lambda: random.bits((2, -1)), ShapeError, "negative extent"),
        (lambda: random.uniform(3, dtype="int32"), DTypeError, "a float dtype is needed"),
        (lambda: random.uniform(3, 2, 1), ArgumentError, "not an interval"),
        (lambda: random.uniform(3, 0, math.nan), ArgumentError, "not an interval"),
        (lambda: random.uniform(3, -1.7e308, 1.7e308, "float64"), ArgumentError, "interval"),
        (lambda: random.uniform(3, np.zeros(2), 1), ShapeError, "do not broadcast"),
        (lambda: random.uniform((), np.zeros(2), 1), ShapeError, "does not broadcast to"),
        (lambda: random.normal(3, 0, -1), ArgumentError, "std must not be negative"),
        (lambda: random.normal(3, dtype="bool"), DTypeError, "a float dtype is needed"),
        (lambda: random.normal((), np.zeros(2)), ShapeError, "does not broadcast to"),
        (lambda: random.truncated_normal(3, 0, -1), ArgumentError, "std must not be negative"),
        (lambda: random.truncated_normal(3, low=2, high=1), ArgumentError, "no probability"),
        (lambda: random.truncated_normal(3, low=50, high=51), ArgumentError, "no probability"),
        (lambda: random.bernoulli(1.5), ArgumentError, r"p must be in \[0, 1\]"),
        (lambda: random.bernoulli(np.zeros(3), (2,)), ShapeError, "do not broadcast"),
        (lambda: random.integers(3, 3), ArgumentError, "at least one number"),
        (lambda: random.integers(0, 300, dtype="uint8"), ArgumentError, "fit uint8"),
        (lambda: random.integers(0, 3, dtype="float32"), DTypeError, "an integer dtype"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    before = random.DEFAULT.state
    with pytest.raises(error, match=message):
        call()
    assert random.DEFAULT.state == before


# --- compiled ---


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: random.uniform((9, 33), generator=g),
        lambda g: random.uniform((9, 33), -1.3, 2.1, generator=g),
        lambda g: random.uniform((9, 33), -1.3, 2.1, "float64", generator=g),
        lambda g: random.uniform((9, 33), dtype="bfloat16", generator=g),
        lambda g: random.bernoulli(0.3, (9, 33), generator=g),
        lambda g: random.integers(-3, 10, (9, 33), "int8", generator=g),
        lambda g: random.permutation(50, generator=g),
    ],
)
def test_compiled_draws_are_the_same(draw: Callable[[random.Generator], Any]) -> None:
    eager, compiled = random.Generator(7), random.Generator(7)
    again = compile(lambda: draw(compiled))
    for _ in range(2):
        np.testing.assert_array_equal(again().numpy(), draw(eager).numpy())
    assert compiled.state == eager.state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_normals_are_within_ulps(dtype: str) -> None:
    eager, compiled = random.Generator(7), random.Generator(7)
    x = compile(lambda: random.normal(N, dtype=dtype, generator=compiled))().numpy()
    expected = random.normal(N, dtype=dtype, generator=eager).numpy()
    far = np.abs(x.astype(np.float64) - expected) / (np.finfo(dtype).eps * np.abs(expected))
    assert far.max() <= 4
