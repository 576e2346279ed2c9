"""Equations of the papers in plain NumPy: (θ, g, γ, what is kept between steps) → θ."""

from __future__ import annotations

from typing import Any

import numpy as np

Kept = dict[str, Any]


def momentum(
    θ: Any,
    g: Any,
    γ: float,
    kept: Kept,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    **_: Any,
) -> Any:
    """Nesterov's as Keras writes it; `test_nesterov_looks_ahead` has the other form."""
    g = g + weight_decay * θ
    kept["v"] = momentum * kept.get("v", 0) - γ * g
    return θ + momentum * kept["v"] - γ * g if nesterov else θ + kept["v"]


def lars(
    θ: Any,
    g: Any,
    γ: float,
    kept: Kept,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    trust_coefficient: float = 1e-3,
    **_: Any,
) -> Any:
    size, slope = np.linalg.norm(θ), np.linalg.norm(g)
    local = trust_coefficient * size / (slope + weight_decay * size)
    kept["v"] = momentum * kept.get("v", 0) + γ * local * (g + weight_decay * θ)
    return θ - kept["v"]


def lamb(
    θ: Any,
    g: Any,
    γ: float,
    kept: Kept,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 1e-2,
    **_: Any,
) -> Any:
    t = kept["t"] = kept.get("t", 0) + 1
    kept["m"] = betas[0] * kept.get("m", 0) + (1 - betas[0]) * g
    kept["v"] = betas[1] * kept.get("v", 0) + (1 - betas[1]) * g**2
    m, v = kept["m"] / (1 - betas[0] ** t), kept["v"] / (1 - betas[1] ** t)
    d = m / (np.sqrt(v) + eps) + weight_decay * θ
    return θ - γ * np.linalg.norm(θ) / np.linalg.norm(d) * d


def lion(
    θ: Any,
    g: Any,
    γ: float,
    kept: Kept,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    **_: Any,
) -> Any:
    m = kept.get("m", 0 * g)
    kept["m"] = betas[1] * m + (1 - betas[1]) * g
    return θ - γ * (np.sign(betas[0] * m + (1 - betas[0]) * g) + weight_decay * θ)
