"""Many to many, aligned: a label for every frame of a signal."""

from __future__ import annotations

from typing import Any

from neurona import nn
from neurona.core.tensor import Tensor
from neurona.models.sequence_classifier import CELLS
from neurona.nn.functional.checks import choice
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class FrameLabeller(Module):
    """scores_t = W [forward_t; backward_t] + b: as `SequenceLabeller`, of numbers, not of tokens.

    - `features`: of each frame, as the spectrum of a piece of sound.
    - `cell`: "LSTM", "GRU" or "RNN". `hidden_size`: of each direction; `num_layers` of them.
    - `bidirectional`: without, a label depends on what came before alone.

    x: (batch, time, features). Result: scores (batch, time, labels). The loss is
    "token_cross_entropy", with −100 as the label of frames that do not count.

    >>> import neurona as ne
    >>> FrameLabeller(129, 5, hidden_size=8)(ne.ones((2, 10, 129))).shape
    (2, 10, 5)
    """

    def __init__(
        self,
        features: int,
        labels: int,
        *,
        hidden_size: int = 64,
        num_layers: int = 1,
        cell: str = "LSTM",
        bidirectional: bool = True,
    ) -> None:
        choice("FrameLabeller", "cell", cell, tuple(CELLS))
        self.features = features
        self.labels = labels
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.cell = cell
        self.bidirectional = bidirectional
        self.recurrent = CELLS[cell](
            features, hidden_size, num_layers, batch_first=True, bidirectional=bidirectional
        )
        self.scores = nn.Linear(hidden_size * (2 if bidirectional else 1), labels)

    def forward(self, x: Any) -> Tensor:
        states, _ = self.recurrent(x)  # (batch, time, directions·hidden)
        scores: Tensor = self.scores(states)
        return scores
