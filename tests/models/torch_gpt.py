"""GPT-2 in plain PyTorch, as its paper and the published files have it."""

from __future__ import annotations

import math
from typing import Any

import torch


def scores(state: dict[str, Any], tokens: Any, heads: int) -> Any:
    """The scores (batch, time, vocabulary) of the weights of a published file."""
    layers = len({name.split(".")[1] for name in state if name.startswith("h.")})
    time = tokens.shape[1]
    x = state["wte.weight"][tokens] + state["wpe.weight"][:time]
    for i in range(layers):
        x = x + attention(state, f"h.{i}.attn", norm(state, f"h.{i}.ln_1", x), heads)
        inner = affine(state, f"h.{i}.mlp.c_fc", norm(state, f"h.{i}.ln_2", x))
        bent = (
            0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        )
        x = x + affine(state, f"h.{i}.mlp.c_proj", bent)
    return norm(state, "ln_f", x) @ state["wte.weight"].T


def attention(state: dict[str, Any], name: str, x: Any, heads: int) -> Any:
    batch, time, features = x.shape
    query, key, value = affine(state, f"{name}.c_attn", x).split(features, dim=2)

    def split(part: Any) -> Any:
        return part.view(batch, time, heads, features // heads).transpose(1, 2)

    products = split(query) @ split(key).transpose(2, 3) / math.sqrt(features // heads)
    later = torch.triu(torch.ones(time, time, dtype=torch.bool), 1)
    weights = products.masked_fill(later, float("-inf")).softmax(-1)
    taken = (weights @ split(value)).transpose(1, 2).reshape(batch, time, features)
    return affine(state, f"{name}.c_proj", taken)


def affine(state: dict[str, Any], name: str, x: Any) -> Any:
    return x @ state[f"{name}.weight"] + state[f"{name}.bias"]


def norm(state: dict[str, Any], name: str, x: Any) -> Any:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, 1e-5)
