"""One record an optimiser and setting, compared in `test_optimizers`.

With PyTorch where it has the algorithm, else with the paper's equations written out in `formulas`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import neurona as ne
from neurona import optim
from tests.nn.golden import Values, pattern
from tests.optim import formulas

STEPS = 12
TARGET = pattern((2, 3), 1)
SCALE = np.array([[1.0, 10.0, 0.1], [3.0, 0.3, 0.01]])
"""Curvatures: a ravine."""


@dataclass(frozen=True)
class OptimizerCase:
    """make: from the parameters, our optimiser; torch: from PyTorch's module and parameters.

    formula: (θ, g, γ, what it keeps, by name, changed in place) → θ, where PyTorch has none.
    rates: the learning rate before each step, where it changes.
    """

    name: str
    make: Callable[[Any], optim.Optimizer]
    torch: Callable[[Any, Any], Any] | None
    formula: Callable[[Any, Any, float, dict[str, Any]], Any] | None = None
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

        usual = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # of the scalars it keeps
        try:
            return self._from_torch(torch)
        finally:
            torch.set_default_dtype(usual)

    def _from_torch(self, torch: Any) -> Values:
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

    def from_formula(self) -> Values:
        """The same from the equations, with gradients worked out by hand."""
        assert self.formula is not None
        w, b = self.start()
        rate = float(self.make([ne.Variable(b)]).learning_rate.numpy())
        kept: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        path: Values = {"w": [], "b": []}
        for i in range(STEPS):
            rate = (self.rates or {}).get(i, rate)
            of_w, of_b = 2 * SCALE * (w - TARGET) + b, w.sum(axis=0) + 4 * b**3
            w = self.formula(w, of_w, rate, kept[0])
            b = self.formula(b, of_b, rate, kept[1])
            path["w"].append(w)
            path["b"].append(b)
        return {name: np.array(values) for name, values in path.items()}


def _case(
    name: str, options: dict[str, Any], theirs: str | None = None, **more: Any
) -> OptimizerCase:
    """The optimiser of the same options in both libraries.

    theirs: its name in PyTorch, if that differs.
    """
    kind = name.partition(",")[0]
    renamed = {"learning_rate": "lr"}
    if kind == "RMSProp":
        renamed["rho"] = "alpha"
    translated = {renamed.get(key, key): value for key, value in options.items()}
    return OptimizerCase(
        name,
        lambda parameters: getattr(optim, kind)(parameters, **options),
        lambda module, parameters: getattr(module, theirs or kind)(parameters, **translated),
        **more,
    )


def _formula(name: str, options: dict[str, Any], formula: Any, **more: Any) -> OptimizerCase:
    """An optimiser held against its equations."""
    kind = name.partition(",")[0]
    return OptimizerCase(
        name,
        lambda parameters: getattr(optim, kind)(parameters, **options),
        None,
        lambda θ, g, γ, kept: formula(θ, g, γ, kept, **options),
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
    _case("Adagrad", {"learning_rate": 0.01}),
    _case(
        "Adagrad, all options",
        {"learning_rate": 0.3, "eps": 1e-3, "weight_decay": 0.1},
        rates={5: 0.1},
    ),
    _case("Adadelta", {"rho": 0.95}),
    _case(
        "Adadelta, all options",
        {"learning_rate": 2.0, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1},
        rates={5: 0.5},
    ),
    _case("RMSProp", {"learning_rate": 1e-3, "rho": 0.9}, "RMSprop"),
    _case(
        "RMSProp, momentum",
        {"learning_rate": 0.01, "rho": 0.9, "momentum": 0.8, "weight_decay": 0.1, "eps": 1e-3},
        "RMSprop",
        rates={5: 0.003},
    ),
    _case(
        "RMSProp, centred",
        {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5, "centered": True, "eps": 1e-2},
        "RMSprop",
    ),
    _case("AdaMax", {}, "Adamax"),
    _case(
        "AdaMax, all options",
        {"learning_rate": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
        "Adamax",
        rates={5: 0.01},
    ),
    _case("NAdam", {}),
    _case(
        "NAdam, all options",
        {
            "learning_rate": 0.05,
            "betas": (0.8, 0.95),
            "eps": 1e-3,
            "momentum_decay": 0.1,
            "weight_decay": 0.1,
        },
        rates={5: 0.01},
    ),
    _formula("Momentum", {}, formulas.momentum),
    _formula(
        "Momentum, the rate changing",
        {"learning_rate": 0.02, "momentum": 0.8, "weight_decay": 0.1},
        formulas.momentum,
        rates={4: 0.005, 8: 0.03},
    ),
    _formula(
        "Momentum, Nesterov",
        {"learning_rate": 0.02, "momentum": 0.8, "nesterov": True},
        formulas.momentum,
        rates={4: 0.005, 8: 0.03},
    ),
    _formula("LARS", {}, formulas.lars),
    _formula(
        "LARS, all options",
        {"learning_rate": 2.0, "momentum": 0.5, "weight_decay": 0.1, "trust_coefficient": 0.05},
        formulas.lars,
        rates={5: 0.7},
    ),
    _formula("LAMB", {}, formulas.lamb),
    _formula(
        "LAMB, all options",
        {"learning_rate": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
        formulas.lamb,
        rates={5: 0.01},
    ),
    _case("RAdam", {}),
    _case(
        "RAdam, all options",
        {"learning_rate": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
        rates={5: 0.01},
    ),
    _formula("Lion", {}, formulas.lion),
    _formula(
        "Lion, all options",
        {"learning_rate": 0.02, "betas": (0.8, 0.95), "weight_decay": 0.1},
        formulas.lion,
        rates={5: 0.01},
    ),
)
