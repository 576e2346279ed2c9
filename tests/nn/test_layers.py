"""Every layer: shapes, dtypes, parameters, saving, training, recording, compiling, PyTorch."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from tests.nn.cases import LAYERS
from tests.nn.golden import pattern, stored
from tests.nn.layer_case import LayerCase
from tests.nn.replay import recorded

every_layer = pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
FLOATS = (ne.float16, ne.bfloat16, ne.float32, ne.float64)


# Layers of which `tests/nn/test_attention.py` shows more than one argument can.
ELSEWHERE = {
    nn.Transformer,
    nn.TransformerDecoder,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoder,
}


def test_every_layer_has_a_case() -> None:
    known = {type(module) for case in LAYERS for module in case.make().modules()}
    containers = {nn.Module, nn.ModuleList, nn.ModuleDict, nn.RNNBase}
    found = {
        member
        for _, member in inspect.getmembers(nn, inspect.isclass)
        if issubclass(member, nn.Module) and not member.__name__.endswith(("Loss", "Cost"))
    }
    assert found - containers - ELSEWHERE == known - containers


@every_layer
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_shape_dtype_and_parameters(case: LayerCase, dtype: Any) -> None:
    layer = case.layer(dtype)
    output = case.call(layer, *case.arguments(dtype))
    assert (output.shape, output.dtype) == (case.output, dtype)
    assert np.isfinite(output.numpy().astype(np.float64)).all()
    assert sum(parameter.size for parameter in layer.parameters()) == case.parameters


@every_layer
def test_saving_and_loading(case: LayerCase) -> None:
    layer, other = case.layer().eval(), case.make().astype(ne.float64).eval()
    other.load_state_dict(layer.state_dict())
    found, expected = [case.call(each, *case.arguments()) for each in (other, layer)]
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def train_step(case: LayerCase, wrap: Any, dtype: Any) -> tuple[Any, nn.Module]:
    """The layer after two steps, and the losses."""
    ne.random.seed(3)
    layer = case.layer(dtype)
    factor = pattern(case.output, 1).astype(dtype)
    optimizer = optim.SGD(layer.parameters(), 0.1) if case.parameters else None

    def step(*arguments: Any) -> Any:
        loss = ne.sum(case.call(layer, *arguments) * factor)
        if optimizer is not None:
            loss.backward()
            optimizer.step()
        return loss

    run = wrap(step)
    arguments = case.arguments(dtype)
    return [np.asarray(run(*arguments)) for _ in range(2)], layer


@every_layer
def test_a_recorded_train_step_is_the_eager_one(case: LayerCase) -> None:
    expected, eager = train_step(case, lambda step: step, np.float32)
    found, replayed = train_step(case, recorded, np.float32)
    np.testing.assert_array_equal(found, expected)
    for name, array in eager.state_dict().items():
        np.testing.assert_array_equal(replayed.state_dict()[name], array)


@every_layer
def test_a_compiled_train_step_is_the_eager_one(case: LayerCase) -> None:
    expected, eager = train_step(case, lambda step: step, np.float32)
    found, compiled = train_step(case, ne.compile, np.float32)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    for name, array in eager.state_dict().items():
        np.testing.assert_allclose(
            compiled.state_dict()[name], array, rtol=2e-5, atol=2e-6, err_msg=name
        )


@pytest.mark.parametrize(
    "case", [case for case in LAYERS if case.parameters], ids=lambda case: case.name
)
def test_a_train_step_changes_every_parameter(case: LayerCase) -> None:
    before = case.layer(np.float32).state_dict()
    _, layer = train_step(case, lambda step: step, np.float32)
    for name, parameter in layer.named_parameters():
        assert (parameter.numpy() != before[name]).any(), name
        assert parameter.grad is None


with_torch = pytest.mark.parametrize(
    "case", [case for case in LAYERS if case.torch], ids=lambda case: case.name
)


@with_torch
def test_values_and_gradients_are_those_of_pytorch(case: LayerCase) -> None:
    expected = stored("layers", case.name)
    found = case.values()
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-10, atol=1e-12, err_msg=name)


@with_torch
def test_the_stored_values_are_still_those_of_pytorch(case: LayerCase) -> None:
    pytest.importorskip("torch")
    expected = case.from_torch()
    found = stored("layers", case.name)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-11, atol=1e-13, err_msg=name)
