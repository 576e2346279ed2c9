"""Compiled convolutions and their gradients against float64, in every form they are computed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona.compiler.machine.convolution import Axis
from neurona.core.apply import apply
from neurona.core.dtypes import DType
from neurona.core.op import Op
from neurona.ops.convolution import CONV, CONV_INPUT_GRADIENT, CONV_WEIGHT_GRADIENT, output_shape
from tests.compiler.programs import program_of

CASES: dict[str, tuple[Any, ...]] = {
    # x, weights, strides, padding, dilation, groups
    "few channels": ((2, 3, 8, 8), (5, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "odd sizes": ((2, 16, 9, 11), (33, 16, 3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), 1),
    "uneven": ((2, 20, 9, 30), (40, 20, 5, 3), (2, 1), ((2, 1), (0, 3)), (1, 2), 1),
    "groups": ((3, 8, 9, 30), (12, 4, 2, 3), (3, 2), ((2, 1), (0, 3)), (2, 2), 2),
    "single taps": ((2, 24, 7, 7), (17, 24, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "single taps, strides": ((2, 24, 7, 7), (17, 24, 1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    "single taps, small": ((2, 24, 3, 3), (17, 24, 1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    "stem": ((1, 3, 35, 35), (40, 3, 7, 7), (2, 2), ((3, 3), (3, 3)), (1, 1), 1),
    "line": ((2, 8, 50), (16, 8, 5), (2,), ((2, 2),), (1,), 1),
    "long line": ((2, 3, 2500), (5, 3, 3), (1,), ((1, 1),), (1,), 1),
    "volume": (
        (2, 8, 5, 6, 7), (16, 8, 3, 3, 3), (1, 2, 1), ((1, 1), (1, 1), (0, 1)), (1, 1, 1), 1,
    ),
    "mostly padding": ((2, 8, 1, 1), (16, 8, 3, 3), (1, 1), ((3, 3), (4, 4)), (1, 1), 1),
    "strides beyond": ((2, 17, 9, 9), (18, 17, 2, 2), (3, 4), ((0, 0), (1, 0)), (1, 1), 1),
    "wide row": ((1, 4, 2, 300), (20, 4, 1, 3), (1, 1), ((0, 0), (1, 1)), (1, 1), 1),
    "many pixels": ((1, 2, 70, 70), (20, 2, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "depthwise": ((2, 24, 9, 11), (24, 1, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 24),
    "depthwise, strides": ((1, 24, 9, 11), (24, 1, 5, 3), (2, 1), ((3, 1), (0, 2)), (2, 3), 24),
    "depthwise line": ((2, 8, 20), (8, 1, 4), (3,), ((1, 0),), (1,), 8),
}  # fmt: skip
ERRORS = 6
"""Times eps·Σ|terms|: what sums of thousands of terms may differ from exact ones."""


def runs(case: Sequence[Any], dtype: DType) -> list[tuple[Op, tuple[Any, Any], dict[str, Any]]]:
    """Each of the three ops, its operands and attributes."""
    x_shape, w_shape, strides, padding, dilation, groups = case
    attrs = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    attrs["layout"] = "channels first"
    rng = np.random.default_rng(0)
    y_shape = output_shape("test", x_shape, w_shape, **attrs)
    x, w, y = [rng.normal(size=shape).astype(dtype) for shape in (x_shape, w_shape, y_shape)]
    return [
        (CONV, (x, w), attrs),
        (CONV_INPUT_GRADIENT, (y, w), {**attrs, "spatial": x_shape[2:]}),
        (CONV_WEIGHT_GRADIENT, (x, y), {**attrs, "kernel": w_shape[2:]}),
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_values(name: str, dtype: Any) -> None:
    for op, operands, attrs in runs(CASES[name], np.dtype(dtype)):
        function = ne.compile(lambda a, b, op=op, attrs=attrs: apply(op, a, b, **attrs))
        found = function(*operands).numpy()
        wide = [a.astype(np.float64) for a in operands]
        wanted = op.evaluate(*wide, **attrs)
        terms = op.evaluate(*map(np.abs, wide), **attrs)
        assert found.shape == wanted.shape
        assert found.dtype == dtype
        slack = ERRORS * np.finfo(dtype).eps * terms + 1e-30
        assert np.all(np.abs(found - wanted) <= slack), op.name


def test_a_tap_meets_one_input_in_every_phase() -> None:
    """Going back through strides of 2: even results meet the even taps, odd ones the odd taps."""
    axis = Axis(results=9, inputs=5, taps=3, step=1, scale=2, tap=-1, shift=1)
    assert axis.phase(0) == [(1, 0)]
    assert axis.phase(1) == [(0, 1), (2, 0)]


def test_bias_activation_and_residual_belong_to_the_convolution() -> None:
    convolution = ne.nn.Conv2d(8, 40, 3, padding=1)
    after = ne.nn.Conv2d(40, 40, (1, 5), padding=(0, 2))

    @ne.compile
    def network(x: Any) -> Any:
        y = ne.nn.functional.relu(convolution(x))
        return ne.nn.functional.silu(after(y) + y)

    x = np.random.default_rng(0).normal(size=(2, 8, 9, 31)).astype(np.float32)
    program = program_of(network, x)
    finished = [str(task) for task in program.plan.tasks if task.direct is not None]
    assert finished == ["conv+add+less_equal+where", "conv+add+sigmoid+multiply"]
    y = ne.nn.functional.relu(convolution(x))
    wanted = ne.nn.functional.silu(after(y) + y).numpy()
    np.testing.assert_allclose(network(x).numpy(), wanted, rtol=0, atol=1e-5)


def test_batch_norm_of_a_frozen_network_is_part_of_the_weights() -> None:
    network = ne.nn.Sequential(
        ne.nn.Conv2d(3, 20, 3, bias=False), ne.nn.BatchNorm2d(20), ne.nn.ReLU()
    )
    rng = np.random.default_rng(0)
    for name, value in network.state_dict().items():
        if name.startswith("1.") and value.dtype == np.float32:
            network.load_state_dict(
                {**network.state_dict(), name: rng.uniform(0.5, 2, value.shape).astype(np.float32)}
            )
    network.eval()
    x = rng.normal(size=(2, 3, 9, 9)).astype(np.float32)
    wanted = network(x).numpy()
    function = ne.compile(lambda x: network(x))
    np.testing.assert_allclose(function(x).numpy(), wanted, rtol=0, atol=2e-5)
    program = program_of(ne.compile(lambda x: network(x)), x)
    assert [str(t) for t in program.plan.tasks if t.direct] == ["conv+add+less_equal+where"]
    assert any("multiply" in str(task) for task in program.plan.prologue)
    # New weights, new results.
    network.load_state_dict({**network.state_dict(), "1.weight": np.zeros(20, np.float32)})
    assert len(np.unique(function(x).numpy()[:, 0])) == 1


def test_a_single_channel_spread_over_several_is_not_folded() -> None:
    convolution = ne.nn.Conv2d(3, 1, 3)
    numbers = ne.Variable(np.arange(1, 6, dtype=np.float32).reshape(5, 1, 1))
    x = np.random.default_rng(0).normal(size=(2, 3, 9, 9)).astype(np.float32)
    function = ne.compile(lambda x: convolution(x) * numbers)
    wanted = (convolution(x) * numbers).numpy()
    np.testing.assert_allclose(function(x).numpy(), wanted, rtol=0, atol=1e-5)


def test_one_program_for_batches_of_every_size() -> None:
    network = ne.nn.Sequential(
        ne.nn.Conv2d(3, 24, 3, padding=1), ne.nn.ReLU(), ne.nn.Conv2d(24, 17, 3, stride=2)
    )
    function = ne.compile(lambda x: network(x))
    rng = np.random.default_rng(0)
    for batch in (32, 5, 17, 1):
        x = rng.normal(size=(batch, 3, 12, 9)).astype(np.float32)
        np.testing.assert_allclose(function(x).numpy(), network(x).numpy(), rtol=0, atol=1e-5)
    programs = {id(entry.program) for several in function.entries.values() for entry in several}
    assert len(programs) == 2


def test_an_empty_batch_leaves_no_gradient() -> None:
    def loss(w: Any) -> Any:
        return ne.sum(ne.nn.functional.conv2d(ne.zeros((0, 3, 5, 5)), w))

    gradient = ne.compile(ne.grad(loss))(np.ones((4, 3, 3, 3), np.float32))
    assert not gradient.numpy().any()
