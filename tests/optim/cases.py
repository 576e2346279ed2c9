"""One record an optimiser and setting, compared with PyTorch in `test_optimizers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import neurona as ne
from neurona import optim
from tests.nn.golden import Values, pattern

STEPS = 12
TARGET = pattern((2, 3), 1)
SCALE = np.array([[1.0, 10.0, 0.1], [3.0, 0.3, 0.01]])
"""Curvatures: a ravine."""


@dataclass(frozen=True)
class OptimizerCase:
    """make: from the parameters, our optimiser; torch: from PyTorch's module and parameters.

    rates: the learning rate before each step, where it changes.
    """

    name: str
    make: Callable[[Any], optim.Optimizer]
    torch: Callable[[Any, Any], Any] | None
    rates: dict[int, float] | None = None

    def start(self) -> tuple[Any, Any]:
        return pattern((2, 3), 4), pattern((3,), 5)

    def run(
        self, wrap: Callable[[Any], Any] = lambda step: step, dtype: Any = np.float64
    ) -> Values:
        """The parameters after every step."""
        w, b = (ne.Variable(array.astype(dtype)) for array in self.start())
        optimizer = self.make([w, b])
        target, scale = TARGET.astype(dtype), SCALE.astype(dtype)

        def step() -> Any:
            error = w - target
            loss = ne.sum(scale * error * error) + ne.sum(w * b) + ne.sum(b * b * b * b)
            loss.backward()
            optimizer.step()
            return loss

        run = wrap(step)
        path: Values = {"w": [], "b": []}
        for i in range(STEPS):
            if self.rates and i in self.rates:
                optimizer.learning_rate = self.rates[i]
            run()
            path["w"].append(w.numpy())
            path["b"].append(b.numpy())
        return {name: np.array(values) for name, values in path.items()}

    def from_torch(self) -> Values:
        """The same from PyTorch."""
        import torch

        w, b = (torch.from_numpy(array).requires_grad_() for array in self.start())
        optimizer = self.torch(torch.optim, [w, b])
        target, scale = torch.from_numpy(TARGET), torch.from_numpy(SCALE)
        path: Values = {"w": [], "b": []}
        for i in range(STEPS):
            if self.rates and i in self.rates:
                optimizer.param_groups[0]["lr"] = self.rates[i]
            optimizer.zero_grad()
            error = w - target
            loss = (scale * error * error).sum() + (w * b).sum() + (b * b * b * b).sum()
            loss.backward()
            optimizer.step()
            path["w"].append(w.detach().numpy().copy())
            path["b"].append(b.detach().numpy().copy())
        return {name: np.array(values) for name, values in path.items()}


def _case(name: str, options: dict[str, Any], **more: Any) -> OptimizerCase:
    """The optimiser of the same name and options in both libraries."""
    kind = name.partition(",")[0]
    rate = options.pop("learning_rate", None)
    ours = {} if rate is None else {"learning_rate": rate}
    theirs = {} if rate is None else {"lr": rate}
    return OptimizerCase(
        name,
        lambda parameters: getattr(optim, kind)(parameters, **ours, **options),
        lambda module, parameters: getattr(module, kind)(parameters, **theirs, **options),
        **more,
    )


OPTIMIZERS = (
    _case("SGD", {}),
    _case("SGD, decayed", {"learning_rate": 0.05, "weight_decay": 0.1}),
    _case("SGD, momentum", {"learning_rate": 0.02, "momentum": 0.9}),
    _case(
        "SGD, momentum, the rate changing",
        {"learning_rate": 0.02, "momentum": 0.9},
        rates={4: 0.005, 8: 0.03},
    ),
    _case(
        "SGD, dampened",
        {"learning_rate": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    ),
    _case(
        "SGD, Nesterov",
        {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ),
    _case("Adam", {}),
    _case(
        "Adam, all options",
        {"learning_rate": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
        rates={5: 0.01},
    ),
    _case("AdamW", {}),
    _case(
        "AdamW, all options",
        {"learning_rate": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
        rates={5: 0.01},
    ),
)
