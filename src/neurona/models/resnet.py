"""ResNet: layers that learn a correction of what comes in."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, choices
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.train.architecture import register

STEMS = ("imagenet", "cifar")


@register
class BasicBlock(Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))), both convolutions 3 × 3.

    x: (batch, in_channels, rows, columns).
    Result: (batch, channels, rows/stride, columns/stride).
    """

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, *, stride: int = 1, dtype: Any = None
    ) -> None:
        self.in_channels = in_channels
        self.channels = channels
        self.stride = stride
        self.conv1 = conv(in_channels, channels, 3, stride, dtype)
        self.bn1 = nn.BatchNorm2d(channels, dtype=dtype)
        self.relu = nn.ReLU()
        self.conv2 = conv(channels, channels, 3, 1, dtype)
        self.bn2 = nn.BatchNorm2d(channels, dtype=dtype)
        self.downsample = projection(in_channels, channels, stride, dtype)

    def forward(self, x: Any) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        y: Tensor = self.relu(x + past)
        return y


@register
class Bottleneck(Module):
    """relu(x + f(x)), f: 1 × 1 to fewer channels, 3 × 3, 1 × 1 to four times as many.

    The stride is that of the 3 × 3 convolution, as in torchvision (in the paper: of the first).

    x: (batch, in_channels, rows, columns).
    Result: (batch, 4·channels, rows/stride, columns/stride).
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, *, stride: int = 1, dtype: Any = None
    ) -> None:
        self.in_channels = in_channels
        self.channels = channels
        self.stride = stride
        self.conv1 = conv(in_channels, channels, 1, 1, dtype)
        self.bn1 = nn.BatchNorm2d(channels, dtype=dtype)
        self.conv2 = conv(channels, channels, 3, stride, dtype)
        self.bn2 = nn.BatchNorm2d(channels, dtype=dtype)
        self.conv3 = conv(channels, 4 * channels, 1, 1, dtype)
        self.bn3 = nn.BatchNorm2d(4 * channels, dtype=dtype)
        self.relu = nn.ReLU()
        self.downsample = projection(in_channels, 4 * channels, stride, dtype)

    def forward(self, x: Any) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        y: Tensor = self.relu(x + past)
        return y


def conv(in_channels: int, channels: int, kernel: int, stride: int, dtype: Any) -> nn.Conv2d:
    """A convolution that keeps the sides at stride 1, without bias: batch norm has one."""
    padding = kernel // 2
    return nn.Conv2d(
        in_channels, channels, kernel, stride=stride, padding=padding, bias=False, dtype=dtype
    )


def projection(in_channels: int, channels: int, stride: int, dtype: Any) -> nn.Sequential | None:
    """What brings x to the shape of the block's output; None where it has it."""
    if stride == 1 and in_channels == channels:
        return None
    return nn.Sequential(
        conv(in_channels, channels, 1, stride, dtype), nn.BatchNorm2d(channels, dtype=dtype)
    )


BLOCKS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
"""By depth: the kind of block and how many of them each stage has."""


@register
class ResNet(Module):
    """ResNet: stages of blocks x + f(x), so that the gradient has a way past each of them.

    He, Zhang, Ren and Sun, "Deep residual learning for image recognition" (2016), table 1.
    Names, initial values and `state_dict` are torchvision's.

    - x: (batch, in_channels, rows, columns). Result: (batch, num_classes), before the softmax.
    - `depth`: layers with weights, 18, 34, 50, 101 or 152; with 1000 classes 11,689,512,
      21,797,672 and 25,557,032 parameters for the first three.
    - `stem`: "imagenet", for pictures of about 224 × 224: 7 × 7 with stride 2 and pooling; "cifar",
      for small ones as 32 × 32: 3 × 3 with stride 1 and no pooling.

    >>> with nn.init.skip():
    ...     network = ResNet(depth=18, num_classes=10, stem="cifar")
    >>> sum(p.size for p in network.parameters())
    11173962
    """

    def __init__(
        self,
        *,
        depth: int = 18,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: str = "imagenet",
        dtype: Any = None,
    ) -> None:
        if depth not in BLOCKS:
            raise ArgumentError(
                f"ResNet: depth is one of {', '.join(map(str, BLOCKS))}, not {depth}"
            )
        if stem not in STEMS:
            raise ArgumentError(f"ResNet: unknown stem {stem!r}{choices(str(stem), STEMS)}")
        self.depth = depth
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.stem = stem
        block, counts = BLOCKS[depth]
        width = 512 * block.expansion
        small = stem == "cifar"
        self.conv1 = conv(in_channels, 64, 3 if small else 7, 1 if small else 2, dtype)
        self.bn1 = nn.BatchNorm2d(64, dtype=dtype)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, counts[0], 64, 64, 1, dtype)
        self.layer2 = stage(block, counts[1], 64 * block.expansion, 128, 2, dtype)
        self.layer3 = stage(block, counts[2], 128 * block.expansion, 256, 2, dtype)
        self.layer4 = stage(block, counts[3], 256 * block.expansion, 512, 2, dtype)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, num_classes, dtype=dtype)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Any) -> Tensor:  # sides for pictures of 224 × 224, and of 32 × 32 (cifar)
        x = self.relu(self.bn1(self.conv1(x)))  # (batch, 64, 112, 112); 32
        x = self.maxpool(x)  # (batch, 64, 56, 56); 32
        x = self.layer1(x)  # (batch, 64·expansion, 56, 56); 32
        x = self.layer2(x)  # (batch, 128·expansion, 28, 28); 16
        x = self.layer3(x)  # (batch, 256·expansion, 14, 14); 8
        x = self.layer4(x)  # (batch, 512·expansion, 7, 7); 4
        x = self.avgpool(x)  # (batch, 512·expansion, 1, 1)
        x = ne.reshape(x, (x.shape[0], -1))  # (batch, 512·expansion)
        y: Tensor = self.fc(x)  # (batch, num_classes)
        return y


def stage(
    block: type[BasicBlock] | type[Bottleneck],
    count: int,
    in_channels: int,
    channels: int,
    stride: int,
    dtype: Any,
) -> nn.Sequential:
    """Blocks one after the other; the first has the stride."""
    blocks = [block(in_channels, channels, stride=stride, dtype=dtype)]
    for _ in range(count - 1):
        blocks.append(block(channels * block.expansion, channels, dtype=dtype))
    return nn.Sequential(*blocks)


def resnet18(**options: Any) -> ResNet:
    """ResNet with 18 layers; see `ResNet`."""
    return ResNet(depth=18, **options)


def resnet34(**options: Any) -> ResNet:
    """ResNet with 34 layers; see `ResNet`."""
    return ResNet(depth=34, **options)


def resnet50(**options: Any) -> ResNet:
    """ResNet with 50 layers; see `ResNet`."""
    return ResNet(depth=50, **options)
