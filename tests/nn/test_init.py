"""Initial values: their distribution, their width, and that a seed repeats them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.nn import init
from neurona.random import Generator

SHAPE = (120, 80, 5)
FAN_IN, FAN_OUT = 400, 600
COUNT = math.prod(SHAPE)

WIDTHS = {
    "normal": (lambda v, g: init.normal(v, generator=g), 0.01),
    "uniform": (lambda v, g: init.uniform(v, -1, 1, generator=g), math.sqrt(1 / 3)),
    "xavier_uniform": (lambda v, g: init.xavier_uniform(v, generator=g), math.sqrt(2 / 1000)),
    "xavier_normal": (
        lambda v, g: init.xavier_normal(v, 5 / 3, generator=g),
        5 / 3 * math.sqrt(2 / 1000),
    ),
    "kaiming_uniform": (lambda v, g: init.kaiming_uniform(v, generator=g), math.sqrt(2 / 400)),
    "kaiming_normal, fan out": (
        lambda v, g: init.kaiming_normal(v, mode="fan_out", nonlinearity="relu", generator=g),
        math.sqrt(2 / 600),
    ),
    "kaiming_normal, leaky": (
        lambda v, g: init.kaiming_normal(v, 0.5, generator=g),
        math.sqrt(2 / (1 + 0.25) / 400),
    ),
    "lecun_uniform": (lambda v, g: init.lecun_uniform(v, generator=g), math.sqrt(1 / 400)),
    "lecun_normal": (lambda v, g: init.lecun_normal(v, generator=g), math.sqrt(1 / 400)),
    "truncated_normal": (
        lambda v, g: init.truncated_normal(v, std=0.1, generator=g),
        0.1 * 0.8796256610342398,  # of the standard normal cut at ±2
    ),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_mean_and_width(name: str) -> None:
    fill, std = WIDTHS[name]
    variable = ne.Variable(np.zeros(SHAPE, np.float32))
    assert fill(variable, Generator(4)) is variable
    values = variable.numpy().astype(np.float64)
    assert abs(values.mean()) < 5 * std / math.sqrt(COUNT)
    assert abs(values.std() / std - 1) < 5 / math.sqrt(COUNT)
    if "uniform" in name:
        assert np.abs(values).max() <= std * math.sqrt(3) * (1 + 1e-6)
    fourth = ((values / values.std()) ** 4).mean()
    expected = 1.8 if "uniform" in name else 3.0
    if name != "truncated_normal":
        assert abs(fourth - expected) < 0.1
    else:
        assert np.abs(values).max() <= 0.2


@pytest.mark.parametrize("name", WIDTHS)
def test_a_seed_repeats_and_another_does_not(name: str) -> None:
    fill, _ = WIDTHS[name]

    def values(seed: int) -> Any:
        return fill(ne.Variable(np.zeros((4, 5), np.float32)), Generator(seed)).numpy()

    np.testing.assert_array_equal(values(1), values(1))
    assert (values(1) != values(2)).any()


def test_constants() -> None:
    variable = ne.Variable(np.full((2, 3), 7.0))
    assert (init.zeros(variable).numpy() == 0).all()
    assert (init.ones(variable).numpy() == 1).all()
    assert (init.constant(variable, 0.5).numpy() == 0.5).all()


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (4, 2, 3), (5, 5)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    variable = ne.Variable(np.zeros(shape, np.float64))
    matrix = init.orthogonal(variable, 2.0, generator=Generator(2)).numpy().reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_fans_and_gains() -> None:
    assert init.fans(ne.Variable(np.zeros(SHAPE))) == (FAN_IN, FAN_OUT)
    assert init.gain("tanh") == 5 / 3
    assert init.gain("leaky_relu", 0.5) == math.sqrt(2 / 1.25)
    with pytest.raises(ShapeError, match=r"shape \(3,\) must be \(out, in, \*kernel\)"):
        init.xavier_normal(ne.Variable(np.zeros(3)))
    with pytest.raises(ArgumentError, match="did you mean 'relu'"):
        init.gain("relou")
    with pytest.raises(ArgumentError, match="did you mean 'fan_in'"):
        init.kaiming_normal(ne.Variable(np.zeros(SHAPE)), mode="fanin")


@pytest.mark.parametrize("name", list(init.GAINS))
def test_gains_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(init.gain(name), torch.nn.init.calculate_gain(name), rtol=1e-15)


def test_layers_start_as_in_pytorch() -> None:
    ne.random.seed(0)
    layer = nn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for values in (layer.weight.numpy(), layer.bias.numpy()):
        assert bound * 0.97 < np.abs(values).max() <= bound
        assert abs(values.std() - bound / math.sqrt(3)) < 5 * bound / math.sqrt(values.size)
    table = nn.Embedding(400, 300).weight.numpy()
    assert abs(table.std() - 1) < 0.02
    assert (nn.PReLU(3).weight.numpy() == 0.25).all()


@pytest.mark.parametrize("dtype", [ne.float16, ne.bfloat16, ne.float64], ids=str)
def test_dtypes_are_kept(dtype: Any) -> None:
    layer = nn.Linear(3, 4, dtype=dtype)
    assert layer.weight.dtype == layer.bias.dtype == dtype
    for fill in (init.orthogonal, init.kaiming_normal, init.truncated_normal, init.ones):
        assert fill(layer.weight).dtype == dtype


def test_a_layer_made_while_recording_has_its_values_at_once() -> None:
    made: list[Any] = []

    @ne.compile
    def function(x: Any) -> Any:
        made.append(nn.Linear(2, 2))
        return x * 2

    function(np.ones(2, np.float32))
    assert made[0].weight.numpy().all()


def test_zero_weights_stay_equal() -> None:
    """Why zeros fail: the units of a layer get the same gradient, so they never differ."""
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    for parameter in model.parameters():
        init.constant(parameter, 0.5)
    x = np.array([[1.0, -2.0], [0.5, 1.0]], np.float32)
    ne.sum(model(x) * np.array([[1.0], [-2.0]], np.float32)).backward()
    gradient = model[0].weight.grad.numpy()
    assert gradient.any()
    np.testing.assert_array_equal(gradient[0], gradient[1])
    np.testing.assert_array_equal(gradient[0], gradient[2])
