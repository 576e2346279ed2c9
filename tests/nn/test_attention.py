"""Attention: PyTorch's values and gradients with every mask, and refusals that name the shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, train
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F
from tests.nn.golden import pattern

Q, K, V = pattern((2, 3, 5, 4), 1), pattern((2, 3, 6, 4), 2), pattern((2, 3, 6, 7), 3)
SEEN = pattern((2, 1, 5, 6), 4) > -0.3
SEEN[0, 0, 2] = False  # a query that sees nothing
MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "bools": {"attn_mask": SEEN},
    "floats": {"attn_mask": pattern((5, 6), 5), "scale": 0.3},
}


@pytest.mark.parametrize("options", MASKS.values(), ids=MASKS)
def test_values_and_gradients_are_those_of_pytorch(options: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours = [ne.asarray(a).requires_grad_() for a in (Q, K, V)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (Q, K, V)]
    found = F.scaled_dot_product_attention(*ours, **options)
    mask = {k: torch.tensor(v) if k == "attn_mask" else v for k, v in options.items()}
    expected = torch.nn.functional.scaled_dot_product_attention(*theirs, **mask)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    found.backward(ne.asarray(pattern(found.shape, 6)))
    expected.backward(torch.tensor(pattern(found.shape, 6)))
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our.grad.numpy(), their.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_to_ask_and_nothing_to_look_at(dtype: str) -> None:
    for queries, keys, samples in ((0, 3, 2), (2, 0, 2), (2, 3, 0)):
        q, k, v = (np.ones((samples, n, 4), dtype) for n in (queries, keys, keys))
        for axes in ((samples, queries, keys), (queries, keys), (queries, 1)):
            found = F.scaled_dot_product_attention(q, k, v, np.ones(axes, bool))
            np.testing.assert_array_equal(found.numpy(), np.ones_like(q) if keys else q * 0)
    alike = [np.ones((1, n, 0), dtype) for n in (2, 3)]
    values = np.arange(3, dtype=dtype).reshape(1, 3, 1)
    found = F.scaled_dot_product_attention(*alike, values).numpy()
    np.testing.assert_allclose(found, np.ones((1, 2, 1)), rtol=1e-6)


def test_dropout_of_the_weights() -> None:
    ne.random.seed(1)
    values = np.eye(200, dtype=np.float32)
    alike = np.zeros((200, 4), np.float32)
    weights = F.scaled_dot_product_attention(alike, alike, values, dropout_p=0.25).numpy()
    np.testing.assert_allclose(np.unique(weights), [0, 1 / 150], rtol=1e-6)
    assert abs((weights == 0).mean() - 0.25) < 0.01


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ShapeError, match=r"query \(2, 3, 5, 4\) and key \(2, 3, 6, 7\)"):
        F.scaled_dot_product_attention(Q, V, V)
    with pytest.raises(ShapeError, match=r"value \(2, 3, 5, 4\) must be .* with S 6"):
        F.scaled_dot_product_attention(Q, K, Q)
    with pytest.raises(ShapeError, match=r"attn_mask \(6, 5\) does not broadcast to \(2, 3, 5, 6"):
        F.scaled_dot_product_attention(Q, K, V, np.ones((6, 5), bool))
    with pytest.raises(ShapeError, match=r"attn_mask \(4, 1, 1, 5, 6\) does not broadcast"):
        F.scaled_dot_product_attention(Q, K, V, np.ones((4, 1, 1, 5, 6), bool))
    with pytest.raises(DTypeError, match="attn_mask is int64; it must be bool"):
        F.scaled_dot_product_attention(Q, K, V, np.ones((5, 6), np.int64))
    with pytest.raises(ArgumentError, match="not both"):
        F.scaled_dot_product_attention(Q, K, V, SEEN, is_causal=True)


# --- several heads ---

PADDED = np.array([[False] * 6, [False] * 4 + [True] * 2, [True] + [False] * 5])
HIDDEN = pattern((5, 6), 4) > 0.5
ADDED = pattern((6, 5, 6), 5)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "other features, batch first": {"kdim": 3, "vdim": 7, "batch_first": True},
    "extra keys": {"add_bias_kv": True, "add_zero_attn": True},
    "no bias": {"bias": False},
}
CALLS: dict[str, dict[str, Any]] = {
    "no mask": {},
    "bools": {"key_padding_mask": PADDED, "attn_mask": HIDDEN, "need_weights": False},
    "both kinds": {"key_padding_mask": PADDED, "attn_mask": ADDED, "average_attn_weights": False},
}


def heads(kind: str) -> tuple[nn.MultiheadAttention, list[Any]]:
    """A layer with patterns in its parameters, and its query, key and value."""
    options = KINDS[kind]
    layer = nn.MultiheadAttention(8, 2, **options).astype(ne.float64)
    for i, parameter in enumerate(layer.parameters()):
        parameter.assign(pattern(parameter.shape, i, 0.7))
    sizes = ((5, 8), (6, options.get("kdim", 8)), (6, options.get("vdim", 8)))
    first = options.get("batch_first")
    shapes = [(3, t, f) if first else (t, 3, f) for t, f in sizes]
    return layer, [pattern(shape, i, 2.0) for i, shape in enumerate(shapes)]


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("plain", "no mask"),
        ("plain", "bools"),
        ("plain", "both kinds"),
        ("other features, batch first", "bools"),
        ("extra keys", "both kinds"),
        ("no bias", "no mask"),
    ],
)
def test_heads_are_those_of_pytorch(kind: str, call: str) -> None:
    torch = pytest.importorskip("torch")
    layer, inputs = heads(kind)
    same = torch.nn.MultiheadAttention(8, 2, **KINDS[kind]).double()
    same.load_state_dict({k: torch.tensor(v) for k, v in layer.state_dict().items()})
    assert list(same.state_dict()) == list(layer.state_dict())
    ours = [ne.asarray(x).requires_grad_() for x in inputs]
    theirs = [torch.tensor(x, requires_grad=True) for x in inputs]
    options = CALLS[call]
    found, weights = layer(*ours, **options)
    tensors = {k: torch.tensor(v) if hasattr(v, "shape") else v for k, v in options.items()}
    expected, given = same(*theirs, **tensors)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-13)
    assert (weights is None) == (given is None)
    if weights is not None:
        np.testing.assert_allclose(weights.numpy(), given.detach().numpy(), rtol=1e-11)
    found.backward(ne.asarray(pattern(found.shape, 6)))
    expected.backward(torch.tensor(pattern(found.shape, 6)))
    gradients = [(x.grad, y.grad) for x, y in zip(ours, theirs, strict=True)]
    named = dict(same.named_parameters())
    gradients += [(p.grad, named[name].grad) for name, p in layer.named_parameters()]
    for our, their in gradients:
        np.testing.assert_allclose(our.numpy(), their.numpy(), rtol=1e-9, atol=1e-12)


def test_one_sequence_without_a_batch() -> None:
    layer, inputs = heads("plain")
    whole, weights = layer(*inputs, key_padding_mask=PADDED)
    alone = [x[:, 1] for x in inputs]
    found, own = layer(*alone, key_padding_mask=PADDED[1])
    np.testing.assert_allclose(found.numpy(), whole.numpy()[:, 1], rtol=1e-12)
    np.testing.assert_allclose(own.numpy(), weights.numpy()[1], rtol=1e-12)


@pytest.mark.parametrize(
    "options", [{}, {"key_padding_mask": PADDED[:, 1:]}, {"attn_mask": SEEN[0, 0, :, 1:]}]
)
def test_causal_is_the_mask_of_later_keys(options: dict[str, Any]) -> None:
    layer, (x, _, _) = heads("plain")
    later = ~np.tri(5, dtype=bool)
    found, weights = layer(x, x, x, is_causal=True, **options)
    mask = options.get("attn_mask", False) | later
    expected, given = layer(x, x, x, **{**options, "attn_mask": mask})
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    np.testing.assert_array_equal(weights.numpy(), given.numpy())
    fused, nothing = layer(x, x, x, is_causal=True, need_weights=False, **options)
    np.testing.assert_allclose(fused.numpy(), found.numpy(), rtol=1e-12, atol=1e-14)
    assert nothing is None


def test_extra_keys_are_seen_in_spite_of_masks() -> None:
    layer, (x, _, _) = heads("extra keys")
    _, weights = layer(x, x, x, is_causal=True)
    assert weights.shape == (3, 5, 7)
    np.testing.assert_array_equal(
        weights.numpy()[0] > 0, np.hstack([np.tri(5), np.ones((5, 2))]) > 0
    )


def test_masks_and_inputs_of_wrong_shape_are_named() -> None:
    layer, (query, key, value) = heads("plain")
    wrong = r"attn_mask has shape \(6, 5\); it must be \(queries, keys\) \(5, 6\) or \(6, 5, 6\)"
    with pytest.raises(ShapeError, match=wrong):
        layer(query, key, value, attn_mask=np.ones((6, 5), bool))
    wrong = r"key_padding_mask has shape \(6, 3\); it must be \(batch, keys\) \(3, 6\)"
    with pytest.raises(ShapeError, match=wrong):
        layer(query, key, value, np.ones((6, 3), bool))
    with pytest.raises(DTypeError, match="attn_mask is int64; it must be bool"):
        layer(query, key, value, attn_mask=np.ones((5, 6), np.int64))
    with pytest.raises(ShapeError, match=r"key \(6, 3, 4\) must be \(time, batch, 8\)"):
        layer(query, key[..., :4], value)
    with pytest.raises(ShapeError, match=r"\(5, 3, 8\), \(6, 3, 8\), \(5, 3, 8\) must have one"):
        layer(query, key, value[:5])
    with pytest.raises(ArgumentError, match="embed_dim 8 must be a multiple of num_heads 3"):
        nn.MultiheadAttention(8, 3)


# --- additive ---


def test_additive_weights_on_request() -> None:
    layer = nn.AdditiveAttention(3, 5, 6).astype(ne.float64)
    query, key = pattern((2, 4, 3), 1), pattern((2, 6, 5), 2)
    padded = np.array([[False] * 6, [True] * 6])
    output, weights = layer(query, key, key_padding_mask=padded)
    np.testing.assert_allclose(weights.numpy()[0].sum(-1), 1, rtol=1e-12)
    assert not weights.numpy()[1].any()
    assert not output.numpy()[1].any()
    np.testing.assert_array_equal(layer.weights(query, layer.keys(key), padded), weights)
    alone, nothing = layer(query[0], key[0], need_weights=False)
    np.testing.assert_allclose(alone.numpy(), output.numpy()[0], rtol=1e-12)
    assert nothing is None


def test_additive_refuses_what_does_not_fit() -> None:
    layer = nn.AdditiveAttention(3, 5, 6).astype(ne.float64)
    query, key = pattern((2, 4, 3), 1), pattern((2, 6, 5), 2)
    with pytest.raises(ShapeError, match=r"query \(2, 6, 5\) must be \(…, queries, 3\)"):
        layer(key, key)
    with pytest.raises(ShapeError, match=r"value \(2, 4, 3\) must be .* with 6 keys as in key"):
        layer(query, key, query)
    wrong = r"key_padding_mask has shape \(6,\); it must be \(…, keys\) \(2, 6\)"
    with pytest.raises(ShapeError, match=wrong):
        layer(query, key, key_padding_mask=np.ones(6, bool))
    with pytest.raises(DTypeError, match="key_padding_mask is int64; it must be bool"):
        layer(query, key, key_padding_mask=np.ones((2, 6), np.int64))
    with pytest.raises(ArgumentError, match="units must be a positive whole number, not 0"):
        nn.AdditiveAttention(3, 5, 0)


# --- layers and stacks ---


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm_first", [False, True])
def test_the_transformer_with_masks_is_that_of_pytorch(norm_first: bool) -> None:
    torch = pytest.importorskip("torch")
    options: dict[str, Any] = {"norm_first": norm_first, "activation": "gelu", "batch_first": True}
    layer = nn.Transformer(4, 2, 2, 2, 6, 0.0, **options).astype(ne.float64)
    same = torch.nn.Transformer(4, 2, 2, 2, 6, 0.0, **options).double()
    assert list(same.state_dict()) == list(layer.state_dict())
    same.load_state_dict({k: torch.tensor(v) for k, v in layer.state_dict().items()})
    source, target = pattern((3, 6, 4), 1), pattern((3, 5, 4), 2)
    mask = {"src_key_padding_mask": PADDED, "memory_key_padding_mask": PADDED}
    found = layer(source, target, tgt_is_causal=True, **mask)
    later = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    expected = same(
        torch.tensor(source),
        torch.tensor(target),
        tgt_mask=later,
        **{name: torch.tensor(one) for name, one in mask.items()},
    )
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    found.backward(ne.asarray(pattern(found.shape, 3)))
    expected.backward(torch.tensor(pattern(found.shape, 3)))
    gradients = {name: parameter.grad for name, parameter in same.named_parameters()}
    for name, parameter in layer.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), gradients[name].numpy(), rtol=1e-8, atol=1e-11, err_msg=name
        )
    by_mask = layer(source, target, tgt_mask=layer.generate_square_subsequent_mask(5), **mask)
    np.testing.assert_allclose(by_mask.numpy(), found.numpy(), rtol=1e-12)


def test_copies_of_a_layer_are_trained_apart() -> None:
    one = nn.TransformerEncoderLayer(4, 2, 6, activation=F.silu, batch_first=True)
    stack = nn.TransformerEncoder(one, 2, nn.LayerNorm(4))
    first, second = (dict(layer.named_parameters()) for layer in stack.layers)
    for name, parameter in first.items():
        assert parameter is not second[name]
        np.testing.assert_array_equal(parameter.numpy(), second[name].numpy())
    assert stack(pattern((2, 3, 4), 0).astype(np.float32)).shape == (2, 3, 4)
    with pytest.raises(ArgumentError, match="activation is one of 'relu', 'gelu'"):
        nn.TransformerEncoderLayer(4, 2, activation="glu")


def test_stacks_are_described_and_made_again() -> None:
    for kind, layer in (
        (nn.TransformerEncoder, nn.TransformerEncoderLayer),
        (nn.TransformerDecoder, nn.TransformerDecoderLayer),
    ):
        one = layer(4, 2, 6, 0.0, "gelu", batch_first=True, norm_first=True)
        stack = kind(one, 2, nn.LayerNorm(4, eps=1e-3))
        again = train.build(train.describe(stack))
        again.load_state_dict(stack.state_dict())
        x = [pattern((2, 3, 4), i).astype(np.float32) for i in range(2)]
        inputs = x[:1] if kind is nn.TransformerEncoder else x
        np.testing.assert_array_equal(again(*inputs).numpy(), stack(*inputs).numpy())
    with pytest.raises(ArgumentError, match="an activation that is a function cannot"):
        train.describe(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 6, 0.0, F.silu), 1))
    with pytest.raises(ArgumentError, match=r"only a stack of nn\.TransformerEncoderLayer"):
        train.describe(nn.TransformerEncoder(nn.Linear(4, 4), 1))
    with pytest.raises(ArgumentError, match=r"layer_options: .*'head'"):
        train.build(
            {
                "layer": "TransformerEncoder",
                "num_layers": 1,
                "layer_options": {"d_model": 4, "nhead": 2, "head": 3},
            }
        )


def test_options_that_are_no_numbers() -> None:
    x = ne.ones((1, 2, 4))
    for options, message in (
        ({"dropout_p": None}, "p is a probability"),
        ({"scale": float("nan")}, "scale must be a finite number, not nan"),
        ({"scale": "a"}, "scale must be a finite number"),
    ):
        with pytest.raises(ArgumentError, match=message):
            F.scaled_dot_product_attention(x, x, x, **options)  # type: ignore[arg-type]
    for make, message in (
        (lambda: F.causal_mask(-1, 2), "queries must be a whole number of at least 0, found -1"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation=3), "a function of a tensor, not 3"),
        (lambda: nn.LayerNorm(4, eps=-1), "eps must not be negative"),
        (lambda: nn.RotaryPosition(4, 4, base=0), "base must be a positive number"),
        (lambda: ne.random.seed(1.5), "the seed must be a whole number, found 1.5"),
    ):
        with pytest.raises(ArgumentError, match=message):
            make()  # type: ignore[no-untyped-call]
