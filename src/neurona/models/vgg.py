"""VGG: nothing but 3 × 3 convolutions, deep."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.train.architecture import register

STAGES = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""By depth: the number of convolutions of each stage; a pooling layer ends a stage."""
WIDTHS = (64, 128, 256, 512, 512)


@register
class VGG(Module):
    """VGG: five stages of 3 × 3 convolutions, each twice as wide and half the side, then an MLP.

    Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition"
    (2015), table 1. Two 3 × 3 convolutions see what one of 5 × 5 does, with fewer weights and one
    more ReLU. Names, initial values and `state_dict` are torchvision's.

    - x: (batch, in_channels, rows, columns), 224 × 224 in the paper, at least 32 × 32.
      Result: (batch, num_classes), before the softmax.
    - `depth`: layers with weights, 11, 13, 16 or 19; 138,357,544 parameters with 16, 143,667,240
      with 19. `batch_norm`: a batch normalisation after each convolution.

    >>> with nn.init.skip():
    ...     network = VGG(depth=16)
    >>> sum(p.size for p in network.parameters())
    138357544
    """

    def __init__(
        self,
        *,
        depth: int = 16,
        num_classes: int = 1000,
        in_channels: int = 3,
        batch_norm: bool = False,
        dropout: float = 0.5,
        dtype: Any = None,
    ) -> None:
        if depth not in STAGES:
            raise ArgumentError(f"VGG: depth is one of {', '.join(map(str, STAGES))}, not {depth}")
        self.depth = depth
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.batch_norm = batch_norm
        self.dropout = dropout
        with nn.init.skip():  # all weights are drawn below
            self.features = stages(STAGES[depth], in_channels, batch_norm, dtype)
            self.avgpool = nn.AdaptiveAvgPool2d(7)
            self.classifier = nn.Sequential(
                nn.Linear(512 * 7 * 7, 4096, dtype=dtype),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, 4096, dtype=dtype),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(4096, num_classes, dtype=dtype),
            )
        for layer in self.modules():  # the biases stay 0
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal(layer.weight, std=0.01)

    def forward(self, x: Any) -> Tensor:
        x = self.features(x)  # (batch, 512, 7, 7)
        x = self.avgpool(x)  # (batch, 512, 7, 7)
        x = ne.reshape(x, (x.shape[0], -1))  # (batch, 25088)
        y: Tensor = self.classifier(x)  # (batch, num_classes)
        return y


def stages(counts: tuple[int, ...], channels: int, batch_norm: bool, dtype: Any) -> nn.Sequential:
    """The convolutions: (batch, channels, 224, 224) → (batch, 64, 112, 112) → … (512, 7, 7)."""
    layers: list[Module] = []
    for width, count in zip(WIDTHS, counts, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1, dtype=dtype))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width, dtype=dtype))
            layers.append(nn.ReLU())
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def vgg16(**options: Any) -> VGG:
    """VGG with 16 layers; see `VGG`."""
    return VGG(depth=16, **options)


def vgg19(**options: Any) -> VGG:
    """VGG with 19 layers; see `VGG`."""
    return VGG(depth=19, **options)
