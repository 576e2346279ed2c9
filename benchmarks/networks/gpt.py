"""GPT: what there is to count, initial weights, PyTorch and JAX; Neurona's is `models.GPT`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from benchmarks.case import Arrays, Case, Tolerance
from benchmarks.language import SYMBOLS, language_case
from benchmarks.peers import Variant

WEIGHT_DECAY = 0.01
EPSILON = 1e-5  # of layer norms


@dataclass(frozen=True)
class Sizes:
    """`layers` blocks of `features`, `heads` heads, positions up to `context`; tied embeddings."""

    layers: int
    heads: int
    features: int
    context: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, as in GPT-2's files."""
        d = self.features
        shapes: dict[str, tuple[int, ...]] = {
            "wte.weight": (SYMBOLS, d),
            "wpe.weight": (self.context, d),
        }
        for layer in range(self.layers):
            parts = {"ln_1": (d,), "attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d)}
            parts |= {"ln_2": (d,), "mlp.c_fc": (d, 4 * d), "mlp.c_proj": (4 * d, d)}
            for part, shape in parts.items():
                shapes[f"h.{layer}.{part}.weight"] = shape
                shapes[f"h.{layer}.{part}.bias"] = shape[-1:]
        return shapes | {"ln_f.weight": (d,), "ln_f.bias": (d,)}

    def weights(self, rng: np.random.Generator, deviation: float = 0.02) -> Arrays:
        """N(0, deviation²), divided by √(2·layers) where it adds to the stream; biases 0."""
        arrays: Arrays = {}
        for name, shape in self.shapes().items():
            if len(shape) == 1:
                value = float(".ln_" in f".{name}" and name.endswith("weight"))
                arrays[name] = np.full(shape, value, np.float32)
            else:
                least = sqrt(2 * self.layers) if name.endswith("c_proj.weight") else 1.0
                arrays[name] = (deviation / least) * rng.standard_normal(shape, dtype=np.float32)
        return arrays

    def forward_flops(self, sequences: int, length: int) -> int:
        """Products of a forward pass, the attention's as if nothing were masked."""
        d, symbols = self.features, sequences * length
        of_block = 2 * symbols * 12 * d**2 + 2 * 2 * symbols * length * d
        return self.layers * of_block + 2 * symbols * SYMBOLS * d

    def description(self) -> str:
        """In words."""
        return (
            f"GPT of {self.layers} layers, d = {self.features}, {self.heads} heads, {SYMBOLS}"
            f" symbols, T = {self.context}"
        )

    def neurona(self) -> Any:
        """The network in Neurona."""
        from neurona.models import GPT

        return GPT(
            vocabulary_size=SYMBOLS,
            context=self.context,
            layers=self.layers,
            heads=self.heads,
            features=self.features,
        )


def in_torch(sizes: Sizes, options: Mapping[str, Any]) -> Any:
    """The network as a PyTorch module.

    Option `attention` is "fused", `F.scaled_dot_product_attention`, or "products", written out
    with a softmax between two products.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    heads, written_out = sizes.heads, options.get("attention") == "products"

    class Projection(nn.Module):
        def __init__(self, inner: int, outer: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(inner, outer))
            self.bias = nn.Parameter(torch.empty(outer))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.linear(x, self.weight.t(), self.bias)

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            d = sizes.features
            self.c_attn, self.c_proj = Projection(d, 3 * d), Projection(d, d)
            if written_out:
                mask = torch.ones(sizes.context, sizes.context, dtype=torch.bool).triu(1)
                self.register_buffer("future", mask, persistent=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            batch, time, features = x.shape
            parts = self.c_attn(x).split(features, dim=2)
            q, k, v = (part.view(batch, time, heads, -1).transpose(1, 2) for part in parts)
            if written_out:
                scores = (q @ k.transpose(2, 3)) * (1.0 / sqrt(features // heads))
                scores = scores.masked_fill(self.future[:time, :time], -torch.inf)
                taken = F.softmax(scores, dim=-1) @ v
            else:
                taken = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.c_proj(taken.transpose(1, 2).reshape(batch, time, features))

    class PositionWise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            d = sizes.features
            self.c_fc, self.c_proj = Projection(d, 4 * d), Projection(4 * d, d)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(sizes.features), nn.LayerNorm(sizes.features)
            self.attn, self.mlp = Attention(), PositionWise()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x + self.attn(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wte = nn.Embedding(SYMBOLS, sizes.features)
            self.wpe = nn.Embedding(sizes.context, sizes.features)
            self.h = nn.ModuleList(Block() for _ in range(sizes.layers))
            self.ln_f = nn.LayerNorm(sizes.features)

        def forward(self, symbols: torch.Tensor) -> torch.Tensor:
            x = self.wte(symbols) + self.wpe.weight[: symbols.shape[1]]
            for block in self.h:
                x = block(x)
            return F.linear(self.ln_f(x), self.wte.weight)

    return GPT()


def in_jax(sizes: Sizes, options: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """The scores (batch, time, symbols).

    Option `attention` is "library", `jax.nn.dot_product_attention`, or "products".
    """
    import jax
    import jax.numpy as jnp

    heads, library = sizes.heads, options.get("attention") != "products"

    def scores(p: Any, symbols: Any) -> Any:
        def norm(name: str, x: Any) -> Any:
            x = x - x.mean(axis=-1, keepdims=True)
            x = x * jax.lax.rsqrt((x * x).mean(axis=-1, keepdims=True) + EPSILON)
            return x * p[f"{name}.weight"] + p[f"{name}.bias"]

        def linear(name: str, x: Any) -> Any:
            return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

        def attention(name: str, x: Any) -> Any:
            batch, time, features = x.shape
            shape = (batch, time, heads, features // heads)
            parts = jnp.split(linear(f"{name}.c_attn", x), 3, axis=2)
            q, k, v = (part.reshape(shape) for part in parts)
            if library:
                taken = jax.nn.dot_product_attention(q, k, v, is_causal=True)
            else:
                weights = jnp.einsum("bqhe,bkhe->bhqk", q, k) * (features // heads) ** -0.5
                seen = jnp.tril(jnp.ones((time, time), bool))
                weights = jax.nn.softmax(jnp.where(seen, weights, -jnp.inf))
                taken = jnp.einsum("bhqk,bkhe->bqhe", weights, v)
            return linear(f"{name}.c_proj", taken.reshape(x.shape))

        x = p["wte.weight"][symbols] + p["wpe.weight"][: symbols.shape[1]]
        for layer in range(sizes.layers):
            block = f"h.{layer}"
            x = x + attention(f"{block}.attn", norm(f"{block}.ln_1", x))
            inside = jax.nn.gelu(linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", x)))
            x = x + linear(f"{block}.mlp.c_proj", inside)
        return norm("ln_f", x) @ p["wte.weight"].T

    return scores


def gpt_case(
    name: str,
    sizes: Sizes,
    *,
    batch: int,
    learning_rate: float,
    tolerance: Tolerance,
) -> Case:
    """Training GPT on sequences as long as its context, with AdamW."""

    products = {"attention": "products"}
    return language_case(
        name,
        f"{sizes.description()}, softmax cross-entropy, AdamW {learning_rate:g}, batch {batch}",
        batch=batch,
        length=sizes.context,
        flops=3 * sizes.forward_flops(batch, sizes.context),
        make_weights=sizes.weights,
        neurona_model=sizes.neurona,
        torch_model=lambda options: in_torch(sizes, options),
        jax_scores=lambda options: in_jax(sizes, options),
        learning_rate=learning_rate,
        weight_decay=WEIGHT_DECAY,
        tolerance=tolerance,
        variants={
            "torch": (Variant("fused, products", {"fused": True, **products}),),
            "jax": (Variant("products", products),),
        },
    )
