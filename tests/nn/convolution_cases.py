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
)
