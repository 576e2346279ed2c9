"""Random bits against the published vectors, and the generator that counts them."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona import random
from neurona.compiler import compile
from neurona.core.errors import ArgumentError, ShapeError, TraceError
from neurona.core.trace import recording
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


def test_a_copy_goes_its_own_way() -> None:
    g = random.Generator(9)
    random.bits(7, generator=g)
    other = copy.deepcopy(g)
    expected = random.bits(50, generator=g).numpy()
    np.testing.assert_array_equal(random.bits(50, generator=other), expected)
    random.bits(50, generator=g)
    assert g.state != other.state


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
    known = {id(node): variable.buffer.array for variable, node in trace.reads.items()}

    def value(node: Any) -> Array:
        if node.value is not None:
            return np.asarray(node.array)
        if id(node) not in known:
            inputs = [value(x) for x in node.inputs]
            known[id(node)] = node.op.evaluate(*inputs, **node.attrs)
        return known[id(node)]

    return [value(node) for node in nodes]


@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_compiled_bits_are_the_same(dtype: str) -> None:
    eager, compiled = random.Generator(7), random.Generator(7)
    draw = compile(lambda: random.bits((3, 50), dtype, generator=compiled))
    for _ in range(3):
        expected = random.bits((3, 50), dtype, generator=eager).numpy()
        np.testing.assert_array_equal(draw().numpy(), expected)
    assert compiled.state == eager.state
