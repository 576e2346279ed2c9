"""Networks to plain data and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import neurona as ne
from neurona import nn, random, train
from neurona.core.errors import ArgumentError
from neurona.nn.loss import Loss
from neurona.nn.module import Module
from tests.nn.cases import LAYERS

EXAMPLES: dict[str, Callable[[], Module]] = {
    "BatchNorm1d": lambda: nn.BatchNorm1d(3, momentum=None, affine=False),
    "Bilinear": lambda: nn.Bilinear(2, 3, 4, bias=False),
    "Concat": lambda: nn.Concat(nn.Linear(4, 3), dim=1),
    "Dropout": lambda: nn.Dropout(0.2),
    "ELU": lambda: nn.ELU(0.5),
    "Embedding": lambda: nn.Embedding(5, 2, padding_idx=1),
    "Flatten": lambda: nn.Flatten(0),
    "GELU": lambda: nn.GELU("tanh"),
    "Hardtanh": lambda: nn.Hardtanh(-2.0, 2.0),
    "LayerNorm": lambda: nn.LayerNorm((3, 4), bias=False),
    "LeakyReLU": lambda: nn.LeakyReLU(0.1),
    "Linear": lambda: nn.Linear(4, 3, bias=False, dtype=ne.float64),
    "LogSoftmax": lambda: nn.LogSoftmax(dim=1),
    "Maxout": lambda: nn.Maxout(4, 3, pieces=3),
    "MultiheadAttention": lambda: nn.MultiheadAttention(4, 2, 0.1, False, kdim=3, vdim=2),
    "PReLU": lambda: nn.PReLU(3),
    "Product": lambda: nn.Product(nn.Sigmoid()),
    "RMSNorm": lambda: nn.RMSNorm(4),
    "Residual": lambda: nn.Residual(nn.Linear(4, 3), nn.Linear(4, 3, bias=False)),
    "Sequential": lambda: nn.Sequential({"first": nn.Linear(4, 3), "then": nn.ReLU()}),
    "Softmax": lambda: nn.Softmax(dim=-1),
    "Softplus": lambda: nn.Softplus(2.0, 10.0),
    "Transformer": lambda: nn.Transformer(4, 2, 1, 1, 6, activation="gelu", norm_first=True),
    "TransformerDecoder": lambda: nn.TransformerDecoder(
        nn.TransformerDecoderLayer(4, 2, 6), 2, nn.LayerNorm(4)
    ),
    "TransformerDecoderLayer": lambda: nn.TransformerDecoderLayer(4, 2, 6, bias=False),
    "TransformerEncoder": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(4, 2, 6, dtype=ne.float64), 2
    ),
    "Unflatten": lambda: nn.Unflatten(1, (2, -1)),
}


def layers() -> list[str]:
    """The layers of `nn` that take no arguments, and those above; containers without a forward
    describe nothing on their own."""
    found = []
    for name in nn.__all__:
        cls = getattr(nn, name)
        if not (isinstance(cls, type) and issubclass(cls, Module)) or issubclass(cls, Loss):
            continue
        if cls not in (Module, nn.ModuleList, nn.ModuleDict, nn.RNNBase):
            found.append(name)
    return found


def records() -> Iterator[Any]:
    """A constructor for every layer: those above, and the records of the tests of `nn`."""
    made = {case.name.partition(",")[0]: case.make for case in LAYERS}
    for name in layers():
        yield pytest.param(EXAMPLES.get(name) or made.get(name) or getattr(nn, name), id=name)
    for case in LAYERS:
        if "," in case.name:
            yield pytest.param(case.make, id=case.name)


@pytest.mark.parametrize("make", list(records()))
def test_every_layer_is_described_and_built(make: Callable[[], Module]) -> None:
    module = make()
    description = json.loads(json.dumps(train.describe(module), allow_nan=False))
    built = train.build(description)
    assert repr(built) == repr(module)
    assert train.describe(built) == description
    assert {n: (a.shape, a.dtype) for n, a in built.state_dict().items()} == {
        n: (a.shape, a.dtype) for n, a in module.state_dict().items()
    }


def test_defaults_are_left_out() -> None:
    assert train.describe(nn.Linear(4, 3)) == {
        "layer": "Linear",
        "in_features": 4,
        "out_features": 3,
    }
    assert train.describe(nn.Linear(4, 3, bias=False))["bias"] is False


def test_building_and_describing_leave_random_numbers_alone() -> None:
    random.seed(3)
    before = random.DEFAULT.state
    description = train.describe(nn.Dropout(0.5))
    train.build({"layer": "Linear", "in_features": 4, "out_features": 3})
    assert random.DEFAULT.state == before
    assert description == {"layer": "Dropout"}


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"layer": "Lineer"}, "network: unknown layer 'Lineer'; did you mean 'Linear'"),
        ({"layer": "relu"}, "did you mean 'ReLU'"),
        ({"layer": "os.system"}, "register first"),
        ({"layer": "Module"}, "unknown layer 'Module'"),
        ({"layer": "CrossEntropyLoss"}, "unknown layer"),
        ({"layer": 3}, "'layer' with the name"),
        ({}, "'layer' with the name"),
        ("Linear", "a layer is a table"),
        ({"layer": "Linear", "in_features": 4}, "Linear needs out_features"),
        ({"layer": "Linear", "in_features": 4, "out_features": 0}, "must be a positive whole"),
        ({"layer": "Linear", "in_features": 4, "out_features": "3"}, "must be a positive whole"),
        ({"layer": "Linear", "in_feature": 4}, "no argument 'in_feature'; did you mean 'in_fe"),
        ({"layer": "Linear", "in_features": 4, "out_features": 3, "dtype": "int8"}, "float dtype"),
        ({"layer": "Dropout", "generator": 1}, "no argument 'generator'"),
        ({"layer": "Dropout", "p": "half"}, "network: "),
        ({"layer": "Linear", "in_features": 10**9, "out_features": 10**9}, "network: "),
        ({"layer": "Sequential"}, "needs a list 'modules', found nothing"),
        ({"layer": "Sequential", "modules": 3}, "needs a list"),
        (
            {"layer": "Sequential", "modules": [{"layer": "ReLU"}, {"layer": "Tan"}]},
            r"network.modules\[1\]: unknown layer 'Tan'",
        ),
        ({"layer": "Residual", "block": {"layer": "Lu"}}, "network.block: unknown layer 'Lu'"),
        ({"layer": "Residual", "block": 5}, "network.block: a layer is a table"),
    ],
)
def test_wrong_descriptions(description: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        train.build(description)


class _Foreign(Module):
    def __init__(self, width: int) -> None:
        self.size = width
        self.body = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return self.body(x)


def test_unknown_classes_are_not_described() -> None:
    with pytest.raises(ArgumentError, match=r"unknown layer '_Foreign'.*register"):
        train.describe(nn.Sequential(_Foreign(3)))


def test_classes_must_keep_their_arguments() -> None:
    @train.register
    class Forgetful(_Foreign):
        pass

    with pytest.raises(ArgumentError, match="does not keep its argument 'width'"):
        train.describe(Forgetful(3))


def test_changed_networks_are_not_described() -> None:
    network = ne.models.MLP(4, (3,), 2)
    network.layers[1] = nn.Tanh()
    with pytest.raises(ArgumentError, match=r"not what its constructor makes: 'layers.1' is Tanh"):
        train.describe(network)


def test_a_layer_in_two_places_is_not_described() -> None:
    shared = nn.Linear(3, 3)
    with pytest.raises(ArgumentError, match="used in two places"):
        train.describe(nn.Sequential(shared, nn.ReLU(), shared))


def test_a_name_belongs_to_one_class() -> None:
    class Linear(nn.Linear):
        pass

    with pytest.raises(ArgumentError, match="'Linear' is already the name of"):
        train.register(Linear)
    with pytest.raises(ArgumentError, match="another Linear than the known one"):
        train.describe(Linear(2, 3))


def test_numbers_that_json_has_not() -> None:
    with pytest.raises(ArgumentError, match=r"network.negative_slope is inf"):
        train.describe(nn.LeakyReLU(float("inf")))


@pytest.mark.parametrize("name", ["MLP", "FeedForward", "Perceptron", "McCullochPitts"])
def test_networks_of_models_are_known(name: str) -> None:
    arguments: dict[str, Any] = {
        "MLP": {"in_features": 4, "hidden": [3, 3], "out_features": 2, "activation": "tanh"},
        "FeedForward": {"in_features": 4, "hidden": 3, "out_features": 2},
        "Perceptron": {"in_features": 4},
        "McCullochPitts": {"synapses": [1, -1], "threshold": 1},
    }[name]
    network = train.build({"layer": name, **arguments})
    assert type(network) is getattr(ne.models, name)
    assert train.describe(network) == {"layer": name, **arguments}
