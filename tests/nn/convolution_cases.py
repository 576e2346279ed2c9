"""The records of the convolutional layers; see `tests.nn.cases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurona import nn
from tests.nn.layer_case import LayerCase, Shape


def _same(
    name: str, make: Callable[[Any], Any], shape: Shape, output: Shape, count: int = 0
) -> LayerCase:
    """A layer that is written alike in both libraries."""
    return LayerCase(name, lambda: make(nn), (shape,), output, count, lambda torch: make(torch.nn))


CONVOLUTIONS = (
    _same("Conv1d", lambda n: n.Conv1d(2, 3, 2), (2, 2, 5), (2, 3, 4), 15),
    _same(
        "Conv1d, same, dilated, one sample",
        lambda n: n.Conv1d(2, 3, 2, padding="same", dilation=2, bias=False),
        (2, 5),
        (3, 5),
        12,
    ),
    _same("Conv2d", lambda n: n.Conv2d(3, 2, 2), (2, 3, 3, 4), (2, 2, 2, 3), 26),
    _same(
        "Conv2d, strides and padding",
        lambda n: n.Conv2d(1, 2, (3, 2), stride=(2, 1), padding=(1, 0)),
        (2, 1, 4, 3),
        (2, 2, 2, 2),
        14,
    ),
    _same(
        "Conv2d, groups",
        lambda n: n.Conv2d(4, 2, 2, groups=2, padding="valid"),
        (1, 4, 3, 3),
        (1, 2, 2, 2),
        18,
    ),
    _same(
        "Conv2d, depthwise",
        lambda n: n.Conv2d(3, 6, 2, 2, 1, 2, 3),
        (2, 3, 3, 4),
        (2, 6, 2, 2),
        30,
    ),
    _same(
        "Conv3d",
        lambda n: n.Conv3d(2, 2, (1, 2, 2), padding=(0, 1, 0)),
        (1, 2, 2, 3, 3),
        (1, 2, 2, 4, 2),
        18,
    ),
    _same(
        "Conv2d, reflected around",
        lambda n: n.Conv2d(1, 2, 3, padding=(1, 2), padding_mode="reflect"),
        (1, 1, 3, 3),
        (1, 2, 3, 5),
        20,
    ),
    _same(
        "Conv1d, circular, same",
        lambda n: n.Conv1d(1, 2, 4, padding="same", padding_mode="circular"),
        (1, 1, 4),
        (1, 2, 4),
        10,
    ),
    _same("ConvTranspose1d", lambda n: n.ConvTranspose1d(2, 3, 2, 3), (2, 2, 3), (2, 3, 8), 15),
    _same(
        "ConvTranspose2d",
        lambda n: n.ConvTranspose2d(2, 4, (3, 2), 2, (1, 0), (1, 0), groups=2, bias=False),
        (2, 2, 2, 3),
        (2, 4, 4, 6),
        24,
    ),
    _same(
        "ConvTranspose2d, output padding by dilation",
        lambda n: n.ConvTranspose2d(1, 1, 2, 1, 1, 2, dilation=3),
        (1, 2, 2),
        (1, 5, 5),
        5,
    ),
    _same(
        "ConvTranspose3d",
        lambda n: n.ConvTranspose3d(2, 1, 2, (1, 2, 1), dilation=(1, 1, 2)),
        (1, 2, 1, 2, 2),
        (1, 1, 2, 4, 4),
        17,
    ),
)

PADDINGS = (
    _same("ZeroPad1d", lambda n: n.ZeroPad1d((2, -1)), (2, 3, 4), (2, 3, 5)),
    _same("ZeroPad2d", lambda n: n.ZeroPad2d((1, 0, -1, 2)), (2, 1, 3, 2), (2, 1, 4, 3)),
    _same("ZeroPad3d", lambda n: n.ZeroPad3d(1), (1, 1, 2, 1, 2), (1, 1, 4, 3, 4)),
    _same("ConstantPad1d", lambda n: n.ConstantPad1d(1, 2.5), (3, 4), (3, 6)),
    _same("ConstantPad2d", lambda n: n.ConstantPad2d((0, 1, 2, 0), -1), (1, 3, 2), (1, 5, 3)),
    _same("ConstantPad3d", lambda n: n.ConstantPad3d(1, 0.5), (1, 1, 1, 2), (1, 3, 3, 4)),
    _same("ReflectionPad1d", lambda n: n.ReflectionPad1d((2, 1)), (2, 1, 3), (2, 1, 6)),
    _same("ReflectionPad2d", lambda n: n.ReflectionPad2d((1, 0, 2, 1)), (1, 3, 2), (1, 6, 3)),
    _same("ReflectionPad3d", lambda n: n.ReflectionPad3d(1), (1, 1, 2, 2, 2), (1, 1, 4, 4, 4)),
    _same("ReplicationPad1d", lambda n: n.ReplicationPad1d((2, 4)), (2, 1, 3), (2, 1, 9)),
    _same("ReplicationPad2d", lambda n: n.ReplicationPad2d((1, 0, 2, 3)), (1, 2, 2), (1, 7, 3)),
    _same("ReplicationPad3d", lambda n: n.ReplicationPad3d(1), (1, 2, 1, 2), (1, 4, 3, 4)),
    _same("CircularPad1d", lambda n: n.CircularPad1d((3, 2)), (2, 1, 3), (2, 1, 8)),
    _same("CircularPad2d", lambda n: n.CircularPad2d((1, 0, 2, 1)), (1, 2, 2), (1, 5, 3)),
    _same("CircularPad3d", lambda n: n.CircularPad3d(1), (1, 1, 2, 1, 2), (1, 1, 4, 3, 4)),
)

RESIZES = (
    _same("Upsample", lambda n: n.Upsample(scale_factor=2), (1, 2, 2, 3), (1, 2, 4, 6)),
    _same(
        "Upsample, nearest, other sizes",
        lambda n: n.Upsample(size=(5, 2), mode="nearest"),
        (1, 2, 3, 4),
        (1, 2, 5, 2),
    ),
    _same(
        "Upsample, nearest-exact",
        lambda n: n.Upsample(scale_factor=1.7, mode="nearest-exact"),
        (2, 1, 5),
        (2, 1, 8),
    ),
    _same(
        "Upsample, linear",
        lambda n: n.Upsample(scale_factor=2.5, mode="linear"),
        (1, 2, 3),
        (1, 2, 7),
    ),
    _same(
        "Upsample, bilinear",
        lambda n: n.Upsample(size=(5, 2), mode="bilinear"),
        (1, 2, 2, 3),
        (1, 2, 5, 2),
    ),
    _same(
        "Upsample, bilinear, corners aligned",
        lambda n: n.Upsample(scale_factor=(2, 1.5), mode="bilinear", align_corners=True),
        (1, 1, 3, 2),
        (1, 1, 6, 3),
    ),
    _same(
        "Upsample, trilinear, step recomputed",
        lambda n: n.Upsample(
            scale_factor=1.6, mode="trilinear", align_corners=False, recompute_scale_factor=True
        ),
        (1, 1, 2, 1, 2),
        (1, 1, 3, 1, 3),
    ),
    _same(
        "Upsample, bicubic",
        lambda n: n.Upsample(size=(4, 7), mode="bicubic"),
        (1, 1, 6, 3),
        (1, 1, 4, 7),
    ),
    _same("PixelShuffle", lambda n: n.PixelShuffle(2), (2, 8, 1, 2), (2, 2, 2, 4)),
    _same("PixelUnshuffle", lambda n: n.PixelUnshuffle(2), (2, 2, 2, 4), (2, 8, 1, 2)),
    _same(
        "Unfold",
        lambda n: n.Unfold((2, 1), dilation=(1, 2), padding=(0, 1), stride=2),
        (2, 2, 3, 4),
        (2, 4, 3),
    ),
    _same("Unfold, one image", lambda n: n.Unfold(2), (2, 3, 2), (8, 2)),
    _same(
        "Fold",
        lambda n: n.Fold((3, 4), (2, 1), dilation=(1, 2), padding=(0, 1), stride=2),
        (2, 4, 3),
        (2, 2, 3, 4),
    ),
)
