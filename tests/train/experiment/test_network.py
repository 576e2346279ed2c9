"""Networks of configurations: what is left out follows from the data and the layers before."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest

from neurona import nn
from neurona.core.errors import ArgumentError
from neurona.train.architecture import describe
from neurona.train.experiment.network import check_layers, make_network
from neurona.train.experiment.schema import NetworkConfig
from tests.pages import blocks

FLOAT = np.dtype(np.float32)


def layer(name: str, **arguments: Any) -> dict[str, Any]:
    return {"layer": name, **arguments}


def made(layers: list[dict[str, Any]], inputs: tuple[int, ...], outputs: int = 3) -> list[Any]:
    check_layers(layers, "network.layers")
    network = make_network(NetworkConfig(layers=layers), inputs, FLOAT, outputs)
    assert network.summary((2, *inputs)).rows[-1].output == ((2, outputs),)
    modules: list[Any] = describe(network)["modules"]
    return modules


def test_inputs_and_outputs() -> None:
    modules = made(
        [
            layer("Flatten"),
            layer("Linear", out_features=16),
            layer("BatchNorm1d"),
            layer("LayerNorm"),
            layer("Maxout", out_features=12, pieces=3),
            layer("RMSNorm"),
            layer("Linear"),
            layer("Sigmoid"),
        ],
        (4, 5),
    )
    assert modules[1] == layer("Linear", in_features=20, out_features=16)
    assert modules[2] == layer("BatchNorm1d", num_features=16)
    assert modules[3]["normalized_shape"] == [16]
    assert modules[4] == layer("Maxout", in_features=16, out_features=12, pieces=3)
    assert modules[6] == layer("Linear", in_features=12, out_features=3)


def test_layers_in_layers() -> None:
    inner = layer("Sequential", modules=[layer("Linear", out_features=6), layer("ReLU")])
    modules = made(
        [
            layer("Concat", block=inner),
            layer("Residual", block=layer("Linear", out_features=10)),
            layer("Sequential", modules={"scale": layer("LayerNorm"), "last": layer("Linear")}),
        ],
        (4,),
    )
    assert modules[0]["block"]["modules"][0]["in_features"] == 4
    assert modules[1]["block"]["in_features"] == 10
    assert modules[2]["modules"]["last"] == layer("Linear", in_features=10, out_features=3)


def test_networks_of_the_models() -> None:
    (one,) = made([layer("MLP", hidden=[8, 8], activation="tanh")], (7,), outputs=1)
    assert (one["in_features"], one["out_features"]) == (7, 1)


def test_what_is_given_holds() -> None:
    modules = made([layer("Linear", in_features=4, out_features=3)], (4,))
    assert modules == [layer("Linear", in_features=4, out_features=3)]


def test_embeddings_take_whole_numbers() -> None:
    layers = [layer("Embedding", num_embeddings=9, embedding_dim=4), layer("Flatten")]
    config = NetworkConfig(layers=[*layers, layer("Linear")])
    network = make_network(config, (5,), np.dtype(np.int64), 2)
    assert isinstance(network, nn.Sequential)
    assert describe(network)["modules"][-1] == layer("Linear", in_features=20, out_features=2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer("Linear"), layer("Linear")], "network.layers[0]: Linear needs out_features"),
        ([layer("Embedding")], "network.layers[0]: Embedding needs num_embeddings, embedding_dim"),
        (
            [layer("Residual", block=layer("Linear"))],
            "network.layers[0].block: Linear needs out_features",
        ),
        (
            [layer("Sequential", modules=[layer("Linaer")])],
            "network.layers[0].modules[0]: unknown layer 'Linaer'; did you mean 'Linear'?",
        ),
        ([layer("Residual", block=3)], "network.layers[0].block: a layer is a table with 'layer'"),
        (
            [layer("Linear", in_features=5, out_features=2)],
            "network.layers[0]: Linear: last axis of x (2, 4) must be in_features 5",
        ),
        (
            [layer("Residual", block=layer("Linear", out_features=9))],
            "network.layers[0]: Residual: the block gives shape (2, 9)",
        ),
        (
            [layer("Unflatten", dim=1, unflattened_size=[2, 2]), layer("Linear")],
            "network.layers: the output is (batch, 2, 3) for inputs (batch, 4), (batch, 3) is need",
        ),
        ([layer("Flatten", start_dim=0), layer("Linear")], "does not follow from an input of"),
    ],
)
def test_mistakes(layers: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        made(layers, (4,))
    assert message in str(caught.value)


def test_a_picture_without_flatten() -> None:
    with pytest.raises(ArgumentError, match="a Flatten layer in front makes one axis of them"):
        made([layer("Linear")], (4, 4))


def test_convolutions_get_their_channels() -> None:
    modules = made(
        [
            layer("Conv2d", out_channels=6, kernel_size=5, padding=2),
            layer("BatchNorm2d"),
            layer("ReLU"),
            layer("MaxPool2d", kernel_size=2),
            layer("Conv2d", out_channels=16, kernel_size=5, groups=2),
            layer("AdaptiveAvgPool2d", output_size=2),
            layer("Flatten"),
            layer("Linear"),
        ],
        (1, 28, 28),
    )
    assert modules[0]["in_channels"] == 1
    assert modules[1]["num_features"] == 6
    assert modules[4]["in_channels"] == 6
    assert modules[7]["in_features"] == 64


def test_the_layers_of_the_page_on_vision() -> None:
    (listed,) = [one for one in blocks("vision.md", "toml") if "layers = [" in one]
    modules = made(tomllib.loads(listed)["network"]["layers"], (3, 8, 8), outputs=4)
    assert modules[4] == layer("BasicBlock", in_channels=16, channels=32, stride=2)
    assert modules[5] == layer("Inception", in_channels=32, widths=[8, 8, 16, 4, 8, 8])
    assert modules[8] == layer("Linear", in_features=40, out_features=4)


def test_networks_by_name() -> None:
    def network(kind: Any, inputs: tuple[int, ...], outputs: int = 10) -> nn.Module:
        return make_network(NetworkConfig(kind=kind), inputs, FLOAT, outputs)

    lenet = network({"name": "LeNet5", "activation": "tanh"}, (2, 28, 28), 7)
    assert describe(lenet) == layer("LeNet5", num_classes=7, in_channels=2, activation="tanh")
    assert describe(network("OriginalLeNet5", (1, 28, 28))) == layer("OriginalLeNet5")
    for kind, inputs, message in (
        ("LeNet6", (1, 28, 28), "network.kind: unknown name 'LeNet6'; did you mean 'LeNet5'?"),
        ({"name": "LeNet5", "activaton": 1}, (1, 28, 28), "no option 'activaton'; did you mean"),
        ({"name": "vgg16", "depth": 19}, (3, 32, 32), "vgg16 has no option 'depth'"),
        ({"name": "ResNet", "depth": 20}, (3, 32, 32), "network.kind: ResNet: depth is one of 18"),
        ({"activation": "relu"}, (1, 28, 28), "network.kind: 'name' is missing"),
        ("LeNet5", (28, 28), "network.kind: pictures (batch, channel, row, column) are needed"),
        ("LeNet5", (1, 20, 20), "network.kind: Linear 'fc1': last axis of x (2, 144)"),
    ):
        with pytest.raises(ArgumentError) as caught:
            network(kind, inputs)
        assert message in str(caught.value)
    with pytest.raises(ArgumentError, match=r"the output is \(batch, 10\), \(batch, 3\) is needed"):
        network("OriginalLeNet5", (1, 28, 28), 3)
