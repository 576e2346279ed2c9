"""A series so far in, its next values out."""

from __future__ import annotations

from typing import Any

from neurona import nn
from neurona.core.tensor import Tensor
from neurona.models.sequence_classifier import CELLS
from neurona.nn.functional.checks import choice
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class Forecaster(Module):
    """(y_{T+1}, …, y_{T+horizon}) = W h_T + b, with h_T the state after the last known step.

    - `features`: of each step: the series itself and what else is known of that time.
    - `horizon`: how many steps ahead; all are foretold at once.
    - `cell`: "LSTM", "GRU" or "RNN".

    x: (batch, time, features). Result: (batch, horizon).

    >>> import neurona as ne
    >>> Forecaster(3, 24, hidden_size=8)(ne.ones((2, 48, 3))).shape
    (2, 24)
    """

    def __init__(
        self,
        features: int,
        horizon: int,
        *,
        hidden_size: int = 64,
        num_layers: int = 1,
        cell: str = "LSTM",
    ) -> None:
        choice("Forecaster", "cell", cell, tuple(CELLS))
        self.features = features
        self.horizon = horizon
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.cell = cell
        self.recurrent = CELLS[cell](features, hidden_size, num_layers, batch_first=True)
        self.values = nn.Linear(hidden_size, horizon)

    def forward(self, x: Any) -> Tensor:
        states, _ = self.recurrent(x)  # (batch, time, hidden)
        values: Tensor = self.values(states[:, -1])
        return values
