"""Where a network looks: the weights of all its attention."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn.functional.attention import watched_attention
from neurona.nn.module import Module


def attention_maps(network: Module, *inputs: Any, **options: Any) -> dict[str, Tensor]:
    """The weights of every layer and head of a network for an input.

    Each row says how much a query takes of every key; its sum is 1.
    `neurona.report.attention.attention_figure` draws them.

    network: any with attention by `nn.MultiheadAttention`, `nn.AdditiveAttention` or
        `F.scaled_dot_product_attention`. It runs once, eagerly, in evaluation mode, and is then as
        it was.
    inputs, options: what it takes.
    Result: by the path of the layer, in the order they run, (batch, heads, queries, keys), or
    (batch, queries, keys) where there are no heads; those of a layer that runs several times under
    "path", "path_1", …
    Raises `ArgumentError` when no attention ran.

    >>> import neurona as ne
    >>> from neurona import models
    >>> network = models.GPT(vocabulary_size=9, context=8, layers=2, heads=4, features=16)
    >>> maps = models.attention_maps(network, [[1, 2, 3]])
    >>> {path: weights.shape for path, weights in maps.items()}
    {'h.0.attn': (1, 4, 3, 3), 'h.1.attn': (1, 4, 3, 3)}
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        with watched_attention() as found, ne.no_grad():
            network.eval()(*inputs, **options)
    finally:
        for module, training in modes:
            module.training = training
    if not found:
        raise ArgumentError(
            f"attention_maps: in {type(network).__name__} no attention ran; it is found in "
            "nn.MultiheadAttention, nn.AdditiveAttention and F.scaled_dot_product_attention"
        )
    maps: dict[str, Tensor] = {}
    times: dict[str, int] = {}
    for path, weights in found:
        count = times[path] = times.get(path, 0) + 1
        maps[path if count == 1 else f"{path}_{count - 1}"] = weights
    return maps
