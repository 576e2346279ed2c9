"""Attention maps: those of every layer, equal to what the layers use; their picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import models, nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.models import attention_maps
from neurona.report.attention import attention_figure

TOKENS = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])


def test_maps_of_a_transformer() -> None:
    network = models.EncoderDecoderTransformer(
        vocabulary_size=9, context=5, layers=2, heads=2, features=8
    )
    before = network(TOKENS, TOKENS[:, :3])
    maps = attention_maps(network, TOKENS, TOKENS[:, :3], lengths=np.array([4, 2]))
    assert network.training
    assert before.shape == (2, 3, 9)
    assert {path: weights.shape for path, weights in maps.items()} == {
        "encoder.layers.0.self_attn": (2, 2, 4, 4),
        "encoder.layers.1.self_attn": (2, 2, 4, 4),
        "decoder.layers.0.self_attn": (2, 2, 3, 3),
        "decoder.layers.0.multihead_attn": (2, 2, 3, 4),
        "decoder.layers.1.self_attn": (2, 2, 3, 3),
        "decoder.layers.1.multihead_attn": (2, 2, 3, 4),
    }
    for path, weights in maps.items():
        np.testing.assert_allclose(weights.numpy().sum(-1), 1, rtol=1e-5)
        if path.endswith("multihead_attn") or "encoder" in path:
            assert not weights.numpy()[1, :, :, 2:].any()
        else:
            assert not np.triu(weights.numpy(), 1).any()


def test_watching_changes_no_scores() -> None:
    network = models.GPT(vocabulary_size=9, context=5, layers=1, heads=2, features=8).eval()
    found: list[Any] = []
    hook = network.register_forward_hook(lambda module, given, scores: found.append(scores))
    maps = attention_maps(network, TOKENS)
    hook.remove()
    np.testing.assert_allclose(found[0].numpy(), network(TOKENS).numpy(), atol=1e-6)
    assert list(maps) == ["h.0.attn"]


class Twice(nn.Module):
    """One layer of attention that runs two times."""

    def __init__(self) -> None:
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: Any) -> Any:
        x, _ = self.attention(x, x, x, need_weights=False)
        return self.attention(x, x, x)[0]


def test_layers_that_run_twice_or_not_at_all() -> None:
    assert list(attention_maps(Twice(), ne.ones((1, 3, 4)))) == ["attention", "attention_1"]
    with pytest.raises(ArgumentError, match="in Linear no attention ran"):
        attention_maps(nn.Linear(2, 2), ne.ones((1, 2)))


def test_the_picture() -> None:
    maps = {"self": np.full((2, 2, 3, 3), 1 / 3), "cross": np.full((2, 2, 3, 4), 0.25)}
    cross = {"cross": maps["cross"]}
    figure = attention_figure(cross, sample=1, queries=["a", "b", "\n"], keys="wxyz")
    first, second = figure.axes
    assert [tick.get_text() for tick in first.get_yticklabels()] == ["a", "b", "\\n"]
    assert [tick.get_text() for tick in second.get_xticklabels()] == list("wxyz")
    assert not second.get_yticklabels()
    assert len(attention_figure(maps).axes) == 4
    with pytest.raises(ShapeError, match="2 names for the 3 queries of 'self'"):
        attention_figure(maps, queries="ab")
    with pytest.raises(ShapeError, match=r"the map 'self' is \(3, 3\); it must be"):
        attention_figure({"self": np.eye(3)})
    with pytest.raises(ArgumentError, match="there are no maps"):
        attention_figure({})
