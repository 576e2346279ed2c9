"""Language models with recurrent layers, by character, word or any other token."""

from __future__ import annotations

import math
from typing import Any

import neurona as ne
from neurona import nn
from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn import functional as F
from neurona.nn.functional.checks import choice
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.train.architecture import register

CELLS: dict[str, Any] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
"""The recurrent layers by the name of their cell; "RNN" is Elman's."""


@register
class RecurrentLanguageModel(Module):
    """Each token's vector goes through recurrent layers, whose state says what comes next.

    Mikolov, Karafiát, Burget, Černocký and Khudanpur, "Recurrent neural network based language
    model" (2010); dropout only between the layers, not along the time: Zaremba, Sutskever and
    Vinyals, "Recurrent neural network regularization" (2014).

    - tokens: integers (batch, time) in 0…vocabulary_size−1.
      Result: scores (batch, time, vocabulary_size), before the softmax.
    - `cell`: "LSTM", "GRU" or "RNN", Elman's; `layers` of them, each of `features` units.
    - `embedding`: the width of a token's learnt vector, by default `features`; 0: tokens are
      one-hot vectors.
    - `dropout`: of the embeddings, between the layers, and before the scores.
    - `tied`: the scores are products with the embeddings, which are as wide as `features`: Press
      and Wolf, "Using the output embedding to improve language models" (2017).

    There is no longest sequence: `context` is None.
    Raises `ShapeError` for an empty sequence, `IndexOutOfRangeError` for a token without a number
    in the vocabulary, with its position.

    >>> import neurona as ne
    >>> network = RecurrentLanguageModel(vocabulary_size=65, layers=2, features=32)
    >>> scores = network(ne.zeros((3, 10), dtype=ne.int64))
    >>> first, state = network.read(ne.zeros((3, 4), dtype=ne.int64), network.begin(3))
    >>> rest, state = network.read(ne.zeros((3, 6), dtype=ne.int64), state)
    >>> scores.shape, first.shape, rest.shape
    ((3, 10, 65), (3, 4, 65), (3, 6, 65))
    """

    context = None

    def __init__(
        self,
        *,
        vocabulary_size: int,
        cell: str = "LSTM",
        layers: int = 1,
        features: int = 256,
        embedding: int | None = None,
        dropout: float = 0.0,
        tied: bool = False,
        dtype: Any = None,
    ) -> None:
        choice("RecurrentLanguageModel", "cell", cell, tuple(CELLS))
        extent("RecurrentLanguageModel", "vocabulary_size", vocabulary_size)
        extent("RecurrentLanguageModel", "layers", layers)
        width = features if embedding is None else embedding
        if tied and width != features:
            raise ArgumentError(
                f"RecurrentLanguageModel: tied needs embedding {width} = features {features}, for "
                "the scores are products of both"
            )
        self.vocabulary_size = vocabulary_size
        self.cell = cell
        self.layers = layers
        self.features = features
        self.embedding = embedding
        self.dropout = dropout
        self.tied = tied
        if width:
            self.embed = nn.Embedding(vocabulary_size, width, dtype=dtype)
        self.drop = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.recurrent = CELLS[cell](
            width or vocabulary_size, features, layers, dropout=between, dtype=dtype
        )
        if not tied:
            self.head = nn.Linear(features, vocabulary_size, dtype=dtype)
        else:
            nn.init.normal(self.embed.weight, std=1 / math.sqrt(features))

    def forward(self, tokens: Any) -> Tensor:
        y, _ = self.recurrent(self._vectors(tokens))
        return self._scores(y)

    # --- reading on ---

    def begin(self, batch: int) -> Any:
        """The state before the first token, zeros (batch, layers, features); h and c of an LSTM."""
        kind = next(self.recurrent.parameters()).dtype
        batch = whole("RecurrentLanguageModel.begin", "batch", batch)
        zeros = ne.zeros((batch, self.layers, self.features), dtype=kind)
        return (zeros, zeros) if self.cell == "LSTM" else (zeros,)

    def read(self, tokens: Any, state: Any) -> tuple[Tensor, Any]:
        """Scores (batch, time, vocabulary_size) of the tokens that follow, and the state after."""
        count = len(self.recurrent.states)
        if not isinstance(state, (tuple, list)) or len(state) != count:
            raise ArgumentError(
                f"{title_of(self)}: the state is a tuple of {count} (batch, layers, features), as "
                f"begin gives it, not {state!r}"
            )
        parts = tuple([ne.permute_dims(part, (1, 0, 2)) for part in state])
        y, last = self.recurrent(self._vectors(tokens), parts if len(parts) > 1 else parts[0])
        after = last if len(parts) > 1 else (last,)
        return self._scores(y), tuple([ne.permute_dims(part, (1, 0, 2)) for part in after])

    def _vectors(self, tokens: Any) -> Tensor:
        """The vectors of tokens (batch, time), (time, batch, ·)."""
        tokens = ne.asarray(tokens)
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ShapeError(
                f"{title_of(self)}: tokens are integers (batch, time) with at least one step, not "
                f"{tokens.shape}"
            )
        steps = ne.permute_dims(tokens, (1, 0))
        if self.embedding == 0:
            kind = next(self.recurrent.parameters()).dtype
            return ne.one_hot(steps, self.vocabulary_size, dtype=kind)
        vectors: Tensor = self.drop(self.embed(steps))
        return vectors

    def _scores(self, y: Tensor) -> Tensor:
        """Scores (batch, time, vocabulary_size) of the last layer's h, (time, batch, features)."""
        y = self.drop(ne.permute_dims(y, (1, 0, 2)))
        scores: Tensor = F.linear(y, self.embed.weight) if self.tied else self.head(y)
        return scores
