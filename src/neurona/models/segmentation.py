"""Networks that give every pixel a class: the fully convolutional network and the U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.join import concat
from neurona.ops.operand import operand
from neurona.train.architecture import register


def convolutions(in_channels: int, out_channels: int, number: int = 2) -> nn.Sequential:
    """Convolutions 3×3 that keep height and width, each with batch norm and ReLU."""
    layers: list[Module] = []
    for channels in (in_channels, *[out_channels] * (number - 1)):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class Encoder(Module):
    """Feature maps of ever coarser scale: two convolutions, half the resolution, two more, …

    x: (batch, in_channels, height, width). Result: a list, one map a width w_k, of shape
    (batch, w_k, height/2ᵏ, width/2ᵏ). Raises `ShapeError` where the halves come out uneven.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        self.stages = nn.ModuleList()
        for width in widths:
            self.stages.append(convolutions(in_channels, width))
            in_channels = width
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Any) -> list[Tensor]:
        y, multiple = operand(x), 2 ** (len(self.stages) - 1)
        if y.ndim != 4 or y.shape[2] % multiple or y.shape[3] % multiple:
            raise ShapeError(
                f"{title_of(self)}: x {y.shape} must be (batch, channels, height, width) with "
                f"height and width multiples of {multiple}"
            )
        maps: list[Tensor] = []
        for stage in self.stages:
            y = stage(self.pool(y) if maps else y)
            maps.append(y)
        return maps


@register
class FCN(Module):
    """The fully convolutional network: scores at every scale, the coarse ones added to the fine.

        s_k = W_k·map_k + b_k,  y_k = s_k + up(y_{k+1}),  result y_0

    `up` doubles height and width by a transposed convolution that starts as bilinear interpolation.
    Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation" (2015),
    with an `Encoder` in place of VGG16.

    - x: (batch, in_channels, height, width). Result: logits (batch, num_classes, height, width).
    - `widths`: channels of the maps, fine to coarse; height and width are multiples of
      2^(len(widths) − 1).

    >>> import neurona as ne
    >>> FCN(num_classes=11)(ne.zeros((2, 1, 32, 32))).shape
    (2, 11, 32, 32)
    """

    def __init__(
        self, *, num_classes: int, in_channels: int = 1, widths: Sequence[int] = (16, 32, 64, 64)
    ) -> None:
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.widths = _checked(self, widths)
        self.encoder = Encoder(in_channels, self.widths)
        self.scores = nn.ModuleList([nn.Conv2d(width, num_classes, 1) for width in self.widths])
        self.up = nn.ModuleList()
        for _ in self.widths[1:]:
            layer = nn.ConvTranspose2d(
                num_classes, num_classes, 4, stride=2, padding=1, groups=num_classes, bias=False
            )
            layer.weight.assign(bilinear_kernel(num_classes))
            self.up.append(layer)

    def forward(self, x: Any) -> Tensor:
        maps = self.encoder(x)
        y: Tensor = self.scores[-1](maps[-1])
        for k in reversed(range(len(self.up))):
            y = self.scores[k](maps[k]) + self.up[k](y)
        return y


@register
class UNet(Module):
    """The U-Net: on the way back up, the finer maps of the way down are put beside the coarser.

        y_k = convolutions([map_k, up(y_{k+1})]),  result W·y_0 + b

    `up` doubles height and width by a transposed convolution 2×2. Here convolutions keep height and
    width, so that nothing is cropped.
    Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image
    segmentation" (2015).

    Arguments and shapes as for `FCN`.

    >>> import neurona as ne
    >>> UNet(num_classes=11)(ne.zeros((2, 1, 32, 32))).shape
    (2, 11, 32, 32)
    """

    def __init__(
        self, *, num_classes: int, in_channels: int = 1, widths: Sequence[int] = (8, 16, 32, 64)
    ) -> None:
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.widths = _checked(self, widths)
        self.encoder = Encoder(in_channels, self.widths)
        self.up = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for fine, coarse in zip(self.widths, self.widths[1:], strict=False):
            self.up.append(nn.ConvTranspose2d(coarse, fine, 2, stride=2))
            self.decoder.append(convolutions(2 * fine, fine))
        self.head = nn.Conv2d(self.widths[0], num_classes, 1)

    def forward(self, x: Any) -> Tensor:
        *maps, y = self.encoder(x)
        for k in reversed(range(len(maps))):
            y = self.decoder[k](concat([maps[k], self.up[k](y)], axis=1))
        logits: Tensor = self.head(y)
        return logits


def bilinear_kernel(channels: int) -> Any:
    """(channels, 1, 4, 4): a transposed convolution of stride 2 with it interpolates linearly."""
    import numpy as np

    line = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
    return np.tile(np.outer(line, line), (channels, 1, 1, 1))


def _checked(network: Module, widths: Sequence[int]) -> tuple[int, ...]:
    if not widths:
        raise ArgumentError(f"{type(network).__name__}: widths must name at least one scale")
    return tuple(widths)
