"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.functional.attention import causal_mask
from neurona.nn.functional.checks import float_input
from neurona.nn.functional.dropout import check_probability
from neurona.nn.linear import Linear, empty, extent
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.compare import where
from neurona.ops.create import zeros
from neurona.ops.join import concat
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import mean
from neurona.ops.shape import expand_dims, pad, permute_dims, squeeze


class MultiheadAttention(Module):
    """Attention in num_heads parts of the features, each with its own map of what comes in.

    head_i = softmax(Q_i K_iᵀ/√(embed_dim/num_heads) + mask) V_i, the result concat(heads) Wᵀ + b.
    Vaswani et al., "Attention is all you need" (2017), section 3.2.2.

    query: (queries, batch, embed_dim); key: (keys, batch, kdim); value: (keys, batch, vdim); with
        `batch_first` the batch is the first axis; without a batch two axes.
    key_padding_mask: (batch, keys). attn_mask: (queries, keys) or (batch·num_heads, queries, keys).
        As in PyTorch and unlike `functional.scaled_dot_product_attention`, True in a mask of bools
        *leaves out*; floats are added to the scores.
    is_causal: query i sees the keys 0…i only, besides what the masks say.
    need_weights: give the weights too, which costs their memory. average_attn_weights: the mean
        of the heads.
    Result: (output, weights): output in the layout of query; weights None, (batch, queries, keys),
        or, not averaged, (batch, num_heads, queries, keys). A query that sees nothing takes 0
        (PyTorch: NaN with need_weights).

    kdim, vdim: the features of keys and values, embed_dim by default. add_bias_kv: a learnt key and
    value behind the others. add_zero_attn: a key and value of zeros behind them.
    dropout: of the weights. Names, layouts and initial values of the parameters are PyTorch's.
    Raises `ShapeError` for inputs and masks that do not fit, stating both shapes.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = ne.ones((3, 5, 8))
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        self.embed_dim = extent("MultiheadAttention", "embed_dim", embed_dim)
        self.num_heads = extent("MultiheadAttention", "num_heads", num_heads)
        if embed_dim % num_heads:
            raise ArgumentError(
                f"MultiheadAttention: embed_dim {embed_dim} must be a multiple of num_heads "
                f"{num_heads}"
            )
        check_probability("MultiheadAttention", dropout)
        self.dropout = dropout
        self.bias = bias
        self.add_bias_kv = add_bias_kv
        self.add_zero_attn = add_zero_attn
        self.kdim = embed_dim if kdim is None else extent("MultiheadAttention", "kdim", kdim)
        self.vdim = embed_dim if vdim is None else extent("MultiheadAttention", "vdim", vdim)
        self.batch_first = batch_first
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = empty((3 * embed_dim, embed_dim), dtype)
        else:
            self.q_proj_weight = empty((embed_dim, embed_dim), dtype)
            self.k_proj_weight = empty((embed_dim, self.kdim), dtype)
            self.v_proj_weight = empty((embed_dim, self.vdim), dtype)
        self.in_proj_bias = empty((3 * embed_dim,), dtype) if bias else None
        self.bias_k = empty((1, 1, embed_dim), dtype) if add_bias_kv else None
        self.bias_v = empty((1, 1, embed_dim), dtype) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew (PyTorch's defaults)."""
        for name, parameter in self.named_parameters(recurse=False):
            if name.endswith("proj_weight"):
                init.xavier_uniform(parameter)
            elif name.startswith("bias_"):
                init.xavier_normal(parameter)
        self.out_proj.reset_parameters()
        if self.out_proj.bias is not None:
            init.zeros(self.out_proj.bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        alike = query is key and key is value
        q, k, v = self._inputs(query, key, value)
        batched = operand(query).ndim == 3
        parts = self.split(q) if alike else (self.queries(q), self.keys(k), self.values(v))
        parts, extra = self._extended(*parts)
        scores = (*parts[0].shape[:3], parts[1].shape[2])
        if key_padding_mask is not None and not batched:
            key_padding_mask = expand_dims(operand(key_padding_mask))
        seen = self.joined_mask(scores, attn_mask, key_padding_mask, is_causal, extra)
        causal = is_causal and seen is None
        weights: Tensor | None = None
        if need_weights:
            weights = functional.attention_weights(*parts[:2], seen, causal)
            weights = functional.dropout(weights, self.dropout, self.training)
            output = self.join(weights @ parts[2])
            weights = mean(weights, axis=1) if average_attn_weights else weights
        else:
            output = self.attend(*parts, seen, causal)
        if not batched:
            return squeeze(output, 0), None if weights is None else squeeze(weights, 0)
        return output if self.batch_first else permute_dims(output, (1, 0, 2)), weights

    # --- the steps, which layers with a cache take one by one; all are batch first ---

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of the same x (batch, time, embed_dim), in one product.

        Each is (batch, num_heads, time, embed_dim/num_heads).
        """
        if self.kdim != self.embed_dim or self.vdim != self.embed_dim:
            return self.queries(x), self.keys(x), self.values(x)
        both = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        shape = (*x.shape[:2], 3, self.num_heads, self.embed_dim // self.num_heads)
        parts = permute_dims(reshape(both, shape), (2, 0, 3, 1, 4))
        return parts[0], parts[1], parts[2]

    def queries(self, x: Tensor) -> Tensor:
        """(batch, time, embed_dim) to (batch, num_heads, time, embed_dim/num_heads)."""
        return self._part(x, 0, "q")

    def keys(self, x: Tensor) -> Tensor:
        """(batch, time, kdim) to (batch, num_heads, time, embed_dim/num_heads)."""
        return self._part(x, 1, "k")

    def values(self, x: Tensor) -> Tensor:
        """(batch, time, vdim) to (batch, num_heads, time, embed_dim/num_heads)."""
        return self._part(x, 2, "v")

    def _part(self, x: Tensor, place: int, letter: str) -> Tensor:
        rows = slice(place * self.embed_dim, (place + 1) * self.embed_dim)
        packed = self.kdim == self.vdim == self.embed_dim
        weight = self.in_proj_weight[rows] if packed else getattr(self, f"{letter}_proj_weight")
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        return self._heads(functional.linear(x, weight, bias))

    def _heads(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], self.num_heads, self.embed_dim // self.num_heads)
        return permute_dims(reshape(x, shape), (0, 2, 1, 3))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, seen: Any = None, is_causal: bool = False
    ) -> Tensor:
        """What the queries take from the values, joined: (batch, queries, embed_dim).

        seen: as `attn_mask` of `functional.scaled_dot_product_attention`.
        """
        dropout = self.dropout if self.training else 0.0
        return self.join(
            functional.scaled_dot_product_attention(query, key, value, seen, dropout, is_causal)
        )

    def join(self, taken: Tensor) -> Tensor:
        """The heads (batch, num_heads, time, …) side by side, through the output's weights."""
        batch, _, time, _ = taken.shape
        together = reshape(permute_dims(taken, (0, 2, 1, 3)), (batch, time, self.embed_dim))
        y: Tensor = self.out_proj(together)
        return y

    # --- inputs and masks ---

    def _inputs(self, query: Any, key: Any, value: Any) -> list[Tensor]:
        """The inputs as (batch, time, features)."""
        title = title_of(self)
        tensors = [float_input(title, x) for x in (query, key, value)]
        axes = tensors[0].ndim
        wanted = (self.embed_dim, self.kdim, self.vdim)
        names = ("query", "key", "value")
        for name, x, features in zip(names, tensors, wanted, strict=True):
            if axes not in (2, 3) or x.ndim != axes or x.shape[-1] != features:
                layout = "(batch, time, " if self.batch_first else "(time, batch, "
                layout = "(time, " if axes == 2 else layout
                raise ShapeError(f"{title}: {name} {x.shape} must be {layout}{features})")
        if axes == 2:
            tensors = [expand_dims(x) for x in tensors]
        elif not self.batch_first:
            tensors = [permute_dims(x, (1, 0, 2)) for x in tensors]
        q, k, v = (x.shape for x in tensors)
        if k[:2] != v[:2] or q[0] != k[0]:
            shapes = ", ".join(str(operand(x).shape) for x in (query, key, value))
            raise ShapeError(
                f"{title}: query, key and value {shapes} must have one batch, key and value one "
                "length"
            )
        return tensors

    def _extended(
        self, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
        """With the keys and values of `add_bias_kv` and `add_zero_attn`, and how many these are."""
        batch, heads, _, features = key.shape
        one = (batch, heads, 1, features)
        extra = 0
        if self.bias_k is not None and self.bias_v is not None:
            key = concat([key, broadcast_to(self._heads(self.bias_k), one)], axis=2)
            value = concat([value, broadcast_to(self._heads(self.bias_v), one)], axis=2)
            extra += 1
        if self.add_zero_attn:
            nothing = zeros(one, dtype=key.dtype)
            key, value = concat([key, nothing], axis=2), concat([value, nothing], axis=2)
            extra += 1
        return (query, key, value), extra

    def joined_mask(
        self, scores: Shape, attn_mask: Any, key_padding_mask: Any, is_causal: bool, extra: int = 0
    ) -> Tensor | None:
        """All masks in one that fits scores (batch, num_heads, queries, keys); None for none.

        Of bools, True where a key is seen, if all are bools; else floats to add. `is_causal` alone
        gives None. extra: keys at the end that no mask speaks of and all see.
        """
        if attn_mask is None and key_padding_mask is None and not (is_causal and extra):
            return None
        batch, heads, queries, keys = scores[0], scores[1], scores[2], scores[3] - extra
        masks = []
        if attn_mask is not None:
            mask = self._mask("attn_mask", attn_mask)
            several = (batch * heads, queries, keys)
            if mask.shape not in ((queries, keys), several):
                self._misfit("attn_mask", mask, f"(queries, keys) {(queries, keys)} or {several}")
            masks.append(reshape(mask, (batch, heads, queries, keys)) if mask.ndim == 3 else mask)
        if key_padding_mask is not None:
            mask = self._mask("key_padding_mask", key_padding_mask)
            if mask.shape != (batch, keys):
                self._misfit("key_padding_mask", mask, f"(batch, keys) {(batch, keys)}")
            masks.append(reshape(mask, (batch, 1, 1, keys)))
        if is_causal:
            masks.append(~causal_mask(queries, keys))
        return _seen(masks, extra)

    def _mask(self, name: str, given: Any) -> Tensor:
        mask = operand(given)
        if mask.dtype != dtypes.bool_ and not dtypes.is_float(mask.dtype):
            raise DTypeError(
                f"{title_of(self)}: {name} is {mask.dtype}; it must be bool (True leaves out) or "
                "float (added)"
            )
        return mask

    def _misfit(self, name: str, mask: Tensor, wanted: str) -> None:
        raise ShapeError(f"{title_of(self)}: {name} has shape {mask.shape}; it must be {wanted}")

    def extra_repr(self) -> str:
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, dropout={self.dropout}"


def _seen(masks: list[Tensor], extra: int) -> Tensor:
    """Masks in which True leaves out, joined to one in which True is seen, or to floats."""
    if all(mask.dtype == dtypes.bool_ for mask in masks):
        hidden = masks[0]
        for mask in masks[1:]:
            hidden = hidden | mask
        return _wider(~hidden, extra, True)
    kind = next(mask.dtype for mask in masks if mask.dtype != dtypes.bool_)
    numbers = [
        cast(where(mask, float("-inf"), 0.0) if mask.dtype == dtypes.bool_ else mask, kind)
        for mask in masks
    ]
    total = numbers[0]
    for number in numbers[1:]:
        total = total + number
    return _wider(total, extra, 0)


def _wider(mask: Tensor, extra: int, value: Any) -> Tensor:
    """The mask with columns for `extra` keys that all see."""
    widths = [(0, 0)] * (mask.ndim - 1) + [(0, extra)]
    return pad(mask, widths, value=value) if extra else mask
