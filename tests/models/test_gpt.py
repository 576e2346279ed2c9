"""GPT: reading token by token is the whole forward pass, and its refusals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import interop
from neurona.core.errors import ArgumentError, CheckpointError, IndexOutOfRangeError, ShapeError
from neurona.models import GPT, gpt2
from tests.nn.golden import pattern

TOKENS = np.random.default_rng(0).integers(0, 11, (2, 7))


SIZES: dict[str, Any] = {
    "vocabulary_size": 11, "context": 8, "layers": 2, "heads": 2, "features": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> GPT:
    ne.random.seed(0)
    return GPT(**SIZES).eval()


def test_reading_is_the_forward_pass(network: GPT) -> None:
    expected = network(TOKENS).numpy()
    read = ne.compile(network.read)
    scores, state = network.read(TOKENS[:, :4], network.begin(2))
    found = [scores.numpy()]
    for i in range(4, 7):
        scores, state = read(TOKENS[:, i : i + 1], state)
        found.append(scores.numpy())
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=1e-6)
    assert state["position"].tolist() == [7, 7]


def test_sequences_that_cannot_be_read(network: GPT) -> None:
    with pytest.raises(ShapeError, match=r"9 steps \(of \(2, 9, 8\)\) are more .* context 8"):
        network(np.zeros((2, 9), np.int64))
    with pytest.raises(ShapeError, match=r"at least one step, not \(2, 0\)"):
        network(np.zeros((2, 0), np.int64))
    with pytest.raises(
        IndexOutOfRangeError, match=r"GPT: tokens\[1, 2\] is 11; the tokens are 0…10"
    ):
        network(np.array([[1, 2, 3], [4, 5, 11]]))
    _, state = network.read(TOKENS, network.begin(2))
    with pytest.raises(ShapeError, match=r"position has the shapes \[\(2,\)\].*must be \[\(1,\)\]"):
        network.read(TOKENS[:1], state)
    with pytest.raises(ShapeError):
        network.read(TOKENS[:, :0], state)
    with pytest.raises(ShapeError, match=r"keys has the shapes \[\(2, 2, 8, 4\)\], which must be"):
        network.read(TOKENS, {**state, "keys": state["keys"][:1]})
    for wrong in (None, {}, {"position": state["position"]}):
        with pytest.raises(ArgumentError, match="a dict with position, keys, values, as begin"):
            network.read(TOKENS, wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="batch must be a whole number"):
        network.begin(0)
    for name, value in (("layers", 0), ("heads", 0), ("layers", 1.5)):
        with pytest.raises(ArgumentError, match=f"GPT: {name} must be a positive whole number"):
            GPT(**{**SIZES, name: value})
    with pytest.raises(
        IndexOutOfRangeError, match=r"positions\[0, 1\] is 8; the positions are 0…7"
    ):
        network.read(TOKENS[:, :2], state)


# --- the published weights ---

LAYER = {
    "ln_1.weight": (768,),
    "ln_1.bias": (768,),
    "attn.c_attn.weight": (768, 2304),
    "attn.c_attn.bias": (2304,),
    "attn.c_proj.weight": (768, 768),
    "attn.c_proj.bias": (768,),
    "ln_2.weight": (768,),
    "ln_2.bias": (768,),
    "mlp.c_fc.weight": (768, 3072),
    "mlp.c_fc.bias": (3072,),
    "mlp.c_proj.weight": (3072, 768),
    "mlp.c_proj.bias": (768,),
}


def published(layers: int, vocabulary: int, context: int, features: int) -> dict[str, Any]:
    """The names and shapes of a file, `features` in place of 768."""
    shapes: dict[str, Any] = {
        "wte.weight": (vocabulary, features),
        "wpe.weight": (context, features),
    }
    for i in range(layers):
        for name, shape in LAYER.items():
            shapes[f"h.{i}.{name}"] = tuple(n * features // 768 for n in shape)
    return shapes | {"ln_f.weight": (features,), "ln_f.bias": (features,)}


def test_names_and_shapes_are_those_of_the_published_files() -> None:
    assert sum(map(math.prod, published(12, 50257, 1024, 768).values())) == 124_439_808
    network = GPT(vocabulary_size=11, context=9, layers=12, heads=12, features=24)
    found = {name: array.shape for name, array in network.state_dict().items()}
    assert list(found.items()) == list(published(12, 11, 9, 24).items())


def test_published_weights_give_the_scores_of_plain_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from tests.models import torch_gpt

    shapes = published(2, 11, 9, 8)
    state = {name: pattern(shape, i, 0.5) for i, (name, shape) in enumerate(shapes.items())}
    masks = {f"h.{i}.attn.bias": np.tri(9)[None, None] > 0 for i in range(2)}
    file = {f"transformer.{name}": array for name, array in (state | masks).items()}
    interop.save_safetensors(
        tmp_path / "model.safetensors", file | {"lm_head.weight": state["wte.weight"]}
    )
    network = gpt2(interop.load_safetensors(tmp_path / "model.safetensors"), heads=2)
    theirs = {name: torch.tensor(array, requires_grad=True) for name, array in state.items()}
    expected = torch_gpt.scores(theirs, torch.tensor(TOKENS), heads=2)
    found = network(TOKENS)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-12)
    found.backward(ne.asarray(pattern(found.shape, 3)))
    expected.backward(torch.tensor(pattern(found.shape, 3)))
    for name, parameter in network.named_parameters():
        np.testing.assert_allclose(
            parameter.grad.numpy(), theirs[name].grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name
        )


def test_weights_that_are_no_gpt(network: GPT) -> None:
    state = network.state_dict()
    for name in ("", "transformer."):
        same = gpt2({name + key: array for key, array in state.items()}, heads=2)
        np.testing.assert_array_equal(same(TOKENS).numpy(), network(TOKENS).numpy())
    untied = gpt2(state | {"lm_head.weight": state["wte.weight"] + 1}, heads=2)
    assert "lm_head.weight" in untied.state_dict()
    with pytest.raises(CheckpointError, match=r"do not have wpe\.weight"):
        gpt2({key: array for key, array in state.items() if key != "wpe.weight"})
    with pytest.raises(CheckpointError, match=r"missing: h\.1\.mlp\.c_fc\.bias"):
        gpt2({key: array for key, array in state.items() if key != "h.1.mlp.c_fc.bias"})
    with pytest.raises(CheckpointError, match=r"unexpected: h\.1\.cross"):
        gpt2(state | {"h.1.crossattention.c_attn.weight": np.zeros(3)})
    with pytest.raises(ArgumentError, match="features 8 must be a multiple of heads 3"):
        gpt2(state, heads=3)


def test_initial_values() -> None:
    ne.random.seed(3)
    network = GPT(vocabulary_size=300, context=40, layers=8, heads=2, features=64)
    for name, parameter in network.named_parameters():
        values = parameter.numpy()
        if name.endswith("bias"):
            assert not values.any(), name
        elif ".ln_" in name or name.startswith("ln_"):
            assert (values == 1).all(), name
        else:
            wanted = 0.02 / 4 if name.endswith("c_proj.weight") else 0.02
            assert abs(values.std() / wanted - 1) < 0.06, name
