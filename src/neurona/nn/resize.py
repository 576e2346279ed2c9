"""Layers that change the size of an image without learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.checks import choice
from neurona.nn.functional.resize import AXES_OF_MODE
from neurona.nn.linear import extent
from neurona.nn.module import Module


class Upsample(Module):
    """x (batch, channels, *spatial) at another size, by `functional.interpolate`.

    size: the spatial extents, or scale_factor: by what they are multiplied.
    mode: "nearest", "nearest-exact", "linear", "bilinear", "trilinear" or "bicubic".
    align_corners: whether the centres of the corner pixels stay where they are.
    recompute_scale_factor: whether the step between samples follows from the rounded size.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Upsample(scale_factor=2, mode="bilinear")(ne.zeros((1, 3, 8, 8))).shape
    (1, 3, 16, 16)
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        choice("Upsample", "mode", mode, tuple(AXES_OF_MODE))
        if (size is None) == (scale_factor is None):
            raise ArgumentError("Upsample: either size or scale_factor is needed")
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, x: Any) -> Tensor:
        return functional.interpolate(
            x,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor}, mode={self.mode!r}"
        return f"size={self.size}, mode={self.mode!r}"


class PixelShuffle(Module):
    """Channels laid out as pixels: (…, c·r², height, width) → (…, c, height·r, width·r).

    r: upscale_factor. Shi et al., "Real-time single image and video super-resolution using an
    efficient sub-pixel convolutional neural network" (2016).

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.PixelShuffle(2)(ne.zeros((1, 12, 8, 8))).shape
    (1, 3, 16, 16)
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = extent("PixelShuffle", "upscale_factor", upscale_factor)

    def forward(self, x: Any) -> Tensor:
        return functional.pixel_shuffle(x, self.upscale_factor)

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """What `PixelShuffle` undoes: (…, c, height·r, width·r) → (…, c·r², height, width)."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = extent("PixelUnshuffle", "downscale_factor", downscale_factor)

    def forward(self, x: Any) -> Tensor:
        return functional.pixel_unshuffle(x, self.downscale_factor)

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"
