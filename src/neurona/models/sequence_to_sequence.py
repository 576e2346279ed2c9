"""Sequence to sequence: one LSTM reads a sentence, another says it in the other language.

Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks" (2014); with the
attention of Luong, Pham and Manning, "Effective approaches to attention-based neural machine
translation" (2015), whose decoder's state asks the encoder's, after Bahdanau, Cho and Bengio,
"Neural machine translation by jointly learning to align and translate" (2015).
"""

from __future__ import annotations

from typing import Any

from neurona import nn
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.core.variable import Variable
from neurona.nn import functional as F
from neurona.nn.functional.checks import check_state, check_tokens, choice
from neurona.nn.functional.dropout import check_probability
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.ops.broadcast import reshape
from neurona.ops.compare import where
from neurona.ops.create import arange, full, zeros
from neurona.ops.generator import Generator
from neurona.ops.join import concat
from neurona.ops.matmul import matmul
from neurona.ops.operand import operand
from neurona.ops.reduce import argmax
from neurona.ops.shape import expand_dims, permute_dims
from neurona.ops.transcendental import tanh
from neurona.random import bernoulli
from neurona.train.architecture import register

State = dict[str, Tensor]

ATTENTION = ("dot", "additive")


@register
class SequenceToSequence(Module):
    """A bidirectional LSTM encodes, its last state begins an LSTM that decodes.

    With attention the decoder's state s of each step also asks the encoder's states m of all words:

        a_j = softmax_j(score(s, m_j)),  c = Σ_j a_j m_j,  h = tanh(W [c; s]),  scores = E h + b

    which is Luong's global attention, without feeding h to the next step. E are the target's
    embeddings too (Press and Wolf, "Using the output embedding to improve language models", 2017).
    Without attention h = s, and all that is known of the sentence is in the state.

    - `source_size`, `target_size`: the tokens of the two languages.
    - `hidden_size`: of the embeddings, of the decoder and of the encoder's directions together.
    - `attention`: the score: "dot" for sᵀ m, "additive" for Bahdanau's vᵀ tanh(W s + U m) (see
      `nn.AdditiveAttention`), or None for no attention.
    - `dropout`: of embeddings, between layers and before the scores.

    `network(source, target, lengths)`: scores (batch, time, target_size) of what follows each
    target token, for sources (batch, time) and the target so far (batch, time): teacher forcing.
    lengths: integers (batch,) of sources that are padded; None where none is. `begin` and `read`
    say a sentence token by token, `attention_map` shows where the decoder looked.

    Raises `ShapeError` for a source without a token, `IndexOutOfRangeError` naming the position of
    a token that is not in its language, `ArgumentError` naming a length out of range and for
    another attention.

    >>> import neurona as ne
    >>> network = SequenceToSequence(20, 30, 16)
    >>> network(ne.asarray([[3, 5, 1], [4, 1, 1]]), ne.asarray([[2, 7], [2, 8]]), [3, 2]).shape
    (2, 2, 30)
    """

    context = None
    """There is no table of positions, so sequences may have any length."""

    def __init__(
        self,
        source_size: int,
        target_size: int,
        hidden_size: int = 256,
        *,
        num_layers: int = 1,
        attention: str | bool | None = "dot",
        dropout: float = 0.0,
    ) -> None:
        check_probability("SequenceToSequence", dropout)
        extent("SequenceToSequence", "num_layers", num_layers)
        if extent("SequenceToSequence", "hidden_size", hidden_size) % 2:
            raise ArgumentError(
                f"SequenceToSequence: hidden_size {hidden_size} must be even: the encoder's two "
                "directions share it"
            )
        self.source_size = source_size
        self.target_size = target_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.attention = checked_attention(attention)
        self.dropout = dropout
        between = dropout if num_layers > 1 else 0.0
        self.source_table = nn.Embedding(source_size, hidden_size)
        self.encoder = nn.LSTM(
            hidden_size, hidden_size // 2, num_layers, dropout=between, bidirectional=True
        )
        self.target_table = nn.Embedding(target_size, hidden_size)
        self.decoder = nn.LSTM(hidden_size, hidden_size, num_layers, dropout=between)
        combined = self.attention is not None
        self.combine = nn.Linear(2 * hidden_size, hidden_size, bias=False) if combined else None
        self.alignment = (
            nn.AdditiveAttention(hidden_size, hidden_size, hidden_size)
            if self.attention == "additive"
            else None
        )
        self.bias = Variable(zeros((target_size,)).numpy(), "bias")
        # As output weights the rows must not be long: scores of about 1 to begin with.
        nn.init.normal(self.target_table.weight, std=hidden_size**-0.5)

    @property
    def vocabulary_size(self) -> int:
        """The tokens that it has scores for: `target_size`."""
        return self.target_size

    def forward(self, source: Any, target: Any, lengths: Any = None) -> Tensor:
        return self.read(target, self.begin(source, lengths))[0]

    def begin(self, source: Any, lengths: Any = None) -> State:
        """The state before the first word of the translation.

        source: (batch, time). lengths: as above. Result: tensors (batch, …) by name.
        """
        tokens = check_tokens(type(self).__name__, source, self.source_size, "source")
        memory, state = self.encoder(self._embedded(self.source_table, tokens), lengths=lengths)
        h, c = [self._joined(part) for part in state]
        if self.attention is None:
            return {"h": h, "c": c}
        batch, time = tokens.shape
        if lengths is None:
            there = full((batch, time), True)
        else:
            there = arange(time) < expand_dims(operand(lengths), axis=1)
        memory = permute_dims(memory, (1, 0, 2))
        found = {"h": h, "c": c, "memory": memory, "there": there}
        return found if self.alignment is None else {**found, "keys": self.alignment.keys(memory)}

    def read(self, tokens: Any, state: State) -> tuple[Tensor, State]:
        """Go on with the target's tokens (batch, time).

        Result: the scores (batch, time, target_size) of what follows each, and the state after
        them.
        """
        s, after = self._decoded(tokens, state)
        if self.combine is not None:
            share = self._shares(s, state)
            context = matmul(share, state["memory"])  # (batch, target time, hidden)
            s = tanh(self.combine(concat([context, s], axis=-1)))
        s = F.dropout(s, self.dropout, self.training)
        return F.linear(s, self.target_table.weight, self.bias), after

    def attention_map(self, source: Any, target: Any, lengths: Any = None) -> Tensor:
        """How much each target token looks at each source token: (batch, target, source) time.

        Each row is what was looked at when the word after that token was said; its sum is 1.
        Raises `ArgumentError` where the network has no attention.
        """
        if self.attention is None:
            raise ArgumentError("SequenceToSequence.attention_map: it was made with attention=None")
        state = self.begin(source, lengths)
        return self._shares(self._decoded(target, state)[0], state)

    def _decoded(self, target: Any, state: State) -> tuple[Tensor, State]:
        """The decoder's states (batch, time, hidden), and what `read` goes on from."""
        tokens = check_tokens(type(self).__name__, target, self.target_size, "target")
        part = (tokens.shape[0], self.num_layers, self.hidden_size)
        check_state(type(self).__name__, state, {"h": [part], "c": [part]})
        before = tuple(permute_dims(state[name], (1, 0, 2)) for name in ("h", "c"))
        s, last = self.decoder(self._embedded(self.target_table, tokens), before)
        h, c = [permute_dims(part, (1, 0, 2)) for part in last]
        return permute_dims(s, (1, 0, 2)), {**state, "h": h, "c": c}

    def _shares(self, s: Tensor, state: State) -> Tensor:
        """softmax_j(score(s, m_j)) of what is there: (batch, target time, source time)."""
        if self.alignment is not None:
            return self.alignment.weights(s, state["keys"], ~state["there"])
        there = expand_dims(state["there"], axis=1)
        return F.attention_weights(s, state["memory"], there, scale=1.0)

    def _embedded(self, table: nn.Embedding, tokens: Tensor) -> Tensor:
        """(time, batch, hidden)"""
        return F.dropout(table(permute_dims(tokens, (1, 0))), self.dropout, self.training)

    def _joined(self, part: Tensor) -> Tensor:
        """(layers·2, batch, hidden/2) to (batch, layers, hidden)."""
        _, batch, half = part.shape
        by_layer = reshape(part, (self.num_layers, 2, batch, half))
        return reshape(permute_dims(by_layer, (2, 0, 1, 3)), (batch, self.num_layers, 2 * half))


def checked_attention(given: str | bool | None) -> str | None:
    """The attention that is meant; networks saved before there was a choice say True or False.

    >>> checked_attention("additive"), checked_attention(True), checked_attention(False)
    ('additive', 'dot', None)
    """
    if isinstance(given, bool):
        return "dot" if given else None
    if given is not None:
        choice("SequenceToSequence", "attention", given, ATTENTION)
    return given


def scheduled_inputs(
    network: Any,
    source: Any,
    inputs: Any,
    lengths: Any = None,
    *,
    share: Any,
    generator: Generator | None = None,
) -> Tensor:
    """What the decoder reads in training: the true words, a share of them replaced by its own.

    Scheduled sampling, so that the network learns to go on from what it says itself: Bengio,
    Vinyals, Jaitly and Shazeer (2015); the words are those that it finds most probable after the
    true ones, all found at once, as in Mihaylova and Martins, "Scheduled sampling for Transformers"
    (2019). The first token stays.

    network: anything called as `network(source, inputs, lengths)`. inputs: (batch, time), as the
    result. share: the probability of replacing a word, usually growing from 0 while learning.
    generator: what is drawn from; the default generator if None.

    >>> import neurona as ne
    >>> network = SequenceToSequence(20, 30, 16)
    >>> source, inputs = ne.asarray([[3, 5, 1]]), ne.asarray([[2, 7, 9]])
    >>> scheduled_inputs(network, source, inputs, share=0.0)
    Tensor([[2, 7, 9]], dtype=int64)
    """
    tokens = operand(inputs)
    with no_grad():
        said = argmax(network(source, tokens, lengths), axis=-1)
    own = concat([tokens[:, :1], said[:, :-1]], axis=1)
    return where(bernoulli(share, tokens.shape, generator=generator), own, tokens)
