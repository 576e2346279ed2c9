"""GoogLeNet: blocks that look at several sizes at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, choices
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.train.architecture import register

LAYOUTS = ("torchvision", "paper")


class GoogLeNetOutputs(NamedTuple):
    """What GoogLeNet gives in training with auxiliary heads, each (batch, num_classes)."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class BasicConv2d(Module):
    """A convolution and ReLU; between them a batch normalisation, which then has the bias.

    x: (batch, in_channels, rows, columns). Result: (batch, channels, …).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        batch_norm: bool = True,
        dtype: Any = None,
    ) -> None:
        self.in_channels = in_channels
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.batch_norm = batch_norm
        self.conv = nn.Conv2d(
            in_channels,
            channels,
            kernel_size,
            stride=stride,
            padding=padding,
            bias=not batch_norm,
            dtype=dtype,
        )
        self.bn = nn.BatchNorm2d(channels, eps=0.001, dtype=dtype) if batch_norm else None

    def forward(self, x: Any) -> Tensor:
        x = self.conv(x)
        return nn.functional.relu(x if self.bn is None else self.bn(x))


@register
class Inception(Module):
    """An inception block: 1 × 1, 3 × 3, 5 × 5 and pooling side by side, joined channel by channel.

    Szegedy et al., "Going deeper with convolutions" (2015), figure 2(b): 1 × 1 convolutions first
    bring the channels down where the kernels are dear.

    - x: (batch, in_channels, rows, columns). Result: (batch, one + three + five + pool, rows,
      columns).
    - `one`: channels of the 1 × 1 way. `reduce_three`, `three`: of the 3 × 3 way, before and after.
      `reduce_five`, `five`: of the 5 × 5 way, which has 3 × 3 kernels in the "torchvision" layout.
      `pool`: of the way with 3 × 3 max pooling.

    >>> import neurona as ne
    >>> block = Inception(192, (64, 96, 128, 16, 32, 32))
    >>> block(ne.zeros((1, 192, 28, 28))).shape
    (1, 256, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        widths: tuple[int, int, int, int, int, int],
        *,
        layout: str = "torchvision",
        dtype: Any = None,
    ) -> None:
        self.in_channels = in_channels
        self.widths = widths
        self.layout = layout
        one, reduce_three, three, reduce_five, five, pool = widths
        options: Any = {"batch_norm": layout == "torchvision", "dtype": dtype}
        kernel = 3 if layout == "torchvision" else 5
        self.branch1 = BasicConv2d(in_channels, one, 1, **options)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, reduce_three, 1, **options),
            BasicConv2d(reduce_three, three, 3, padding=1, **options),
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, reduce_five, 1, **options),
            BasicConv2d(reduce_five, five, kernel, padding=kernel // 2, **options),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            BasicConv2d(in_channels, pool, 1, **options),
        )

    def forward(self, x: Any) -> Tensor:
        ways = (self.branch1, self.branch2, self.branch3, self.branch4)
        return ne.concat([way(x) for way in ways], axis=1)


class InceptionAux(Module):
    """An auxiliary head: in training it brings the loss to the middle of the network.

    x: (batch, in_channels, 14, 14). Result: (batch, num_classes), before the softmax.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        layout: str = "torchvision",
        dropout: float = 0.7,
        dtype: Any = None,
    ) -> None:
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.layout = layout
        self.dropout = dropout
        self.pool = nn.AdaptiveAvgPool2d(4)
        batch_norm = layout == "torchvision"
        self.conv = BasicConv2d(in_channels, 128, 1, batch_norm=batch_norm, dtype=dtype)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024, dtype=dtype)
        self.drop = nn.Dropout(dropout)
        self.fc2 = nn.Linear(1024, num_classes, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = self.conv(self.pool(x))  # (batch, 128, 4, 4)
        x = ne.reshape(x, (x.shape[0], -1))  # (batch, 2048)
        x = self.drop(nn.functional.relu(self.fc1(x)))  # (batch, 1024)
        y: Tensor = self.fc2(x)  # (batch, num_classes)
        return y


BLOCKS = {
    "3a": (192, (64, 96, 128, 16, 32, 32)),
    "3b": (256, (128, 128, 192, 32, 96, 64)),
    "4a": (480, (192, 96, 208, 16, 48, 64)),
    "4b": (512, (160, 112, 224, 24, 64, 64)),
    "4c": (512, (128, 128, 256, 24, 64, 64)),
    "4d": (512, (112, 144, 288, 32, 64, 64)),
    "4e": (528, (256, 160, 320, 32, 128, 128)),
    "5a": (832, (256, 160, 320, 32, 128, 128)),
    "5b": (832, (384, 192, 384, 48, 128, 128)),
}
"""By name: the channels that come in, and the widths of the ways (table 1 of the paper)."""


@register
class GoogLeNet(Module):
    """GoogLeNet: nine inception blocks, global average pooling, one fully connected layer.

    Szegedy et al., "Going deeper with convolutions" (2015).

    - x: (batch, in_channels, rows, columns), 224 × 224 in the paper.
      Result: (batch, num_classes), before the softmax; with `aux_logits` in training a
      `GoogLeNetOutputs`, whose heads the paper adds to the loss with weight 0.3.
    - `layout`: "torchvision": with batch normalisation, and 3 × 3 kernels in place of 5 × 5, for
      torchvision's weights; 6,624,904 parameters without heads, 13,004,888 with. "paper": with
      biases, local response normalisation and 5 × 5 kernels; 6,998,552 without heads.
    - `aux_logits`: whether there are the two auxiliary heads.
    - `transform_input`: whether pictures come normalised for torchvision's other networks, mean
      (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225); its GoogLeNet wants 0.5 and 0.5.
    - `dropout`: before the last layer; the paper has 0.4.

    >>> network = GoogLeNet()
    >>> sum(p.size for p in network.parameters())
    6624904
    """

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        layout: str = "torchvision",
        aux_logits: bool = False,
        transform_input: bool = False,
        dropout: float = 0.2,
        dtype: Any = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise ArgumentError(
                f"GoogLeNet: unknown layout {layout!r}{choices(str(layout), LAYOUTS)}"
            )
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.layout = layout
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.dropout = dropout
        batch_norm = layout == "torchvision"
        options: Any = {"batch_norm": batch_norm, "dtype": dtype}

        def block(name: str) -> Inception:
            channels, widths = BLOCKS[name]
            return Inception(channels, widths, layout=layout, dtype=dtype)

        def response_norm() -> Module:
            # AlexNet's: α = 1e-4 for the sum of the squares, that of the layer is for their mean.
            return nn.Identity() if batch_norm else nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)

        def head(channels: int) -> InceptionAux | None:
            options: Any = {"layout": layout, "dtype": dtype}
            return InceptionAux(channels, num_classes, **options) if aux_logits else None

        self.conv1 = BasicConv2d(in_channels, 64, 7, stride=2, padding=3, **options)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm1 = response_norm()
        self.conv2 = BasicConv2d(64, 64, 1, **options)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1, **options)
        self.norm2 = response_norm()
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = block("3a")
        self.inception3b = block("3b")
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = block("4a")
        self.inception4b = block("4b")
        self.inception4c = block("4c")
        self.inception4d = block("4d")
        self.inception4e = block("4e")
        # At 14 × 14 the paper's 3 × 3 and torchvision's 2 × 2 windows both give 7 × 7.
        self.maxpool4 = nn.MaxPool2d(2 if batch_norm else 3, stride=2, ceil_mode=True)
        self.inception5a = block("5a")
        self.inception5b = block("5b")
        self.aux1 = head(512)
        self.aux2 = head(528)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes, dtype=dtype)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.truncated_normal(module.weight, std=0.01)

    def forward(self, x: Any) -> Any:
        if self.transform_input:
            x = renormalised(x)
        aux1 = aux2 = None
        x = self.norm1(self.maxpool1(self.conv1(x)))  # (batch, 64, 56, 56)
        x = self.norm2(self.conv3(self.conv2(x)))  # (batch, 192, 56, 56)
        x = self.maxpool2(x)  # (batch, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))  # (batch, 480, 28, 28)
        x = self.maxpool3(x)  # (batch, 480, 14, 14)
        x = self.inception4a(x)  # (batch, 512, 14, 14)
        if self.training and self.aux1 is not None:
            aux1 = self.aux1(x)  # (batch, num_classes)
        x = self.inception4d(self.inception4c(self.inception4b(x)))  # (batch, 528, 14, 14)
        if self.training and self.aux2 is not None:
            aux2 = self.aux2(x)  # (batch, num_classes)
        x = self.maxpool4(self.inception4e(x))  # (batch, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))  # (batch, 1024, 7, 7)
        x = self.avgpool(x)  # (batch, 1024, 1, 1)
        x = self.drop(ne.reshape(x, (x.shape[0], -1)))  # (batch, 1024)
        logits = self.fc(x)  # (batch, num_classes)
        if aux1 is None or aux2 is None:
            return logits
        return GoogLeNetOutputs(logits, aux2, aux1)


def renormalised(x: Any) -> Tensor:
    """Pictures of mean (0.485, 0.456, 0.406) and deviation (0.229, 0.224, 0.225) to 0.5 and 0.5."""
    x = ne.asarray(x)
    mean = ne.asarray([[[0.485]], [[0.456]], [[0.406]]], dtype=x.dtype)
    deviation = ne.asarray([[[0.229]], [[0.224]], [[0.225]]], dtype=x.dtype)
    y: Tensor = (x * deviation + mean - 0.5) / 0.5
    return y


def googlenet(**options: Any) -> GoogLeNet:
    """GoogLeNet as in torchvision; its published weights have the auxiliary heads."""
    return GoogLeNet(**options)
