"""The Transformer of 2017: an encoder reads the source, a decoder writes the target."""

from __future__ import annotations

import math
from typing import Any, cast

import neurona as ne
from neurona import nn
from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError, DTypeError, ShapeError, choices
from neurona.core.tensor import Tensor
from neurona.nn import functional as F
from neurona.nn.functional.attention import watched_attention
from neurona.nn.functional.checks import check_state, check_that, check_tokens
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.train.architecture import register

TIED = ("none", "target", "all")


@register
class EncoderDecoderTransformer(Module):
    """Vaswani's Transformer: translate a source into a target, token by token.

    Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin, "Attention is all you
    need" (2017). Its label smoothing is the loss's (`F.token_cross_entropy`).

    - source: integers (batch, source), target: integers (batch, target): what the decoder has
      written so far, from the token that begins a sentence on. Result: scores of the next token,
      (batch, target, vocabulary_size).
    - lengths: integers (batch,), how much of each source counts. Or `padding`: the token that does
      not count.
    - `source_vocabulary_size`: that of the target by default. `context`: the longest sequence.
    - `layers` in encoder and decoder, `heads`, `features`; `hidden_features` between the linear
      maps of a layer, 4·features by default.
    - `tied`: "target": scores are products with the target's embeddings; "all": source and target
      share theirs as well; "none".
    - `norm_first`: normalise what goes into each part, which needs no slow start of the learning
      rate, rather than the sum behind it (the paper).

    Embeddings begin as N(0, 1/features) and are multiplied by √features, other weights as Glorot
    says.

    >>> import neurona as ne
    >>> network = EncoderDecoderTransformer(
    ...     vocabulary_size=12, context=9, layers=1, heads=2, features=8
    ... )
    >>> network(ne.ones((2, 7), dtype=ne.int64), ne.ones((2, 5), dtype=ne.int64)).shape
    (2, 5, 12)
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        source_vocabulary_size: int | None = None,
        context: int,
        layers: int,
        heads: int,
        features: int,
        hidden_features: int | None = None,
        dropout: float = 0.1,
        tied: str = "target",
        norm_first: bool = False,
        padding: int | None = None,
        dtype: Any = None,
    ) -> None:
        if tied not in TIED:
            raise ArgumentError(
                f"EncoderDecoderTransformer: unknown tied {tied!r}{choices(str(tied), TIED)}"
            )
        source_size = vocabulary_size if source_vocabulary_size is None else source_vocabulary_size
        if padding is not None and whole("EncoderDecoderTransformer", "padding", padding, 0) >= (
            extent("EncoderDecoderTransformer", "source_vocabulary_size", source_size)
        ):
            raise ArgumentError(
                f"EncoderDecoderTransformer: padding {padding} is no token of the source, which "
                f"has {source_size}"
            )
        if tied == "all" and source_size != vocabulary_size:
            raise ArgumentError(
                f"EncoderDecoderTransformer: tied='all' needs one vocabulary, not {source_size} "
                f"and {vocabulary_size} tokens"
            )
        self.vocabulary_size = vocabulary_size
        self.source_vocabulary_size = source_size
        self.context = context
        self.layers = layers
        self.heads = heads
        self.features = extent("EncoderDecoderTransformer", "features", features)
        self.hidden_features = 4 * features if hidden_features is None else hidden_features
        self.dropout = dropout
        self.tied = tied
        self.norm_first = norm_first
        self.padding = padding
        self.target_embedding = nn.Embedding(vocabulary_size, features, dtype=dtype)
        self.source_embedding = self.target_embedding
        if tied != "all":
            self.source_embedding = nn.Embedding(source_size, features, dtype=dtype)
        self.position = nn.SinusoidalPosition(context, features, dtype=dtype)
        options: dict[str, Any] = {
            "dim_feedforward": self.hidden_features,
            "dropout": dropout,
            "batch_first": True,
            "norm_first": norm_first,
            "dtype": dtype,
        }
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(features, heads, **options),
            layers,
            nn.LayerNorm(features, dtype=dtype) if norm_first else None,
        )
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(features, heads, **options),
            layers,
            nn.LayerNorm(features, dtype=dtype) if norm_first else None,
        )
        if tied == "none":
            self.output = nn.Linear(features, vocabulary_size, bias=False, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for name, parameter in self.named_parameters():
            if "embedding" in name:
                nn.init.normal(parameter, std=self.features**-0.5)
            elif parameter.ndim == 2:
                nn.init.xavier_uniform(parameter)

    def forward(self, source: Any, target: Any, lengths: Any = None) -> Tensor:
        memory, seen = self._encoded(source, lengths)
        x = self._embedded("target", target)  # (batch, target, features)
        hidden = None if seen is None else ~seen
        x = self.decoder(x, memory, memory_key_padding_mask=hidden, tgt_is_causal=True)
        return self._scores(x)

    def _encoded(self, source: Any, lengths: Any) -> tuple[Tensor, Tensor | None]:
        """The encoder's result (batch, source, features), and which of it counts."""
        tokens = ne.asarray(source)
        x = self._embedded("source", tokens)
        seen = self._seen(tokens, lengths)
        hidden = None if seen is None else ~seen
        return self.encoder(x, src_key_padding_mask=hidden), seen

    def _embedded(self, name: str, given: Any, positions: Any = None) -> Tensor:
        embedding = self.source_embedding if name == "source" else self.target_embedding
        tokens = check_tokens(type(self).__name__, given, embedding.num_embeddings, name)
        x = self.position(embedding(tokens) * math.sqrt(self.features), positions)
        return F.dropout(x, self.dropout, self.training)

    def _seen(self, source: Tensor, lengths: Any) -> Tensor | None:
        """(batch, source) of bools, True for the tokens that count; None for all."""
        seen = None if self.padding is None else source != self.padding
        if lengths is None:
            return seen
        lengths = ne.asarray(lengths)
        if lengths.shape != source.shape[:1]:
            raise ShapeError(
                f"EncoderDecoderTransformer: lengths {lengths.shape} must be (batch,), one a "
                f"source of {source.shape}"
            )
        if lengths.dtype.kind not in "iu":
            raise DTypeError(
                f"EncoderDecoderTransformer: lengths are integers, not {lengths.dtype}"
            )
        time = source.shape[1]
        right = (lengths >= 1) & (lengths <= time)
        rule = f"they lie in 1…{time}, the time of the source"
        check_that("EncoderDecoderTransformer", right, "lengths", lengths, rule)
        inside = ne.arange(time) < ne.expand_dims(lengths, axis=1)
        return inside if seen is None else inside & seen

    def _scores(self, x: Tensor) -> Tensor:
        head = self.output if self.tied == "none" else self.target_embedding
        return F.linear(x, head.weight)  # (batch, target, vocabulary_size)

    def attention_map(self, source: Any, target: Any, lengths: Any = None) -> Tensor:
        """How much each target token looks at each source token: (batch, target, source).

        In the decoder's last layer, the mean over its heads. Each row is what was looked at when
        the token after that one was said; its sum is 1. `models.attention_maps` gives those of all
        layers and heads.
        """
        with watched_attention() as found:
            self(source, target, lengths)
        shares = dict(found)[f"decoder.layers.{self.layers - 1}.multihead_attn"]
        return ne.mean(shares, axis=1)

    # --- writing, token by token ---

    def begin(self, source: Any, lengths: Any = None) -> dict[str, Any]:
        """Encode the source: the state before the first token is written.

        "position": integers (batch,), the tokens read. "keys", "values": for each layer
        (batch, heads, context, features/heads), the target's. "memory_keys", "memory_values":
        (batch, heads, source, features/heads), the source's; "seen": (batch, source), what of it
        counts.
        """
        memory, seen = self._encoded(source, lengths)
        batch, time, _ = memory.shape
        shape = (batch, self.heads, self.context, self.features // self.heads)
        empty = [ne.zeros(shape, dtype=memory.dtype) for _ in range(2 * self.layers)]
        layers = cast(list[nn.TransformerDecoderLayer], list(self.decoder.layers))
        return {
            "position": ne.zeros((batch,), dtype=ne.int64),
            "keys": empty[: self.layers],
            "values": empty[self.layers :],
            "memory_keys": [layer.multihead_attn.keys(memory) for layer in layers],
            "memory_values": [layer.multihead_attn.values(memory) for layer in layers],
            "seen": ne.ones((batch, time), dtype=ne.bool) if seen is None else seen,
        }

    def read(self, tokens: Any, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Scores (batch, time, vocabulary_size) behind the tokens written, and the state after.

        tokens: (batch, time). Each sample goes on at its own position. Compiled, it is one call.
        Raises `IndexOutOfRangeError` for a token out of range and where the position table ends.
        """
        tokens = check_tokens(type(self).__name__, tokens, self.vocabulary_size, "target")
        batch, time = tokens.shape
        own = [(batch, self.heads, self.context, self.features // self.heads)] * self.layers
        check_state(
            type(self).__name__, state, {"position": [(batch,)], "keys": own, "values": own}
        )
        places = ne.reshape(state["position"], (-1, 1)) + ne.arange(time)  # (batch, time)
        x = self._embedded("target", tokens, places)
        seen = ne.reshape(state["seen"], (x.shape[0], 1, 1, -1))
        keys, values = [], []
        for i, layer in enumerate(self.decoder.layers):
            memory = (state["memory_keys"][i], state["memory_values"][i])
            cache = (state["keys"][i], state["values"][i])
            x, (key, value) = cast(nn.TransformerDecoderLayer, layer).read(
                x, places, cache, memory, seen
            )
            keys.append(key)
            values.append(value)
        x = x if self.decoder.norm is None else self.decoder.norm(x)
        after = {"position": state["position"] + time, "keys": keys, "values": values}
        return self._scores(x), {**state, **after}
