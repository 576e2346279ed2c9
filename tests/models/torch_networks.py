"""The networks in plain PyTorch, under the names that torchvision's published weights have."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Basic(nn.Module):
    """The block of two 3 × 3 convolutions."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(before, width, stride)

    def forward(self, x: Any) -> Any:
        past = self.downsample(x) if self.downsample else x
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + past)


class Narrow(nn.Module):
    """The block of 1 × 1, 3 × 3 and 1 × 1."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = shortcut(before, 4 * width, stride)

    def forward(self, x: Any) -> Any:
        past = self.downsample(x) if self.downsample else x
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return torch.relu(self.bn3(self.conv3(x)) + past)


def shortcut(before: int, after: int, stride: int) -> nn.Module | None:
    if before == after and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))


def resnet(depth: int, classes: int, small: bool = False) -> nn.Module:
    kind: Callable[..., nn.Module] = Narrow if depth == 50 else Basic
    factor = 4 if depth == 50 else 1
    first = (
        nn.Conv2d(3, 64, 3, 1, 1, bias=False) if small else nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    )
    parts: list[tuple[str, nn.Module]] = [
        ("conv1", first),
        ("bn1", nn.BatchNorm2d(64)),
        ("relu", nn.ReLU()),
        ("maxpool", nn.Identity() if small else nn.MaxPool2d(3, 2, 1)),
    ]
    before = 64
    counts = (2, 2, 2, 2) if depth == 18 else (3, 4, 6, 3)
    for number, count in enumerate(counts):
        width = 64 * 2**number
        blocks = []
        for place in range(count):
            blocks.append(kind(before, width, 2 if number and not place else 1))
            before = width * factor
        parts.append((f"layer{number + 1}", nn.Sequential(*blocks)))
    parts += [
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(before, classes)),
    ]
    return nn.Sequential(OrderedDict(parts))


class Headed(nn.Module):
    """Features, pooling to a fixed side, a classifier: AlexNet and VGG."""

    def __init__(self, features: nn.Module, side: int, classifier: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = classifier

    def forward(self, x: Any) -> Any:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def vgg(plan: str, classes: int, norm: bool = False) -> nn.Module:
    """plan: widths over 64 and pooling, as in "1 p 2 p …"."""
    layers: list[nn.Module] = []
    before = 3
    for word in plan.split():
        if word == "p":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        width = 64 * int(word)
        layers.append(nn.Conv2d(before, width, 3, padding=1))
        layers += [nn.BatchNorm2d(width)] if norm else []
        layers.append(nn.ReLU())
        before = width
    head = nn.Sequential(
        nn.Linear(512 * 49, 4096), nn.ReLU(), nn.Dropout(),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, classes),
    )  # fmt: skip
    return Headed(nn.Sequential(*layers), 7, head)


def alexnet(classes: int, layout: str, side: int) -> nn.Module:
    """side: of the last maps."""
    if layout == "torchvision":
        widths, stem, groups = (64, 192, 384, 256, 256), {"padding": 2}, 1
    else:
        widths, stem, groups = (96, 256, 384, 384, 256), {}, 2 if layout == "paper" else 1

    def norm() -> list[nn.Module]:
        if layout == "torchvision":
            return []
        return [nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0) if layout == "paper" else nn.Identity()]

    one, two, three, four, five = widths
    features = nn.Sequential(
        nn.Conv2d(3, one, 11, 4, **stem), nn.ReLU(), *norm(), nn.MaxPool2d(3, 2),
        nn.Conv2d(one, two, 5, padding=2, groups=groups), nn.ReLU(), *norm(), nn.MaxPool2d(3, 2),
        nn.Conv2d(two, three, 3, padding=1), nn.ReLU(),
        nn.Conv2d(three, four, 3, padding=1, groups=groups), nn.ReLU(),
        nn.Conv2d(four, five, 3, padding=1, groups=groups), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    head = nn.Sequential(
        nn.Dropout(), nn.Linear(256 * side * side, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes),
    )  # fmt: skip
    return Headed(features, side, head)


class Unit(nn.Module):
    """A convolution, its batch norm and ReLU."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """An inception block."""

    def __init__(self, before: int, a: int, b: int, c: int, d: int, e: int, f: int) -> None:
        super().__init__()
        self.branch1 = Unit(before, a, 1)
        self.branch2 = nn.Sequential(Unit(before, b, 1), Unit(b, c, 3, padding=1))
        self.branch3 = nn.Sequential(Unit(before, d, 1), Unit(d, e, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), Unit(before, f, 1))

    def forward(self, x: Any) -> Any:
        ways = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([way(x) for way in ways], 1)


class Head(nn.Module):
    """An auxiliary head."""

    def __init__(self, before: int, classes: int) -> None:
        super().__init__()
        self.conv = Unit(before, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Any) -> Any:
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, 4))
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


class GoogLeNet(nn.Module):
    """Without dropout; in training it gives the outputs of all three heads."""

    def __init__(self, classes: int, heads: bool) -> None:
        super().__init__()
        self.conv1 = Unit(3, 64, 7, 2, 3)
        self.conv2 = Unit(64, 64, 1)
        self.conv3 = Unit(64, 192, 3, 1, 1)
        self.inception3a = Mixed(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Mixed(256, 128, 128, 192, 32, 96, 64)
        self.inception4a = Mixed(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Mixed(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Mixed(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Mixed(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Mixed(528, 256, 160, 320, 32, 128, 128)
        self.inception5a = Mixed(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Mixed(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = Head(512, classes) if heads else None
        self.aux2 = Head(528, classes) if heads else None
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Any) -> Any:
        pool, flat = nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten()
        x = self.conv3(self.conv2(pool(self.conv1(x))))
        x = pool(self.inception3b(self.inception3a(pool(x))))
        four = self.inception4a(x)
        late = self.inception4d(self.inception4c(self.inception4b(four)))
        x = nn.MaxPool2d(2, 2, ceil_mode=True)(self.inception4e(late))
        x = self.inception5b(self.inception5a(x))
        logits = self.fc(flat(nn.functional.adaptive_avg_pool2d(x, 1)))
        if self.aux1 is None or not self.training:
            return logits
        return logits, self.aux2(late), self.aux1(four)
