"""The networks of vision: their sizes, their names, and that they compute what PyTorch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import models, nn
from neurona.models.alexnet import paper_features
from neurona.models.resnet import BasicBlock, Bottleneck

PLAN16 = "1 1 p 2 2 p 4 4 4 p 8 8 8 p 8 8 8 p"
PLAN19 = "1 1 p 2 2 p 4 4 4 4 p 8 8 8 8 p 8 8 8 8 p"
PLAN11 = "1 p 2 p 4 4 p 8 8 p 8 8 p"


def parameters(network: nn.Module) -> int:
    return sum(parameter.size for parameter in network.parameters())


def made(name: str, **options: Any) -> nn.Module:
    with nn.init.skip():
        network: nn.Module = getattr(models, name)(**options)
    return network


# --- how many numbers they have ---


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("LeNet5", {}, 61_706),
        ("OriginalLeNet5", {}, 60_000),
        ("resnet18", {}, 11_689_512),
        ("resnet34", {}, 21_797_672),
        ("resnet50", {}, 25_557_032),
        ("resnet18", {"num_classes": 10, "stem": "cifar"}, 11_173_962),
        ("googlenet", {}, 6_624_904),
        ("googlenet", {"aux_logits": True}, 13_004_888),
        ("googlenet", {"layout": "paper"}, 6_998_552),
    ],
)
def test_parameters(name: str, options: dict[str, Any], count: int) -> None:
    assert parameters(made(name, **options)) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("AlexNet", {}, 60_965_224),
        ("AlexNet", {"layout": "plain"}, 62_378_344),
        ("alexnet", {}, 61_100_840),
        ("vgg16", {}, 138_357_544),
        ("vgg19", {}, 143_667_240),
        ("vgg16", {"batch_norm": True}, 138_365_992),
    ],
)
def test_parameters_of_large_networks(name: str, options: dict[str, Any], count: int) -> None:
    assert parameters(made(name, **options)) == count


def sides(network: nn.Module, shape: tuple[int, ...]) -> list[int]:
    rows = network.summary(shape).rows
    return [row.output[0][2] for row in rows if row.kind in ("Conv2d", "MaxPool2d")]


def test_the_sides_of_alexnet() -> None:
    network = paper_features(3, True, None)
    assert sides(network, (1, 3, 227, 227)) == [55, 27, 27, 13, 13, 13, 13, 6]


# --- the same as in PyTorch ---


def same_as_torch(
    network: nn.Module, other: Any, shape: tuple[int, ...], *, training: bool = True
) -> None:
    """The names, the logits and the gradient of one weight, from PyTorch's own initial values."""
    import torch

    torch.manual_seed(0)
    for module in other.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    state = {name: value.numpy() for name, value in other.state_dict().items()}
    assert list(network.state_dict()) == list(state)
    network.load_state_dict(state)
    # In float64: batch norm of so few values makes much of float32's rounding.
    network.astype(ne.float64).train(training)
    other.double().train(training)
    x = np.random.default_rng(0).standard_normal(shape)
    theirs = other(torch.tensor(x))
    name, first = next(iter(network.named_parameters()))
    ours = network(x)
    if not isinstance(theirs, tuple):
        theirs, ours = (theirs,), (ours,)
    for mine, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.numpy(), wanted.detach().numpy(), rtol=1e-9, atol=1e-11)
    sum((wanted**2).sum() for wanted in theirs).backward()
    sum((ne.sum(mine**2) for mine in ours[1:]), ne.sum(ours[0] ** 2)).backward()
    wanted = dict(other.named_parameters())[name].grad.numpy()
    assert first.grad is not None
    np.testing.assert_allclose(first.grad.numpy(), wanted, atol=1e-9 * np.abs(wanted).max())


def shapes(state: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def test_names_and_shapes_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    from tests.models import torch_networks as theirs

    with torch.device("meta"):
        pairs = [
            (theirs.resnet(18, 1000), "resnet18", {}),
            (theirs.resnet(50, 1000), "resnet50", {}),
            (theirs.GoogLeNet(1000, True), "googlenet", {"aux_logits": True}),
        ]
    for other, name, options in pairs:
        mine = shapes(made(name, **options).state_dict())
        assert list(mine.items()) == list(shapes(other.state_dict()).items())


def test_blocks_are_torchs() -> None:
    pytest.importorskip("torch")
    from tests.models import torch_networks as theirs

    shape = (2, 6, 7, 8)
    same_as_torch(BasicBlock(6, 6), theirs.Basic(6, 6, 1), shape)
    same_as_torch(BasicBlock(6, 8, stride=2), theirs.Basic(6, 8, 2), shape)
    same_as_torch(Bottleneck(6, 4, stride=2), theirs.Narrow(6, 4, 2), shape)
    same_as_torch(models.Inception(6, (1, 2, 3, 4, 5, 6)), theirs.Mixed(6, 1, 2, 3, 4, 5, 6), shape)


@pytest.mark.slow
def test_small_resnet18_is_torchs() -> None:
    pytest.importorskip("torch")
    from tests.models import torch_networks as theirs

    network = made("resnet18", num_classes=7, stem="cifar")
    same_as_torch(network, theirs.resnet(18, 7, small=True), (4, 3, 16, 16))


LARGE: list[tuple[str, dict[str, Any], Callable[[Any], Any], int]] = [
    ("resnet18", {}, lambda t: t.resnet(18, 7), 64),
    ("resnet34", {}, lambda t: t.resnet(34, 7), 64),
    ("resnet50", {}, lambda t: t.resnet(50, 7), 64),
    ("vgg16", {}, lambda t: t.vgg(PLAN16, 7), 32),
    ("vgg19", {}, lambda t: t.vgg(PLAN19, 7), 32),
    ("VGG", {"depth": 11, "batch_norm": True}, lambda t: t.vgg(PLAN11, 7, norm=True), 32),
    ("AlexNet", {"image_size": 99}, lambda t: t.alexnet(7, "paper", 2), 99),
    ("AlexNet", {"image_size": 99, "layout": "plain"}, lambda t: t.alexnet(7, "plain", 2), 99),
    ("alexnet", {}, lambda t: t.alexnet(7, "torchvision", 6), 64),
    ("googlenet", {}, lambda t: t.GoogLeNet(7, False), 64),
    ("googlenet", {"aux_logits": True}, lambda t: t.GoogLeNet(7, True), 64),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options", "other", "side"), LARGE)
def test_large_networks_are_torchs(
    name: str, options: dict[str, Any], other: Callable[[Any], Any], side: int
) -> None:
    pytest.importorskip("torch")
    from tests.models import torch_networks

    network = made(name, num_classes=7, **options)
    same_as_torch(network, other(torch_networks), (2, 3, side, side))


@pytest.mark.slow
def test_googlenet_in_use_is_torchs() -> None:
    pytest.importorskip("torch")
    from tests.models import torch_networks

    network = made("googlenet", num_classes=7, aux_logits=True)
    same_as_torch(network, torch_networks.GoogLeNet(7, True), (2, 3, 64, 64), training=False)
