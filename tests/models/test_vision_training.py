"""The networks of vision learn, as compiled steps, and move to PyTorch and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neurona as ne
from neurona import interop, models, nn, optim, random, train
from neurona.train.experiment import load_parts, make_model, read_config, run
from tests.models.test_vision import made

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def blobs(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a bright square in one of three places, and a colour that says nothing."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    pictures = rng.normal(0, 0.3, (count, 3, side, side)).astype(np.float32)
    third = side // 3
    for picture, label in zip(pictures, labels, strict=True):
        picture[:, label * third : (label + 1) * third, : side // 2] += 1
    return pictures, labels


@pytest.mark.slow
def test_resnet18_learns_and_comes_back_from_disk(tmp_path: Path) -> None:
    random.seed(0)
    x, y = blobs(48, 16)
    network = models.resnet18(num_classes=3, stem="cifar")
    model = train.Model(network)
    model.compile(
        optim.SGD(network.parameters(), learning_rate=0.02, momentum=0.9), metrics=["accuracy"]
    )
    history = model.fit(x, y, epochs=5, batch_size=16, verbose=False)
    assert history.values["loss"][-1] < 0.3 * history.values["loss"][0]
    model.save(tmp_path / "model")
    again = train.Model.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.network.stem == "cifar"  # type: ignore[attr-defined]


@pytest.mark.slow
def test_weights_move_both_ways(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from tests.models import torch_networks as theirs

    mine, other = models.resnet18(num_classes=5), theirs.resnet(18, 5)
    interop.save_torch(tmp_path / "mine.pt", mine)
    other.load_state_dict(torch.load(tmp_path / "mine.pt", weights_only=True))
    x = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    wanted = other.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(mine.eval()(ne.asarray(x)).numpy(), wanted, rtol=1e-3, atol=1e-4)
    torch.save(other.state_dict(), tmp_path / "other.pth")
    again = made("resnet18", num_classes=5)
    assert again.load_state_dict(interop.load_torch(tmp_path / "other.pth")) == ([], [])
    np.testing.assert_array_equal(again.eval()(ne.asarray(x)).numpy(), mine(ne.asarray(x)).numpy())


@pytest.mark.slow
def test_the_heads_of_googlenet_learn() -> None:
    random.seed(0)
    x, y = blobs(8, 32)
    network = models.googlenet(num_classes=3, aux_logits=True)
    optimizer = optim.SGD(network.parameters(), learning_rate=0.01)
    loss = nn.CrossEntropyLoss()
    before = network.aux1.fc2.weight.numpy()  # type: ignore[union-attr]
    outputs = network(ne.asarray(x))
    heads = loss(outputs.aux_logits1, y) + loss(outputs.aux_logits2, y)
    (loss(outputs.logits, y) + 0.3 * heads).backward()
    optimizer.step()
    assert (network.aux1.fc2.weight.numpy() != before).any()  # type: ignore[union-attr]
    assert network.eval()(ne.asarray(x)).shape == (8, 3)


@pytest.mark.slow
def test_the_recipe_of_alexnet_runs(tmp_path: Path) -> None:
    pictures, labels = blobs(24, 80)
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        part = "val" if i % 4 == 0 else "train"
        path = tmp_path / "imagenet" / part / f"n{label}" / f"{i}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.clip(picture.transpose(1, 2, 0) * 80 + 60, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(path, "JPEG")
    small = ["data.size=80", "data.augment[0].size=67", "network.kind.image_size=67"]
    file = read_config(EXAMPLES / "alexnet.toml", [*small, "training.epochs=1"])
    parts = load_parts(file.config, base=tmp_path)
    model = make_model(file.config, parts)
    assert model.network.summary((1, 3, 67, 67)).rows[-1].output == ((1, 3),)
    outcome = run(model, file.config, parts, verbose=False)
    assert np.isfinite(outcome.history.values["loss"]).all()
