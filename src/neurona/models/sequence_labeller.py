"""Many to many, aligned: a label for every step of a sequence."""

from __future__ import annotations

from typing import Any

from neurona import nn
from neurona.core.tensor import Tensor
from neurona.models.sequence_classifier import CELLS, vectors_of
from neurona.nn import functional as F
from neurona.nn.functional.checks import choice
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class SequenceLabeller(Module):
    """scores_t = W [forward_t; backward_t] + b: each step is labelled by what stands on both sides.

    - `vocabulary_size`: how many tokens there are.
    - `cell`: "LSTM", "GRU" or "RNN". `hidden_size`: of each direction; `num_layers` of them.
    - `dropout`: of the embeddings, between layers and of the states.

    tokens: integers (batch, time), each row a sequence and, as padding, −1; or (batch, time, parts)
    with several tokens a step, as a word, its ending and its shape, whose vectors are added.
    Result: scores (batch, time, labels); those of padding say nothing. The loss is
    "token_cross_entropy", with −100 as the label of padding.
    Raises as `SequenceClassifier`.

    >>> import neurona as ne
    >>> network = SequenceLabeller(40, 3, hidden_size=8)
    >>> network(ne.asarray([[7, 3, 9, 4], [5, 0, -1, -1]])).shape
    (2, 4, 3)
    """

    def __init__(
        self,
        vocabulary_size: int,
        labels: int,
        *,
        embedding_size: int = 32,
        hidden_size: int = 128,
        num_layers: int = 1,
        cell: str = "LSTM",
        dropout: float = 0.0,
    ) -> None:
        choice("SequenceLabeller", "cell", cell, tuple(CELLS))
        self.vocabulary_size = vocabulary_size
        self.labels = labels
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.cell = cell
        self.dropout = dropout
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.recurrent = CELLS[cell](
            embedding_size,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=True,
        )
        self.scores = nn.Linear(2 * hidden_size, labels)

    def forward(self, tokens: Any) -> Tensor:
        x, lengths = vectors_of("SequenceLabeller", self.embedding, tokens)
        x = F.dropout(x, self.dropout, self.training)
        states, _ = self.recurrent(x, lengths=lengths)  # (batch, time, 2·hidden)
        scores: Tensor = self.scores(F.dropout(states, self.dropout, self.training))
        return scores
