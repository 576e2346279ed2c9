"""Paths of the optimisers that Keras has and PyTorch has not, or writes otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from neurona import optim
from tests.optim.cases import SCALE, STEPS, TARGET, OptimizerCase

KERAS: dict[str, tuple[Any, Any]] = {
    "Momentum": (
        lambda p: optim.Momentum(p, 0.02, momentum=0.8),
        lambda k: k.SGD(0.02, momentum=0.8),
    ),
    "Momentum, Nesterov": (
        lambda p: optim.Momentum(p, 0.02, momentum=0.8, nesterov=True),
        lambda k: k.SGD(0.02, momentum=0.8, nesterov=True),
    ),
    "Lion": (lambda p: optim.Lion(p, 0.02), lambda k: k.Lion(0.02)),
    "LAMB": (
        lambda p: optim.LAMB(p, 0.05, weight_decay=0.0, eps=1e-3),
        lambda k: k.Lamb(0.05, epsilon=1e-3),
    ),
    "AdaMax": (lambda p: optim.AdaMax(p, 0.05, eps=0), lambda k: k.Adamax(0.05, epsilon=0)),
    "Adadelta": (
        lambda p: optim.Adadelta(p, 2.0),
        lambda k: k.Adadelta(2.0, rho=0.95, epsilon=1e-6),
    ),
}


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        module = pytest.importorskip("keras")
        usual = module.config.floatx()
        module.config.set_floatx("float64")
        yield module
        module.config.set_floatx(usual)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", KERAS)
@pytest.mark.parametrize("rates", [{}, {4: 0.005, 8: 0.03}], ids=["one rate", "changing"])
def test_paths(keras: Any, name: str, rates: dict[int, float]) -> None:
    make, theirs = KERAS[name]
    case = OptimizerCase(name, make, None, rates=rates)
    w, b = (keras.Variable(array, dtype="float64") for array in case.start())
    optimizer = theirs(keras.optimizers)
    for i, (of_w, of_b) in enumerate(zip(*case.run().values(), strict=True)):
        assert i < STEPS
        if i in rates:
            optimizer.learning_rate = rates[i]
        old_w, old_b = (keras.ops.convert_to_numpy(v) for v in (w, b))
        gradients = 2 * SCALE * (old_w - TARGET) + old_b, old_w.sum(axis=0) + 4 * old_b**3
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], [w, b])
        np.testing.assert_allclose(keras.ops.convert_to_numpy(w), of_w, rtol=1e-12)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(b), of_b, rtol=1e-12)
