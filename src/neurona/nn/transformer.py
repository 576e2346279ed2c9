"""The Transformer's layers and stacks, with PyTorch's names."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

from neurona.core.dtypes import DEFAULT_FLOAT
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.attention import MultiheadAttention
from neurona.nn.containers import ModuleList
from neurona.nn.functional.attention import seen_steps, write_steps
from neurona.nn.functional.checks import choice
from neurona.nn.layernorm import LayerNorm
from neurona.nn.linear import Linear, extent
from neurona.nn.module import Module
from neurona.ops.compare import where
from neurona.ops.operand import operand

Activation = str | Callable[[Any], Tensor]
ACTIVATIONS = {"relu": functional.relu, "gelu": functional.gelu}


class _Layer(Module):
    """What encoder and decoder layers share."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        if isinstance(activation, str):
            choice(type(self).__name__, "activation", activation, list(ACTIVATIONS))
        elif not callable(activation):
            raise ArgumentError(
                f"{type(self).__name__}: activation is 'relu', 'gelu' or a function of a tensor, "
                f"not {activation!r}"
            )
        self.d_model = d_model
        self.nhead = nhead
        self.dim_feedforward = dim_feedforward
        self.dropout = dropout
        self.activation = activation
        self.layer_norm_eps = layer_norm_eps
        self.batch_first = batch_first
        self.norm_first = norm_first
        self.bias = bias
        self._make(dtype)

    def _make(self, dtype: Any) -> None:
        raise NotImplementedError

    def _attention(self, dtype: Any) -> MultiheadAttention:
        return MultiheadAttention(
            self.d_model,
            self.nhead,
            self.dropout,
            self.bias,
            batch_first=self.batch_first,
            dtype=dtype,
        )

    def _feed_forward(self, dtype: Any, norms: int) -> None:
        self.linear1 = Linear(self.d_model, self.dim_feedforward, self.bias, dtype=dtype)
        self.linear2 = Linear(self.dim_feedforward, self.d_model, self.bias, dtype=dtype)
        for i in range(norms):
            norm = LayerNorm(self.d_model, self.layer_norm_eps, bias=self.bias, dtype=dtype)
            setattr(self, f"norm{i + 1}", norm)

    def _dropped(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.dropout, self.training)

    def _wide(self, x: Tensor) -> Tensor:
        """The part that acts on each step by itself."""
        known = self.activation
        function: Any = ACTIVATIONS[known] if isinstance(known, str) else known
        return self._dropped(self.linear2(self._dropped(function(self.linear1(x)))))

    def _added(self, x: Tensor, norm: Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x + part(norm(x)), or norm(x + part(x)) where the norm comes last."""
        y: Tensor = x + part(norm(x)) if self.norm_first else norm(x + part(x))
        return y

    def extra_repr(self) -> str:
        return f"{self.d_model}, {self.nhead}, norm_first={self.norm_first}"


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two linear maps with an activation between, each added to what came in.

    Vaswani et al., "Attention is all you need" (2017), section 3.1.

    src: (time, batch, d_model), (batch, time, d_model) with `batch_first`, or (time, d_model); the
    result has its shape. src_mask, src_key_padding_mask, is_causal: as those of
    `MultiheadAttention`: True leaves out.
    dim_feedforward: features between the linear maps. activation: "relu", "gelu" or a function.
    norm_first: normalise what goes into each part, rather than the sum behind it.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(ne.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    norm1: LayerNorm
    norm2: LayerNorm

    def _make(self, dtype: Any) -> None:
        self.self_attn = self._attention(dtype)
        self._feed_forward(dtype, 2)

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self._dropped(
                self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[
                    0
                ]
            )

        x = self._added(operand(src), self.norm1, attend)
        return self._added(x, self.norm2, self._wide)


class TransformerDecoderLayer(_Layer):
    """As an encoder layer, with attention to the encoder's result between the two parts.

    tgt: (time, batch, d_model); memory: (its time, batch, d_model); see `TransformerEncoderLayer`.
    tgt_mask, tgt_key_padding_mask, tgt_is_causal: who of tgt sees whom. memory_…: of the memory.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> layer = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True)
    >>> layer(ne.ones((3, 5, 8)), ne.ones((3, 7, 8)), tgt_is_causal=True).shape
    (3, 5, 8)
    """

    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm

    def _make(self, dtype: Any) -> None:
        self.self_attn = self._attention(dtype)
        self.multihead_attn = self._attention(dtype)
        self._feed_forward(dtype, 3)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            taken, _ = self.self_attn(
                x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal
            )
            return self._dropped(taken)

        def look(x: Tensor) -> Tensor:
            taken, _ = self.multihead_attn(
                x,
                memory,
                memory,
                memory_key_padding_mask,
                False,
                memory_mask,
                is_causal=memory_is_causal,
            )
            return self._dropped(taken)

        x = self._added(operand(tgt), self.norm1, attend)
        x = self._added(x, self.norm2, look)
        return self._added(x, self.norm3, self._wide)

    def read(
        self,
        x: Tensor,
        positions: Tensor,
        cache: tuple[Tensor, Tensor],
        memory: tuple[Tensor, Tensor],
        memory_seen: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The same for new steps, given keys and values of those before; and the cache with theirs.

        x: (batch, time, d_model), always batch first. positions: integers (batch, time).
        cache: keys and values (batch, nhead, context, d_model/nhead).
        memory: the memory's, by `multihead_attn.keys` and `multihead_attn.values`.
        memory_seen: bools, (batch, 1, 1, its time).
        """

        keys, values = cache

        def attend(x: Tensor) -> Tensor:
            nonlocal keys, values
            query, key, value = self.self_attn.split(x)
            keys = write_steps(keys, key, positions)
            values = write_steps(values, value, positions)
            seen = seen_steps(positions, keys.shape[2])
            return self._dropped(self.self_attn.attend(query, keys, values, seen))

        def look(x: Tensor) -> Tensor:
            query = self.multihead_attn.queries(x)
            return self._dropped(self.multihead_attn.attend(query, *memory, memory_seen))

        x = self._added(x, self.norm1, attend)
        x = self._added(x, self.norm2, look)
        return self._added(x, self.norm3, self._wide), (keys, values)


class _Stack(Module):
    """Layers one after the other and a norm; described by the options of the first layer."""

    layer: type[_Layer]
    layers: ModuleList
    norm: Module | None

    def __init__(self, layer: Module, num_layers: int, norm: Module | None) -> None:
        self.num_layers = extent(type(self).__name__, "num_layers", num_layers)
        self.layers = ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.norm = norm

    def description(self) -> dict[str, Any]:
        """What `from_description` makes the stack of, fit for JSON.

        Raises `ArgumentError` for layers, activations and norms of one's own.
        """
        first, norm = self.layers[0], self.norm
        if type(first) is not self.layer or not isinstance(norm, LayerNorm | None):
            raise ArgumentError(
                f"{type(self).__name__}: only a stack of nn.{self.layer.__name__} with an "
                "nn.LayerNorm or no norm can be described"
            )
        options = {name: getattr(first, name) for name in OPTIONS}
        if not isinstance(options["activation"], str):
            raise ArgumentError(
                f"{type(self).__name__}: an activation that is a function cannot be described"
            )
        kind = first.linear1.weight.dtype
        if kind != DEFAULT_FLOAT:
            options["dtype"] = kind.name
        eps = None if norm is None else norm.eps
        return {"layer_options": options, "num_layers": self.num_layers, "norm_eps": eps}

    @classmethod
    def from_description(cls, given: dict[str, Any]) -> Any:
        """The stack of a description."""
        wanted = {"layer_options", "num_layers", "norm_eps"}
        if set(given) - wanted or not {"layer_options", "num_layers"} <= set(given):
            raise ArgumentError(
                f"{cls.__name__}: a description has {', '.join(sorted(wanted))}, not "
                f"{', '.join(sorted(given)) or 'nothing'}"
            )
        options, eps = dict(given["layer_options"]), given.get("norm_eps")
        try:
            layer = cls.layer(**options)
        except TypeError as error:
            raise ArgumentError(f"{cls.__name__}: layer_options: {error}") from None
        norm = None
        if eps is not None:
            norm = LayerNorm(layer.d_model, eps, bias=layer.bias, dtype=options.get("dtype"))
        return cls(layer, given["num_layers"], norm)


OPTIONS = (
    "d_model",
    "nhead",
    "dim_feedforward",
    "dropout",
    "activation",
    "layer_norm_eps",
    "batch_first",
    "norm_first",
    "bias",
)


class TransformerEncoder(_Stack):
    """num_layers copies of an encoder layer one after the other, and a norm if one is given.

    Arguments of the call as those of the layer, `mask` being its src_mask. The copies begin with
    the same weights, as in PyTorch; `Transformer` draws them anew.
    """

    layer = TransformerEncoderLayer

    def __init__(self, encoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(encoder_layer, num_layers, norm)

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        x = operand(src)
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal)
        return x if self.norm is None else cast(Tensor, self.norm(x))


class TransformerDecoder(_Stack):
    """num_layers copies of a decoder layer one after the other, and a norm if one is given.

    Arguments of the call as those of the layer; see `TransformerEncoder`.
    """

    layer = TransformerDecoderLayer

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = operand(tgt)
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                tgt_is_causal,
                memory_is_causal,
            )
        return x if self.norm is None else cast(Tensor, self.norm(x))


class Transformer(Module):
    """An encoder of the source and a decoder of the target that attends to its result.

    Vaswani et al., "Attention is all you need" (2017). Between vectors: embeddings, positions and
    the output's scores are not part of it; `models.EncoderDecoderTransformer` has them.

    src: (source, batch, d_model), tgt: (target, batch, d_model), both with the batch first if
    `batch_first`. Result: the shape of tgt. Masks as those of `MultiheadAttention`; give
    `tgt_is_causal=True` or `generate_square_subsequent_mask` in training.
    custom_encoder, custom_decoder: modules in place of the usual ones.
    Weights of two axes are drawn as Glorot says.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> network = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    >>> network(ne.ones((3, 7, 8)), ne.ones((3, 5, 8)), tgt_is_causal=True).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        dtype: Any = None,
    ) -> None:
        self.d_model = d_model
        self.nhead = nhead
        self.num_encoder_layers = num_encoder_layers
        self.num_decoder_layers = num_decoder_layers
        self.dim_feedforward = dim_feedforward
        self.dropout = dropout
        self.activation = activation
        self.layer_norm_eps = layer_norm_eps
        self.batch_first = batch_first
        self.norm_first = norm_first
        self.bias = bias
        options = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        switches = (batch_first, norm_first, bias)
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*options, *switches, dtype=dtype),
            num_encoder_layers,
            LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype),
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*options, *switches, dtype=dtype),
            num_decoder_layers,
            LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype),
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights of two axes anew."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform(parameter)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool = False,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        y: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask,
            memory_mask,
            tgt_key_padding_mask,
            memory_key_padding_mask,
            tgt_is_causal,
            memory_is_causal,
        )
        return y

    @staticmethod
    def generate_square_subsequent_mask(sz: int) -> Tensor:
        """(sz, sz) of floats: 0 where a step may look, −∞ at those after it.

        >>> from neurona import nn
        >>> nn.Transformer.generate_square_subsequent_mask(2)
        Tensor([[  0., -inf],
                [  0.,   0.]], dtype=float32)
        """
        return where(functional.causal_mask(sz, sz), 0.0, float("-inf"))
