"""Many to one: a class for a whole sequence."""

from __future__ import annotations

from typing import Any

from neurona import nn
from neurona.core import dtypes
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn import functional as F
from neurona.nn.functional.checks import check_that, choice
from neurona.nn.functional.dropout import check_probability
from neurona.nn.module import Module
from neurona.nn.running import who
from neurona.ops.broadcast import sum
from neurona.ops.compare import where
from neurona.ops.create import arange
from neurona.ops.join import concat
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import any as any_of
from neurona.ops.reduce import max as max_of
from neurona.ops.shape import expand_dims
from neurona.train.architecture import register

CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
PADDING = -1
"""What fills a row of tokens up behind the end of its sequence."""
POOLINGS = ("max", "mean", "last")


@register
class SequenceClassifier(Module):
    """scores = W p + b, with p drawn together from a recurrent layer's states in both directions.

        h_t = [forward_t; backward_t],   p = max_t h_t  or  1/L Σ_t h_t  or  [forward_L; backward_1]

    - `vocabulary_size`: how many tokens there are.
    - `cell`: "LSTM", "GRU" or "RNN". `hidden_size`: of each direction.
    - `pooling`: "max" or "mean" over the sequence's own steps, or "last": the state in which each
      direction ends.
    - `dropout`: of the embeddings and of p.

    tokens: integers (batch, time), each row a sequence and, as padding, −1; or (batch, time, parts)
    with several tokens a step, whose vectors are added.
    Result: scores (batch, classes).
    Raises `ArgumentError` for an empty sequence, `IndexOutOfRangeError` naming the position of a
    token that is not in the vocabulary, `ShapeError` and `DTypeError` for other tokens.

    >>> import neurona as ne
    >>> network = SequenceClassifier(50, 2, hidden_size=8)
    >>> network(ne.asarray([[7, 3, 9, 4], [5, 0, -1, -1]])).shape
    (2, 2)
    """

    def __init__(
        self,
        vocabulary_size: int,
        classes: int,
        *,
        embedding_size: int = 100,
        hidden_size: int = 64,
        cell: str = "LSTM",
        pooling: str = "max",
        dropout: float = 0.5,
    ) -> None:
        choice("SequenceClassifier", "cell", cell, tuple(CELLS))
        choice("SequenceClassifier", "pooling", pooling, POOLINGS)
        check_probability("SequenceClassifier", dropout)
        self.vocabulary_size = vocabulary_size
        self.classes = classes
        self.embedding_size = embedding_size
        self.hidden_size = hidden_size
        self.cell = cell
        self.pooling = pooling
        self.dropout = dropout
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.recurrent = CELLS[cell](
            embedding_size, hidden_size, batch_first=True, bidirectional=True
        )
        self.scores = nn.Linear(2 * hidden_size, classes)
        # Words seen once or twice stay near where they began, so that must be near 0.
        nn.init.normal(self.embedding.weight, std=0.1)

    def forward(self, tokens: Any) -> Tensor:
        x, lengths = vectors_of("SequenceClassifier", self.embedding, tokens)
        x = F.dropout(x, self.dropout, self.training)
        states, last = self.recurrent(x, lengths=lengths)  # states (batch, time, 2·hidden)
        if self.pooling == "max":
            together = F.max_over_time(states, lengths, batch_first=True)
        elif self.pooling == "mean":
            together = F.mean_over_time(states, lengths, batch_first=True)
        else:
            h = last[0] if isinstance(last, tuple) else last  # (direction, batch, hidden)
            together = concat([h[0], h[1]], axis=-1)
        scores: Tensor = self.scores(F.dropout(together, self.dropout, self.training))
        return scores


def vectors_of(name: str, embedding: nn.Embedding, tokens: Any) -> tuple[Tensor, Tensor]:
    """The vectors of tokens (batch, time, features), and how many steps each row has (batch,).

    tokens: integers (batch, time), each row a sequence and, as padding, −1; or (batch, time, parts)
    with several tokens a step, whose vectors are added: those of a word, its ending, its shape. −1
    is none there, and a step without any is padding.
    name: the network's, for messages. Raises `ShapeError` and `DTypeError`, and `ArgumentError` for
    padding in front of a token.
    """
    given = operand(tokens)
    if given.ndim not in (2, 3):
        raise ShapeError(
            f"{who(name)}: tokens {given.shape} must be (batch, time) or (batch, time, parts)"
        )
    if not dtypes.is_integer(given.dtype):
        raise DTypeError(f"{who(name)}: tokens must be integers, not {given.dtype}")
    wide = cast(given, dtypes.int64)
    there = wide != PADDING
    several = given.ndim == 3
    steps = any_of(there, axis=2) if several else there
    lengths = sum(cast(steps, dtypes.int64), axis=1)
    inside = arange(given.shape[1]) < expand_dims(lengths, axis=1)
    shown = max_of(wide, axis=2) if several else wide
    check_that(name, steps == inside, "tokens", shown, "padding, −1, stands behind the tokens")
    vectors: Tensor = embedding(where(there, wide, 0))
    if several:  # (batch, time, parts, features)
        vectors = sum(where(expand_dims(there, axis=-1), vectors, 0), axis=2)
    return vectors, lengths
