"""Features by the name of a layer, and similar pictures by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import neurona as ne
from neurona import data, models, nn, optim, random, train
from neurona.core.errors import ArgumentError, CheckpointError, ShapeError
from neurona.models import FeatureExtractor, SimilaritySearch


class Twice(nn.Module):
    """One ReLU in two places, and a layer that never runs."""

    def __init__(self) -> None:
        self.first = nn.Linear(3, 4)
        self.relu = nn.ReLU()
        self.second = nn.Linear(4, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: ne.Tensor) -> ne.Tensor:
        return self.relu(self.second(self.relu(self.first(x))))


def test_features_by_name(rng: np.random.Generator) -> None:
    network = Twice()
    x = ne.asarray(rng.standard_normal((5, 3)).astype(np.float32))
    extract = FeatureExtractor(network, ["relu_1", "relu", "first"])
    found = extract(x)
    assert list(found) == ["relu_1", "relu", "first"]
    np.testing.assert_array_equal(found["first"].numpy(), network.first(x).numpy())
    np.testing.assert_array_equal(found["relu"].numpy(), np.maximum(found["first"].numpy(), 0))
    np.testing.assert_array_equal(found["relu_1"].numpy(), network(x).numpy())
    compiled = ne.compile(FeatureExtractor(network, {"second": "code"}))
    wanted = network.second(found["relu"]).numpy()
    np.testing.assert_allclose(compiled(x)["code"].numpy(), wanted, rtol=1e-5, atol=1e-6)
    # A gradient passes, and the names of the parameters are those of the network.
    ne.sum(FeatureExtractor(network, ["relu"])(x)["relu"]).backward()
    assert network.first.weight.grad is not None
    assert network.second.weight.grad is None
    assert "network.first.weight" in extract.state_dict()


def test_what_comes_after_does_not_run() -> None:
    class Bad(nn.Module):
        def forward(self, x: ne.Tensor) -> ne.Tensor:
            raise AssertionError("must not run")

    network = nn.Sequential(nn.Linear(3, 2), Bad())
    assert FeatureExtractor(network, ["0"])(ne.zeros((1, 3)))["0"].shape == (1, 2)
    with pytest.raises(AssertionError, match="must not run"):
        network(ne.zeros((1, 3)))


def test_names_that_are_not_there() -> None:
    with pytest.raises(ArgumentError, match="no layer 'frist'; did you mean 'first'"):
        FeatureExtractor(Twice(), ["frist"])
    with pytest.raises(ArgumentError, match="a list of names"):
        FeatureExtractor(Twice(), "first")
    with pytest.raises(ArgumentError, match="unused, relu_2 did not run"):
        FeatureExtractor(Twice(), ["unused", "relu_2", "relu"])(ne.zeros((1, 3)))


def test_layers_of_resnet() -> None:
    with nn.init.skip():
        network = models.resnet18(num_classes=10, stem="cifar")
    found = FeatureExtractor(network.eval(), ["layer3", "avgpool"])(ne.zeros((1, 3, 8, 8)))
    assert {name: x.shape for name, x in found.items()} == {
        "layer3": (1, 256, 2, 2),
        "avgpool": (1, 512, 1, 1),
    }


@pytest.fixture(scope="module")
def search() -> tuple[SimilaritySearch, data.Dataset]:
    """Trained on the first thousand digits; they can be found."""
    random.seed(0)
    digits = data.digits()
    known = digits.take(range(1000))
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 32), nn.ReLU(),
        nn.Linear(32, 10),
    )  # fmt: skip
    model = train.Model(
        network, preprocessing=train.ChannelsFirst(train.Division(16)), classes=digits.classes
    )
    model.compile(optim.Adam(network.parameters(), learning_rate=5e-3))
    model.fit(known.inputs, known.targets, epochs=5, verbose=False)
    found = SimilaritySearch(model, "5")
    found.add(known.inputs[:500])
    found.add(known.inputs[500:], [f"digit {i}" for i in range(500, 1000)])
    return found, digits


def test_similar_digits_show_the_same_digit(
    search: tuple[SimilaritySearch, data.Dataset],
) -> None:
    index, digits = search
    matches = index.find(digits.inputs[1000:1200], 5)
    same = [
        digits.targets[match.index] == digits.targets[1000 + i]
        for i, row in enumerate(matches)
        for match in row
    ]
    assert np.mean(same) > 0.85
    own = index.find(digits.inputs[600:601], 3)[0]
    assert (own[0].index, own[0].name) == (600, "digit 600")
    assert own[0].similarity == pytest.approx(1, abs=1e-6)
    assert own[0].similarity >= own[1].similarity >= own[2].similarity
    # The similarity is the cosine of the features.
    f = FeatureExtractor(index.model.network, ["5"])
    x = index.model.preprocessing.transform(digits.inputs[[600, own[1].index]])  # type: ignore[union-attr]
    a, b = f(x)["5"].numpy()
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert own[1].similarity == pytest.approx(cosine, abs=1e-5)


def test_search_on_disk(search: tuple[SimilaritySearch, data.Dataset], tmp_path: Path) -> None:
    index, digits = search
    index.save(tmp_path / "index")
    again = SimilaritySearch.load(tmp_path / "index")
    wanted = digits.inputs[1000:1003]
    # The program that has met batches of several sizes may round otherwise than one for three.
    for ours, theirs in zip(again.find(wanted, 2), index.find(wanted, 2), strict=True):
        assert [(m.index, m.name) for m in ours] == [(m.index, m.name) for m in theirs]
        similar = [match.similarity for match in theirs]
        assert [match.similarity for match in ours] == pytest.approx(similar, abs=1e-6)
    path = tmp_path / "index" / "search.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "names": ["one"]}))
    with pytest.raises(CheckpointError, match=r"search\.json: damaged: names do not fit"):
        SimilaritySearch.load(tmp_path / "index")
    with pytest.raises(CheckpointError, match="no such file"):
        SimilaritySearch.load(tmp_path / "other")


def test_maps_are_averaged_over_their_places(
    search: tuple[SimilaritySearch, data.Dataset],
) -> None:
    index, digits = search
    maps = SimilaritySearch(index.model, "2")
    maps.add(digits.inputs[:3])
    assert maps.features.shape == (3, 8)
    with pytest.raises(ArgumentError, match="2 names for 3 samples"):
        maps.add(digits.inputs[:3], ["a", "b"])
    with pytest.raises(ArgumentError, match="add samples first"):
        SimilaritySearch(index.model, "2").find(digits.inputs[:1])
    with pytest.raises(ArgumentError, match="no samples"):
        maps.describe(digits.inputs[:0])
    maps.features = maps.features[:, :7]
    with pytest.raises(ShapeError, match="8 features in '2', those added before 7"):
        maps.find(digits.inputs[:1])
