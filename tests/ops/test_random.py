"""Random bits against the published vectors, and distributions against their formulae."""

from __future__ import annotations

import math
import statistics
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona import random
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError, TraceError
from neurona.core.trace import recording
from neurona.core.variable import Variable
from neurona.ops.quantile import normal_quantile
from neurona.ops.random import RANDOM_BITS, ROTATIONS, threefry
from tests.ops.lowered import run_indexed
from tests.ops.record import Array, tensor

N = 1 << 16


def reference_block(counter: int, key: int) -> int:
    """Threefry-2x32-20 in Python integers, round by round as in the paper."""
    mask = 0xFFFFFFFF
    keys = [key & mask, key >> 32]
    keys.append(keys[0] ^ keys[1] ^ 0x1BD11BDA)
    x, y = (counter & mask) + keys[0] & mask, (counter >> 32) + keys[1] & mask
    for r in range(20):
        rotation = ROTATIONS[r // 4 % 2][r % 4]
        x = x + y & mask
        y = (y << rotation | y >> (32 - rotation)) & mask ^ x
        if r % 4 == 3:
            s = r // 4 + 1
            x, y = x + keys[s % 3] & mask, y + keys[(s + 1) % 3] + s & mask
    return x | y << 32


def raw(seed: int, counter: int, shape: tuple[int, ...], dtype: str) -> Array:
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    result = RANDOM_BITS.evaluate(key, np.array(counter, np.uint64), shape=shape, dtype=dtype)
    return np.asarray(result)


@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [
        # threefry2x32 20 of tests/kat_vectors in Random123 1.14 (D. E. Shaw Research).
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_known_answers(
    counter: tuple[int, int], key: tuple[int, int], block: tuple[int, int]
) -> None:
    words = [np.array([word], np.uint32) for word in (*counter, *key)]
    assert tuple(int(word[0]) for word in threefry(*words, np.uint32)) == block
    seed, count = key[0] | key[1] << 32, counter[0] | counter[1] << 32
    assert int(raw(seed, count, (), "uint64")) == block[0] | block[1] << 32


@given(seed=st.integers(0, 2**64 - 1), counter=st.integers(0, 2**64 - 1), size=st.integers(0, 70))
def test_layout_of_the_words(seed: int, counter: int, size: int) -> None:
    blocks = [reference_block((counter + i) % 2**64, seed) for i in range(96)]
    assert raw(seed, counter, (size,), "uint64").tolist() == blocks[:size]
    words = [
        blocks[16 * (i // 32) + i % 16] >> (32 * (i // 16 % 2)) & 0xFFFFFFFF for i in range(size)
    ]
    assert raw(seed, counter, (size,), "uint32").tolist() == words


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (5, 7), (2, 3, 40)])
@pytest.mark.parametrize("counter", [0, 2**32 - 9, 2**64 - 3])
def test_lowering(dtype: str, shape: tuple[int, ...], counter: int) -> None:
    key = np.array([0x13198A2E, 0x03707344], np.uint32)
    inputs = (key, np.array(counter, np.uint64))
    expected = RANDOM_BITS.evaluate(*inputs, shape=shape, dtype=dtype)
    actual = run_indexed(RANDOM_BITS, *inputs, shape=shape, dtype=dtype)
    np.testing.assert_array_equal(actual, expected)


def test_chunks_do_not_show() -> None:
    whole = raw(5, 0, (20_000,), "uint64")
    np.testing.assert_array_equal(whole[8_190:8_200], raw(5, 8_190, (10,), "uint64"))


def test_random_bits_refuses_other_keys() -> None:
    with pytest.raises(ShapeError, match=r"must be uint32 \(2,\) and uint64 \(\)"):
        RANDOM_BITS.infer(
            tensor(np.zeros(2, np.uint64))._node,
            tensor(np.zeros((), np.uint64))._node,
            shape=(),
            dtype="uint32",
        )


# --- the generator ---


def test_stored_values() -> None:
    g = random.Generator(42)
    assert random.bits(4, generator=g).tolist() == STORED_BITS
    assert random.uniform(3, generator=g).tolist() == STORED_UNIFORM
    assert random.uniform(3, -1, 1, "float64", generator=g).tolist() == STORED_UNIFORM64
    assert random.integers(0, 1000, 4, generator=g).tolist() == STORED_INTEGERS
    near = {"rtol": 1e-6, "atol": 0}
    np.testing.assert_allclose(random.normal(3, generator=g), STORED_NORMAL, **near)


STORED_BITS = [3732534457, 646961260, 2234760234, 1073472746]
STORED_UNIFORM = [0.8392779231071472, 0.39385175704956055, 0.9481111764907837]
STORED_UNIFORM64 = [-0.6059230730306335, -0.25480699020769126, -0.6018188694263762]
STORED_INTEGERS = [447, 735, 980, 947]
STORED_NORMAL = [0.3341830372810364, 0.5666068196296692, -0.1030125617980957]


def test_key_is_the_seed() -> None:
    g = random.Generator(0x0123456789ABCDEF)
    assert g.key.tolist() == [0x89ABCDEF, 0x01234567]
    assert g.counter.tolist() == 0
    assert not g.key.requires_grad
    assert not g.counter.requires_grad


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ArgumentError, match="seed must be in"):
        random.Generator(seed)


@pytest.mark.parametrize(
    ("draw", "used"),
    [
        (lambda g: random.bits((), generator=g), 16),
        (lambda g: random.bits(32, generator=g), 16),
        (lambda g: random.bits(33, generator=g), 32),
        (lambda g: random.bits((2, 5), "uint64", generator=g), 10),
        (lambda g: random.bits((0, 5), generator=g), 0),
        (lambda g: random.normal((2, 5), generator=g), 10),
        (lambda g: random.normal((2, 5), dtype="float64", generator=g), 20),
        (lambda g: random.uniform((2, 5), dtype="float64", generator=g), 10),
    ],
)
def test_blocks_used(draw: Callable[[Any], Any], used: int) -> None:
    g = random.Generator(1)
    draw(g)
    assert g.state == {"seed": 1, "counter": used}


@pytest.mark.parametrize(
    ("draw", "grain"),
    [
        (lambda n, g: random.bits(n, "uint64", generator=g), 1),
        (lambda n, g: random.bits(n, generator=g), 32),
        (lambda n, g: random.uniform(n, -2, 3, generator=g), 32),
        (lambda n, g: random.uniform(n, dtype="float64", generator=g), 1),
        (lambda n, g: random.bernoulli(0.3, n, generator=g), 32),
        (lambda n, g: random.normal(n, generator=g), 1),
        (lambda n, g: random.normal(n, dtype="bfloat16", generator=g), 1),
        (lambda n, g: random.normal(n, dtype="float64", generator=g), 1),
        (lambda n, g: random.truncated_normal(n, generator=g), 1),
        (lambda n, g: random.integers(0, 99, n, generator=g), 1),
    ],
)
def test_draws_do_not_depend_on_their_splitting(
    draw: Callable[[int, Any], Any], grain: int
) -> None:
    whole = draw(6 * grain + 5, random.Generator(3)).numpy()
    g = random.Generator(3)
    parts = [draw(n, g).numpy() for n in (2 * grain, grain, 0, 3 * grain, 5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_state_continues() -> None:
    g = random.Generator(9)
    random.normal(7, generator=g)
    state = g.state
    expected = random.bits(50, generator=g).numpy()
    other = random.Generator()
    other.state = state
    np.testing.assert_array_equal(random.bits(50, generator=other), expected)
    with pytest.raises(ArgumentError, match="the names are seed and counter"):
        other.state = {"seed": 1}
    with pytest.raises(ArgumentError, match="counter must be in"):
        other.state = {"seed": 1, "counter": -1}
    assert other.state["seed"] == 9


def test_seed_of_the_default_generator() -> None:
    random.seed(4)
    first = random.bits(5).tolist()
    assert first == random.bits(5, generator=random.Generator(4)).tolist()
    assert random.bits(5).tolist() != first
    random.seed(4)
    assert random.bits(5).tolist() == first


def test_forks_are_independent() -> None:
    g = random.Generator(11)
    a, b = g.fork(), g.fork()
    assert g.state["counter"] == 2
    draws = [random.bits(N, generator=h).numpy() for h in (g, a, b, random.Generator(12))]
    for i, x in enumerate(draws):
        for y in draws[:i]:
            assert (x == y).sum() < 5
            # Of two independent words, half of the bits differ: mean 16·N, deviation √(8·N).
            differing = int(np.bitwise_count(x ^ y).sum(dtype=np.int64))
            assert abs(differing - 16 * N) < 4 * math.sqrt(8 * N)
    with recording(), pytest.raises(TraceError, match="fork before"):
        g.fork()


def test_threads_never_draw_the_same() -> None:
    g = random.Generator(2)
    drawn: list[Array] = []

    def work() -> None:
        drawn.extend(random.bits(2, "uint64", generator=g).numpy() for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(np.unique(np.concatenate(drawn))) == 400


def test_recorded_draws_move_the_counter() -> None:
    g = random.Generator(6)
    with recording() as trace:
        first = random.bits(3, generator=g)
        second = random.bits((2, 2), "uint64", generator=g)
    assert set(trace.writes) == {g.counter}
    assert g.state["counter"] == 0
    values = run_recorded(trace, [first._node, second._node, trace.writes[g.counter]])
    eager = random.Generator(6)
    np.testing.assert_array_equal(values[0], random.bits(3, generator=eager))
    np.testing.assert_array_equal(values[1], random.bits((2, 2), "uint64", generator=eager))
    assert int(values[2]) == eager.state["counter"] == 20


def run_recorded(trace: Any, nodes: list[Any]) -> list[Array]:
    """Evaluates a recording node by node, the Variables having their values of now."""
    known = {id(node): variable.current_array() for variable, node in trace.reads.items()}

    def value(node: Any) -> Array:
        if node.value is not None:
            return np.asarray(node.array)
        if id(node) not in known:
            inputs = [value(x) for x in node.inputs]
            known[id(node)] = node.op.evaluate(*inputs, **node.attrs)
        return known[id(node)]

    return [value(node) for node in nodes]


# --- distributions ---


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
