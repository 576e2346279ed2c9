"""GPT: a Transformer that predicts the next token, in the shape of GPT-2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

import neurona as ne
from neurona import nn
from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.nn import functional as F
from neurona.nn.functional.attention import seen_steps, write_steps
from neurona.nn.functional.checks import check_state, check_tokens
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.train.architecture import register


@register
class GPT(Module):
    """GPT-2: each token's vector takes from those before it, layer by layer, and says the next.

    Radford, Wu, Child, Luan, Amodei and Sutskever, "Language models are unsupervised multitask
    learners" (2019). Names and layouts of the weights are those of the published files.

    - tokens: integers (batch, time) in 0…vocabulary_size−1.
      Result: scores (batch, time, vocabulary_size), before the softmax.
    - `context`: the longest sequence, since there is one learnt vector a position.
    - `layers` blocks with `heads` heads; `features`: the width, a multiple of `heads`.
    - `dropout`: after the embeddings, of the attention's weights and of what each block adds.
    - `tied`: the scores are products with the embeddings; else with `lm_head.weight`.

    Weights begin as N(0, 0.02²), those that add to the stream divided by √(2·layers), biases as 0.

    Raises `ShapeError` for an empty or too long sequence, `IndexOutOfRangeError` for a token out of
    range, naming its place.

    >>> import neurona as ne
    >>> network = GPT(vocabulary_size=65, context=64, layers=4, heads=4, features=128)
    >>> network(ne.zeros((2, 10), dtype=ne.int64)).shape
    (2, 10, 65)
    >>> sum(p.size for p in network.parameters())
    809856
    """

    def __init__(
        self,
        *,
        vocabulary_size: int,
        context: int,
        layers: int,
        heads: int,
        features: int,
        dropout: float = 0.0,
        tied: bool = True,
        dtype: Any = None,
    ) -> None:
        self.vocabulary_size = vocabulary_size
        self.context = context
        self.layers = extent("GPT", "layers", layers)
        self.heads = extent("GPT", "heads", heads)
        self.features = features
        self.dropout = dropout
        self.tied = tied
        self.wte = nn.Embedding(vocabulary_size, features, dtype=dtype)
        self.wpe = nn.LearnedPosition(context, features, dtype=dtype)
        self.drop = nn.Dropout(dropout)
        self.h = nn.ModuleList(Block(features, heads, dropout, dtype=dtype) for _ in range(layers))
        self.ln_f = nn.LayerNorm(features, dtype=dtype)
        if not tied:
            self.lm_head = nn.Linear(features, vocabulary_size, bias=False, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal(parameter, std=0.02 / math.sqrt(2 * self.layers))
            elif parameter.ndim == 2:
                nn.init.normal(parameter, std=0.02)

    def forward(self, tokens: Any) -> Tensor:
        tokens = check_tokens("GPT", tokens, self.vocabulary_size)
        x = self.drop(self.wpe(self.wte(tokens)))  # (batch, time, features)
        for block in self.h:
            x = block(x)  # (batch, time, features)
        return self._scores(x)

    def _scores(self, x: Tensor) -> Tensor:
        head = self.wte.weight if self.tied else self.lm_head.weight
        return F.linear(self.ln_f(x), head)  # (batch, time, vocabulary_size)

    # --- reading on, token by token ---

    def begin(self, batch: int) -> dict[str, Any]:
        """The state before the first token: empty caches of keys and values.

        "position": integers (batch,), the tokens read. "keys", "values": for each layer
        (batch, heads, context, features/heads).
        """
        shape = self._cache(whole("GPT.begin", "batch", batch))
        kind = self.wte.weight.dtype
        empty = [ne.zeros(shape, dtype=kind) for _ in range(2 * self.layers)]
        return {
            "position": ne.zeros((batch,), dtype=ne.int64),
            "keys": empty[: self.layers],
            "values": empty[self.layers :],
        }

    def _cache(self, batch: int) -> tuple[int, int, int, int]:
        """The shape of a layer's keys, and of its values."""
        return batch, self.heads, self.context, self.features // self.heads

    def read(self, tokens: Any, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        """Scores (batch, time, vocabulary_size) of the tokens that follow, and the state after.

        tokens: (batch, time). Each sample goes on at its own position. Compiled, it is one call.
        Raises `IndexOutOfRangeError` for a token out of range and where the position table ends,
        `ShapeError` if the state is that of another batch or another network.
        """
        tokens = check_tokens("GPT", tokens, self.vocabulary_size)
        batch, time = tokens.shape
        caches = [self._cache(batch)] * self.layers
        check_state("GPT", state, {"position": [(batch,)], "keys": caches, "values": caches})
        places = ne.reshape(state["position"], (-1, 1)) + ne.arange(time)  # (batch, time)
        x = self.drop(self.wpe(self.wte(tokens), places))
        keys, values = [], []
        for i, block in enumerate(self.h):
            x, key, value = cast(Block, block).read(x, places, state["keys"][i], state["values"][i])
            keys.append(key)
            values.append(value)
        after = {"position": state["position"] + time, "keys": keys, "values": values}
        return self._scores(x), after


def gpt2(weights: Mapping[str, Any], *, heads: int | None = None, dropout: float = 0.0) -> GPT:
    """The network of published GPT-2 weights, its sizes read off their shapes.

    weights: name → array, as `interop.load_safetensors("model.safetensors")` gives: the names of
        `GPT`, with or without "transformer." in front. Beside them may stand `h.….attn.bias` and
        `h.….attn.masked_bias`, the causal mask, which is not learnt, and `lm_head.weight`, which in
        a tied network is `wte.weight` again.
    heads: a file does not say how many; features/64 by default, as in all published sizes (12, 16,
        20 and 25).
    Raises `CheckpointError` naming what is missing, too much or of another shape.

    >>> network = GPT(vocabulary_size=5, context=4, layers=1, heads=1, features=64)
    >>> published = {f"transformer.{name}": a for name, a in network.state_dict().items()}
    >>> published["lm_head.weight"] = published["transformer.wte.weight"]
    >>> gpt2(published)([[1, 2]]).shape
    (1, 2, 5)
    """
    state = {name.removeprefix("transformer."): array for name, array in weights.items()}
    state = {name: array for name, array in state.items() if not name.endswith(MASKS)}
    missing = [name for name in ("wte.weight", "wpe.weight") if name not in state]
    if missing:
        raise CheckpointError(f"gpt2: the weights do not have {' and '.join(missing)}")
    table, positions = np.asarray(state["wte.weight"]), np.asarray(state["wpe.weight"])
    features = table.shape[-1]
    tied = "lm_head.weight" not in state or np.array_equal(table, state["lm_head.weight"])
    if tied:
        state.pop("lm_head.weight", None)
    with nn.init.skip():
        network = GPT(
            vocabulary_size=len(table),
            context=len(positions),
            layers=len({name.split(".")[1] for name in state if name.startswith("h.")}),
            heads=heads or max(features // 64, 1),
            features=features,
            dropout=dropout,
            tied=tied,
            dtype=table.dtype,
        )
    network.load_state_dict(state)
    return network.eval()


MASKS = (".attn.bias", ".attn.masked_bias")


class Block(Module):
    """x + attention(norm(x)), and to that + mlp(norm(…)).

    x: (batch, time, features), which is also the result's shape.
    """

    def __init__(
        self, features: int, heads: int, dropout: float = 0.0, *, dtype: Any = None
    ) -> None:
        self.features = features
        self.heads = heads
        self.dropout = dropout
        self.ln_1 = nn.LayerNorm(features, dtype=dtype)
        self.attn = CausalAttention(features, heads, dropout, dtype=dtype)
        self.ln_2 = nn.LayerNorm(features, dtype=dtype)
        self.mlp = PositionWise(features, dropout, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        y: Tensor = x + self.mlp(self.ln_2(x))
        return y

    def read(
        self, x: Tensor, places: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same for vectors at `places` (batch, time), and the caches with theirs."""
        more, keys, values = self.attn.read(self.ln_1(x), places, keys, values)
        x = x + more
        return x + self.mlp(self.ln_2(x)), keys, values


class CausalAttention(Module):
    """Attention of several heads, of each step to itself and those before.

    x: (batch, time, features), which is also the result's shape.
    """

    def __init__(
        self, features: int, heads: int, dropout: float = 0.0, *, dtype: Any = None
    ) -> None:
        if features % heads:
            raise ArgumentError(
                f"CausalAttention: features {features} must be a multiple of heads {heads}"
            )
        self.features = features
        self.heads = heads
        self.dropout = dropout
        self.c_attn = Projection(features, 3 * features, dtype=dtype)
        self.c_proj = Projection(features, features, dtype=dtype)
        self.resid_dropout = nn.Dropout(dropout)

    def forward(self, x: Any) -> Tensor:
        query, key, value = self._parts(x)
        taken = F.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0, is_causal=True
        )
        return self._joined(taken)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, each (batch, heads, time, features/heads)."""
        batch, time, features = x.shape
        shape = (batch, time, 3, self.heads, features // self.heads)
        parts = ne.permute_dims(ne.reshape(self.c_attn(x), shape), (2, 0, 3, 1, 4))
        return parts[0], parts[1], parts[2]

    def _joined(self, taken: Tensor) -> Tensor:
        batch, _, time, _ = taken.shape
        together = ne.reshape(ne.permute_dims(taken, (0, 2, 1, 3)), (batch, time, self.features))
        y: Tensor = self.resid_dropout(self.c_proj(together))
        return y

    def read(
        self, x: Tensor, places: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The same for vectors at `places` (batch, time), and the caches with theirs."""
        query, key, value = self._parts(x)
        keys = write_steps(keys, key, places)
        values = write_steps(values, value, places)
        seen = seen_steps(places, keys.shape[2])
        taken = F.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
        return self._joined(taken), keys, values


class PositionWise(Module):
    """gelu(x W₁ + b₁) W₂ + b₂, four times as wide inside; gelu in its tanh form.

    x: (batch, time, features), which is also the result's shape.
    """

    def __init__(self, features: int, dropout: float = 0.0, *, dtype: Any = None) -> None:
        self.features = features
        self.dropout = dropout
        self.c_fc = Projection(features, 4 * features, dtype=dtype)
        self.c_proj = Projection(4 * features, features, dtype=dtype)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Any) -> Tensor:
        y: Tensor = self.drop(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))
        return y


class Projection(Module):
    """x W + b, W lying as in GPT-2's files.

    x: (…, in_features). weight: (in_features, out_features). bias: (out_features,).
    """

    def __init__(self, in_features: int, out_features: int, *, dtype: Any = None) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Variable(ne.zeros((in_features, out_features), dtype=dtype))
        self.bias = Variable(ne.zeros((out_features,), dtype=dtype))

    def forward(self, x: Any) -> Tensor:
        return ne.matmul(x, self.weight) + self.bias
