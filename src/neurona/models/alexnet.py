"""AlexNet, the network that won ImageNet in 2012."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, choices
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.train.architecture import register

LAYOUTS = ("paper", "plain", "torchvision")


@register
class AlexNet(Module):
    """AlexNet: five convolutions, three fully connected layers, ReLU and dropout.

    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural
    networks" (2012).

    - x: (batch, in_channels, 227, 227). Result: (batch, num_classes), before the softmax.
    - `layout`: "paper": half of the channels of layers 2, 4 and 5 see half of those before (two
      GPUs then, groups here), and local response normalisation; 60,965,224 parameters. "plain":
      neither of both; 62,378,344. "torchvision": the narrower one of Krizhevsky's "One weird trick"
      (2014), for torchvision's weights; 61,100,840, any size from 63 on.
    - `dropout`: in front of the first two fully connected layers.
    - `image_size`: the side of the pictures of the first two layouts, whose fully connected layers
      depend on it.

    The first two have the paper's initial values: weights N(0, 0.01²), biases 1 in convolutions 2,
    4 and 5 and the hidden fully connected layers, else 0.

    >>> with nn.init.skip():
    ...     network = AlexNet(layout="plain")
    >>> sum(p.size for p in network.parameters())
    62378344
    """

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        layout: str = "paper",
        in_channels: int = 3,
        dropout: float = 0.5,
        image_size: int = 227,
        dtype: Any = None,
    ) -> None:
        if layout not in LAYOUTS:
            raise ArgumentError(
                f"AlexNet: unknown layout {layout!r}{choices(str(layout), LAYOUTS)}"
            )
        self.num_classes = num_classes
        self.layout = layout
        self.in_channels = in_channels
        self.dropout = dropout
        self.image_size = image_size
        if layout == "torchvision":
            self.features = narrow_features(in_channels, dtype)
            self.avgpool = nn.AdaptiveAvgPool2d(6)
            width, side = 256, 6
        else:
            self.features = paper_features(in_channels, layout == "paper", dtype)
            width, side = 256, last_side(image_size)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width * side * side, 4096, dtype=dtype),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096, dtype=dtype),
            nn.ReLU(),
            nn.Linear(4096, num_classes, dtype=dtype),
        )
        if layout != "torchvision":
            self._initialise()

    def _initialise(self) -> None:
        layers = [layer for layer in self.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
        for number, layer in enumerate(layers, start=1):
            nn.init.normal(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.constant(layer.bias, 1.0 if number in (2, 4, 5, 6, 7) else 0.0)

    def forward(self, x: Any) -> Tensor:
        x = self.features(x)  # (batch, 256, 6, 6)
        if self.layout == "torchvision":
            x = self.avgpool(x)
        x = ne.reshape(x, (x.shape[0], -1))  # (batch, 9216)
        y: Tensor = self.classifier(x)  # (batch, num_classes)
        return y


def paper_features(in_channels: int, original: bool, dtype: Any) -> nn.Sequential:
    """The convolutions of the paper; `original`: with its groups and its normalisation."""
    groups = 2 if original else 1

    def normalisation() -> Module:
        # The paper's α = 1e-4 is for the sum of the n = 5 squares, the layer's for their mean.
        return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0) if original else nn.Identity()

    return nn.Sequential(
        nn.Conv2d(in_channels, 96, 11, stride=4, dtype=dtype),  # (batch, 96, 55, 55)
        nn.ReLU(),
        normalisation(),
        nn.MaxPool2d(3, 2),  # (batch, 96, 27, 27)
        nn.Conv2d(96, 256, 5, padding=2, groups=groups, dtype=dtype),  # (batch, 256, 27, 27)
        nn.ReLU(),
        normalisation(),
        nn.MaxPool2d(3, 2),  # (batch, 256, 13, 13)
        nn.Conv2d(256, 384, 3, padding=1, dtype=dtype),  # (batch, 384, 13, 13)
        nn.ReLU(),
        nn.Conv2d(384, 384, 3, padding=1, groups=groups, dtype=dtype),  # (batch, 384, 13, 13)
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=groups, dtype=dtype),  # (batch, 256, 13, 13)
        nn.ReLU(),
        nn.MaxPool2d(3, 2),  # (batch, 256, 6, 6)
    )


def last_side(image_size: int) -> int:
    """The side of the last maps for pictures of a side: 227 → 55 → 27 → 27 → 13 → 13 → 6.

    Raises `ArgumentError` for pictures that are too small.

    >>> last_side(227)
    6
    """
    side = (image_size - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    if image_size < 11 or side < 1:
        raise ArgumentError(f"AlexNet: image_size must be at least 67, not {image_size}")
    return side


def narrow_features(in_channels: int, dtype: Any) -> nn.Sequential:
    """The convolutions as in torchvision; the shapes are those of pictures of 224 × 224."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 64, 11, stride=4, padding=2, dtype=dtype),  # (batch, 64, 55, 55)
        nn.ReLU(),
        nn.MaxPool2d(3, 2),  # (batch, 64, 27, 27)
        nn.Conv2d(64, 192, 5, padding=2, dtype=dtype),  # (batch, 192, 27, 27)
        nn.ReLU(),
        nn.MaxPool2d(3, 2),  # (batch, 192, 13, 13)
        nn.Conv2d(192, 384, 3, padding=1, dtype=dtype),  # (batch, 384, 13, 13)
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, dtype=dtype),  # (batch, 256, 13, 13)
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1, dtype=dtype),  # (batch, 256, 13, 13)
        nn.ReLU(),
        nn.MaxPool2d(3, 2),  # (batch, 256, 6, 6)
    )


def alexnet(**options: Any) -> AlexNet:
    """AlexNet as in torchvision, with its `state_dict`; see `AlexNet`."""
    return AlexNet(layout="torchvision", **options)
