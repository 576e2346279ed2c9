"""Applying ops eagerly: no NumPy warnings, NumPy's settings untouched, threads and nesting."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import neurona as ne
from neurona.core.apply import apply
from neurona.core.op import Op, Spec
from neurona.core.trace import STATE, nested


def test_division_by_zero_and_overflow_are_silent() -> None:
    before = np.geterr()
    x = ne.asarray([1.0, 0.0, -1.0])
    assert (x / 0).tolist()[::2] == [float("inf"), float("-inf")]
    assert np.isnan((x / 0).tolist()[1])
    assert ne.exp(x * 1e3).tolist() == [float("inf"), 1.0, 0.0]
    assert np.geterr() == before
    with np.errstate(divide="warn"), pytest.raises(RuntimeWarning):
        _ = np.float32(1.0) / np.float32(0.0)


def test_literals_of_equal_value_stay_apart() -> None:
    x = ne.asarray([1.0])
    assert (x / 0.0).tolist() == [float("inf")]
    assert (x / -0.0).tolist() == [float("-inf")]
    assert (x + True).dtype == ne.float32
    assert (ne.asarray(True) & True).dtype == ne.bool
    assert (ne.asarray([1], dtype=ne.int8) + 1).dtype == ne.int8
    with pytest.raises(OverflowError, match="300 does not fit int8"):
        ne.asarray([1], dtype=ne.int8) + 300
    assert np.isnan((x + float("nan")).tolist()[0])


def test_threads_apply_ops_at_the_same_time() -> None:
    def work(seed: int) -> float:
        x = ne.asarray(np.random.default_rng(seed).normal(size=100))
        for _ in range(50):
            x = ne.sin(x) / 0.5
        return float(ne.sum(x))

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(8)))
    assert found == [work(seed) for seed in range(8)]


def test_an_op_may_apply_ops_within() -> None:
    def evaluate(x: np.ndarray) -> np.ndarray:
        with nested():
            return (ne.asarray(x) / 0).numpy()

    op = Op("within", lambda x: Spec(x.shape, x.dtype), evaluate)
    before = STATE.quietly
    assert apply(op, ne.asarray(1.0)).tolist() == float("inf")
    assert STATE.quietly is before
