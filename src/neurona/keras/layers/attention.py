"""Attention with Keras's arguments and layouts of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.keras import initializers, regularizers
from neurona.keras.layer import Layer, Weight, filled
from neurona.nn import functional
from neurona.nn.functional.dropout import check_probability
from neurona.nn.linear import extent
from neurona.ops.broadcast import reshape
from neurona.ops.generator import Generator
from neurona.ops.matmul import matmul
from neurona.ops.operand import cast, operand
from neurona.ops.shape import expand_dims, permute_dims

PARTS = ("query", "key", "value", "attention_output")


class MultiHeadAttention(Layer):
    """softmax(Q_i K_iᵀ/√key_dim + mask) V_i of several heads, put together by one more product.

    query: (batch, queries, features); value: (batch, keys, features); key: as value, which it is by
    default; the features of each may differ. Result: (batch, queries, output_shape), by default as
    wide as query.
    key_dim, value_dim: of one head; value_dim is key_dim by default.
    attention_mask: of a call, bools that broadcast to (batch, queries, keys), or have an axis of
    the heads behind the batch: True takes part. use_causal_mask: query i sees the keys 0…i only.
    A query that sees no key takes 0.
    return_attention_scores: of a call; a pair, the result and the weights (batch, heads, queries,
    keys), before dropout.
    dropout: in training, of the weights. seed: of a stream of random numbers of its own.
    Kernels are (features, heads, key_dim) for query, key and value, and (heads, value_dim, outputs)
    for the output, biases as their last axes. Source: Keras's `MultiHeadAttention`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layer, x = layers.MultiHeadAttention(2, 4), np.ones((3, 5, 6), np.float32)
    >>> y, scores = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    >>> y.shape, scores.shape, [weight.shape for weight in layer.get_weights()[:2]]
    ((3, 5, 6), (3, 2, 5, 5), [(6, 2, 4), (2, 4)])
    """

    SEVERAL = True
    attention_output_kernel: Variable
    attention_output_bias: Variable | None

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | None = None,
        *,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        seed: int | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.num_heads = extent(self.title, "num_heads", num_heads)
        self.key_dim = extent(self.title, "key_dim", key_dim)
        self.value_dim = (
            key_dim if value_dim is None else extent(self.title, "value_dim", value_dim)
        )
        if output_shape is not None:
            extent(self.title, "output_shape", output_shape)
        self.output_shape = output_shape
        check_probability(self.title, dropout)
        self.dropout = dropout
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.seed = seed
        self._generator = None if seed is None else Generator(seed)

    def build(self, shape: Any) -> None:
        query, value, key = shape[0], shape[1], shape[2] if len(shape) > 2 else shape[1]
        for name, one in (("query", query), ("value", value), ("key", key)):
            if len(one) != 3 or one[-1] is None:
                raise ShapeError(f"{self.title}: {name} must be (batch, time, features), not {one}")
        heads, outputs = self.num_heads, self.output_shape or query[-1]
        kernels: list[tuple[Shape, Shape]] = [
            ((query[-1], heads, self.key_dim), (heads, self.key_dim)),
            ((key[-1], heads, self.key_dim), (heads, self.key_dim)),
            ((value[-1], heads, self.value_dim), (heads, self.value_dim)),
            ((heads, self.value_dim, outputs), (outputs,)),
        ]
        for part, (kernel, bias) in zip(PARTS, kernels, strict=True):
            setattr(self, f"{part}_kernel", Variable(filled(self.kernel_initializer, kernel)))
            known = Variable(filled(self.bias_initializer, bias)) if self.use_bias else None
            setattr(self, f"{part}_bias", known)

    def __call__(  # type: ignore[override]  # Keras's order: several tensors, not a list
        self,
        query: Any,
        value: Any,
        key: Any = None,
        *,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """The output for KerasTensors or arrays; see the class."""
        inputs = [query, value]
        if key is not None or attention_mask is not None:
            inputs.append(value if key is None else key)
        if attention_mask is not None:
            inputs.append(attention_mask)
        options = {"use_causal_mask": True} if use_causal_mask else {}
        output = super().__call__(inputs, training, **options)
        if not return_attention_scores:
            return output
        # What both have in common is computed once in a compiled program.
        return output, super().__call__(inputs, training, scores=True, **options)

    def wired(self, inputs: Any, **options: Any) -> Any:
        return super().__call__(inputs, **options)

    def forward(
        self, inputs: Sequence[Any], use_causal_mask: bool = False, scores: bool = False
    ) -> Tensor:
        if not 2 <= len(inputs) <= 4:
            raise ArgumentError(f"{self.title}: needs query and value, not {len(inputs)} tensors")
        query, value, key = inputs[0], inputs[1], inputs[2] if len(inputs) > 2 else inputs[1]
        given = (("query", query), ("key", key), ("value", value))
        q, k, v = [self._heads(part, operand(x)) for part, x in given]
        mask = self._mask(operand(inputs[3]), q, k) if len(inputs) > 3 else None
        if use_causal_mask and mask is not None:
            mask = mask & functional.causal_mask(q.shape[2], k.shape[2])
        causal = use_causal_mask and mask is None
        if scores:
            return functional.attention_weights(q, k, mask, causal)
        if self.training and self.dropout:
            weights = functional.attention_weights(q, k, mask, causal)
            taken = matmul(functional.dropout(weights, self.dropout, generator=self._generator), v)
        else:
            taken = functional.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
        batch, _, time, _ = taken.shape
        together = reshape(permute_dims(taken, (0, 2, 1, 3)), (batch, time, -1))
        kernel = self.attention_output_kernel
        y = matmul(together, reshape(kernel, (-1, kernel.shape[-1])))
        return y if self.attention_output_bias is None else y + self.attention_output_bias

    def _heads(self, part: str, x: Tensor) -> Tensor:
        """(batch, time, features) to (batch, heads, time, width)."""
        kernel, bias = getattr(self, f"{part}_kernel"), getattr(self, f"{part}_bias")
        features, heads, width = kernel.shape
        if x.ndim != 3 or x.shape[-1] != features:
            raise ShapeError(f"{self.title}: {part} {x.shape} must be (batch, time, {features})")
        z = matmul(x, reshape(kernel, (features, heads * width)))
        z = reshape(z, (*x.shape[:2], heads, width))
        return permute_dims(z if bias is None else z + bias, (0, 2, 1, 3))

    def _mask(self, mask: Tensor, query: Tensor, key: Tensor) -> Tensor:
        """As bools with the axes (batch, heads, queries, keys), or the last of them."""
        if mask.ndim not in (2, 3, 4):
            raise ShapeError(
                f"{self.title}: attention_mask {mask.shape} must be (batch, queries, keys), here "
                f"{(query.shape[0], query.shape[2], key.shape[2])}"
            )
        seen = mask if mask.dtype == dtypes.bool_ else cast(mask, dtypes.bool_)
        return expand_dims(seen, axis=1) if seen.ndim == 3 else seen

    def own_weights(self) -> Sequence[Weight]:
        if not self.built:
            return ()
        names = [(part, kind) for part in PARTS for kind in ("kernel", "bias")]
        found = [(f"{part}/{kind}", getattr(self, f"{part}_{kind}")) for part, kind in names]
        return [Weight(name, variable) for name, variable in found if variable is not None]

    def penalties(self) -> Sequence[Tensor]:
        rules = {"kernel": self.kernel_regularizer, "bias": self.bias_regularizer}
        terms = [(rules[one.name.rpartition("/")[2]], one.variable) for one in self.own_weights()]
        return [penalty(weight) for penalty, weight in terms if penalty is not None]
