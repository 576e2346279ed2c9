"""The ranges that judge random graphs: that they are right, and that they are tight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import neurona as ne
from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.op import Spec, registry
from neurona.core.tensor import Tensor
from neurona.core.trace import recording
from tests.compiler import bounds, folds, moves  # noqa: F401  (the rules register themselves)
from tests.compiler.graphs import Array, Graph, graphs
from tests.compiler.ranges import Range, informative, point, settle, violations
from tests.compiler.test_random_graphs import ranges


def range_of(function: object, *arrays: Array) -> Range:
    with recording() as trace:
        places = [trace.input(Spec(x.shape, x.dtype)) for x in arrays]
        result = function(*map(Tensor, places))._resolve(trace)  # type: ignore[operator]
    return bounds.ranges_of([result], dict(zip(places, arrays, strict=True)))[0]


def test_every_op_has_a_rule_or_works_on_integers() -> None:
    """What has neither would fail only when a random graph happens to hold it."""
    whole = {"bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert", "bitwise_left_shift",
             "bitwise_right_shift", "position", "take_result"}  # fmt: skip
    # Random ones are in test_arrange; attention has its own tests.
    networks = {"attention", "attention_gradient", "conv", "conv_input_gradient",
                "conv_weight_gradient", "resample", "window_argmax", "window_max", "window_pick",
                "window_put", "window_spread", "window_sum"}  # fmt: skip
    missing = set(registry()) - set(bounds.RULES) - whole - networks
    assert not missing, f"no range for {sorted(missing)}"


@pytest.mark.parametrize("dtype", dtypes.FLOATS, ids=lambda d: d.name)
def test_small_multiples_of_a_quarter_are_exact(dtype: DType) -> None:
    x = (np.arange(12).reshape(3, 4) / 4 - 1).astype(dtype)
    found = range_of(lambda a: a * a + a - 1, x)
    assert (found.low == found.high).all()


def test_rounding_is_allowed_for_once_an_operation() -> None:
    x = np.array([0.1, 0.3], np.float32)
    found = range_of(lambda a: a * a, x)
    width = (found.high - found.low) / (x * x)
    assert (width > 0).all()
    assert (width < 4 * np.finfo(np.float32).eps).all()


def test_nan_and_infinity_are_certain_where_they_are() -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0, 1.0], np.float32)
    difference = range_of(lambda a: a - a, x)
    assert difference.sure.tolist() == [True, True, True, False, False]
    assert not difference.may[3:].any()
    quotient = range_of(lambda a: a / a, x)
    assert quotient.sure.tolist() == [True, True, True, True, False]


def test_a_product_that_overflows_before_a_zero_depends_on_its_order() -> None:
    x = np.array([3e38, 3e38, 0.0, np.inf], np.float32)
    overflowing = range_of(lambda a: ne.prod(a[:3]), x)
    assert overflowing.may
    assert not overflowing.sure
    assert range_of(lambda a: ne.prod(a[2:]), x).sure
    assert range_of(lambda a: ne.prod(a[2:] - a[2:]), x).sure


def test_one_infinite_bound_leaves_the_other_its_rounding() -> None:
    no = np.zeros(1, bool)
    made = settle(dtypes.float32, np.array([-np.inf]), np.array([1.0]), no, no, ulps=2.0)
    assert made.high[0] == 1.0 + 2 * np.finfo(np.float32).eps


def test_a_wrong_result_is_seen() -> None:
    x = np.array([0.1, 0.3, np.nan], np.float32)
    found = range_of(lambda a: a * a, x)
    right = x * x
    assert not violations(right, found).any()
    assert violations(right * np.float32(1.00001), found).tolist() == [True, True, False]
    assert violations(np.zeros(3, np.float32), found).all()
    assert violations(np.array([np.nan, np.inf, 1.0], np.float32), found).all()
    counts = np.arange(3)
    assert violations(counts + 1, point(counts)).all()


def test_nearly_all_elements_of_random_graphs_are_checked() -> None:
    """So that the comparison cannot go blind unseen."""
    shares: list[float] = []

    @given(graphs())
    def measure(graph: Graph) -> None:
        results, _ = ranges(graph, graph.variables())
        shares.extend(float(informative(r).mean()) for r in results if r.low.size)

    measure()
    assert np.mean(shares) > 0.8
