"""ViT: torchvision's names and sizes, plain PyTorch's values, a run on MNIST."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import train
from neurona.core.errors import ArgumentError, ShapeError
from neurona.models import ViT
from neurona.train.experiment import load_parts, make_model, read_config, run
from neurona.train.experiment.kinds import named_network
from tests.nn.golden import pattern

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BLOCK = {
    "ln_1.weight": (768,),
    "ln_1.bias": (768,),
    "self_attention.in_proj_weight": (2304, 768),
    "self_attention.in_proj_bias": (2304,),
    "self_attention.out_proj.weight": (768, 768),
    "self_attention.out_proj.bias": (768,),
    "ln_2.weight": (768,),
    "ln_2.bias": (768,),
    "mlp.0.weight": (3072, 768),
    "mlp.0.bias": (3072,),
    "mlp.3.weight": (768, 3072),
    "mlp.3.bias": (768,),
}
SIZES: dict[str, Any] = {"image_size": 8, "patch_size": 4, "layers": 2, "num_heads": 2}


def published(layers: int, features: int, patch: int, length: int, classes: int) -> dict[str, Any]:
    """The names and shapes of torchvision's file, `features` in place of 768."""
    shapes: dict[str, Any] = {
        "class_token": (1, 1, features),
        "conv_proj.weight": (features, 3, patch, patch),
        "conv_proj.bias": (features,),
        "encoder.pos_embedding": (1, length, features),
    }
    for i in range(layers):
        for name, shape in BLOCK.items():
            place = f"encoder.layers.encoder_layer_{i}.{name}"
            shapes[place] = tuple(n * features // 768 for n in shape)
    shapes |= {"encoder.ln.weight": (features,), "encoder.ln.bias": (features,)}
    return shapes | {"heads.head.weight": (classes, features), "heads.head.bias": (classes,)}


def test_names_and_shapes_are_those_of_torchvision() -> None:
    count = sum(map(math.prod, published(12, 768, 16, 14 * 14 + 1, 1000).values()))
    assert count == 86_567_656  # vit_b_16
    network = ViT(**SIZES, features=16, num_classes=3)
    found = {name: array.shape for name, array in network.state_dict().items()}
    assert list(found.items()) == list(published(2, 16, 4, 5, 3).items())


def test_scores_are_those_of_plain_pytorch() -> None:
    torch = pytest.importorskip("torch")
    network = ViT(**SIZES, features=16, num_classes=3, dtype=ne.float64)
    for i, parameter in enumerate(network.parameters()):
        parameter.assign(pattern(parameter.shape, i, 0.5))
    state = {name: torch.tensor(array) for name, array in network.state_dict().items()}
    x = pattern((2, 3, 8, 8), 1)
    norm = torch.nn.functional.layer_norm
    with torch.no_grad():
        z = torch.nn.functional.conv2d(
            torch.tensor(x), state["conv_proj.weight"], state["conv_proj.bias"], stride=4
        )
        z = z.flatten(2).transpose(1, 2)
        z = (
            torch.cat([state["class_token"].expand(2, 1, 16), z], 1)
            + state["encoder.pos_embedding"]
        )
        for i in range(2):
            start = f"encoder.layers.encoder_layer_{i}."
            own = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            attention = torch.nn.MultiheadAttention(16, 2, batch_first=True).double()
            begin = "self_attention."
            attention.load_state_dict(
                {k.removeprefix(begin): v for k, v in own.items() if k.startswith(begin)}
            )
            y = norm(z, (16,), own["ln_1.weight"], own["ln_1.bias"], 1e-6)
            z = z + attention(y, y, y)[0]
            y = norm(z, (16,), own["ln_2.weight"], own["ln_2.bias"], 1e-6)
            y = torch.nn.functional.gelu(y @ own["mlp.0.weight"].T + own["mlp.0.bias"])
            z = z + y @ own["mlp.3.weight"].T + own["mlp.3.bias"]
        z = norm(z, (16,), state["encoder.ln.weight"], state["encoder.ln.bias"], 1e-6)[:, 0]
        expected = z @ state["heads.head.weight"].T + state["heads.head.bias"]
    np.testing.assert_allclose(network(x).numpy(), expected.numpy(), rtol=1e-11, atol=1e-12)


def test_a_configuration_makes_it_for_its_pictures() -> None:
    kind = {"name": "ViT", "patch_size": 7, "layers": 1, "num_heads": 2, "features": 8}
    network = named_network(kind, (1, 28, 28), 10, "network")
    assert isinstance(network, ViT)
    assert network.encoder.pos_embedding.shape == (1, 17, 8)
    x = pattern((2, 1, 28, 28), 0).astype(np.float32)
    again = train.build(train.describe(network))
    again.load_state_dict(network.state_dict())
    np.testing.assert_array_equal(again(x).numpy(), network(x).numpy())


def test_pictures_that_do_not_fit() -> None:
    network = ViT(**SIZES, features=16)
    with pytest.raises(ShapeError, match=r"x \(2, 3, 8, 9\) must be \(batch, 3, 8, 8\)"):
        network(np.zeros((2, 3, 8, 9), np.float32))
    with pytest.raises(ArgumentError, match="image_size 9 must be a multiple of patch_size 4"):
        ViT(image_size=9, patch_size=4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_example_learns_digits(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of the example; ten reach what `docs/attention.md` says."""
    monkeypatch.setenv("NEURONA_DATA", str(data_folder))
    ne.random.seed(0)
    file = read_config(EXAMPLES / "vit.toml", ["training.epochs=1"])
    parts = load_parts(file.config, base=data_folder)
    outcome = run(make_model(file.config, parts), file.config, parts, verbose=False)
    assert outcome.history.values["validation_accuracy"][-1] > 0.9


@pytest.mark.parametrize("name", ["image_size", "patch_size", "layers", "num_heads", "features"])
@pytest.mark.parametrize("value", [0, 1.5, None])
def test_sizes_that_are_no_numbers(name: str, value: Any) -> None:
    sizes: dict[str, Any] = {"image_size": 8, "patch_size": 4, "layers": 1, "num_heads": 2}
    with pytest.raises(
        ArgumentError, match=f"{name.replace('num_heads', '(num_heads|embed_dim)')}"
    ):
        ViT(**{**sizes, "features": 4, name: value})
