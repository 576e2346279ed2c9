"""The records of pooling, norms of maps and dropout of channels; see `tests.nn.cases`."""

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


POOLING = (
    _same("MaxPool1d", lambda n: n.MaxPool1d(3, 2, 1), (2, 2, 5), (2, 2, 3)),
    _same("MaxPool2d", lambda n: n.MaxPool2d(2), (2, 3, 4, 5), (2, 3, 2, 2)),
    _same(
        "MaxPool2d, padded, dilated, one sample",
        lambda n: n.MaxPool2d((3, 2), (1, 2), (1, 0), (2, 1), ceil_mode=True),
        (2, 5, 3),
        (2, 3, 2),
    ),
    _same("MaxPool3d", lambda n: n.MaxPool3d(2, 1), (1, 2, 2, 3, 2), (1, 2, 1, 2, 1)),
    _same("AvgPool1d", lambda n: n.AvgPool1d(2, 1), (2, 2, 4), (2, 2, 3)),
    _same(
        "AvgPool2d",
        lambda n: n.AvgPool2d(3, 2, 1, True, count_include_pad=False),
        (1, 2, 4, 3),
        (1, 2, 3, 2),
    ),
    _same(
        "AvgPool3d",
        lambda n: n.AvgPool3d((1, 2, 2), divisor_override=3),
        (1, 2, 2, 2, 4),
        (1, 2, 2, 1, 2),
    ),
    _same("AdaptiveAvgPool1d", lambda n: n.AdaptiveAvgPool1d(1), (2, 2, 5), (2, 2, 1)),
    _same("AdaptiveAvgPool2d", lambda n: n.AdaptiveAvgPool2d((2, 3)), (1, 2, 4, 5), (1, 2, 2, 3)),
    _same("AdaptiveAvgPool3d", lambda n: n.AdaptiveAvgPool3d(2), (1, 1, 2, 4, 2), (1, 1, 2, 2, 2)),
    _same("AdaptiveMaxPool1d", lambda n: n.AdaptiveMaxPool1d(2), (2, 2, 4), (2, 2, 2)),
    _same(
        "AdaptiveMaxPool2d", lambda n: n.AdaptiveMaxPool2d((3, None)), (1, 2, 4, 3), (1, 2, 3, 3)
    ),
    _same("AdaptiveMaxPool3d", lambda n: n.AdaptiveMaxPool3d(1), (1, 2, 2, 2, 3), (1, 2, 1, 1, 1)),
    _same(
        "LocalResponseNorm",
        lambda n: n.LocalResponseNorm(4, 0.5, 0.6, 2.0),
        (2, 6, 2, 2),
        (2, 6, 2, 2),
    ),
    _same("LocalResponseNorm, one axis", lambda n: n.LocalResponseNorm(3), (1, 2, 3), (1, 2, 3)),
    _same("BatchNorm2d", lambda n: n.BatchNorm2d(3), (2, 3, 2, 3), (2, 3, 2, 3), 6),
    _same("BatchNorm3d", lambda n: n.BatchNorm3d(2), (2, 2, 1, 2, 3), (2, 2, 1, 2, 3), 4),
    _same("GroupNorm", lambda n: n.GroupNorm(2, 4), (2, 4, 3), (2, 4, 3), 8),
    _same("InstanceNorm1d", lambda n: n.InstanceNorm1d(2), (2, 5), (2, 5)),
    _same(
        "InstanceNorm2d",
        lambda n: n.InstanceNorm2d(2, 0.1, 0.3, affine=True, track_running_stats=True),
        (3, 2, 2, 3),
        (3, 2, 2, 3),
        4,
    ),
    _same("InstanceNorm3d", lambda n: n.InstanceNorm3d(2), (1, 2, 2, 1, 2), (1, 2, 2, 1, 2)),
    LayerCase(
        "InstanceNorm2d, evaluating",
        lambda: nn.InstanceNorm2d(2, track_running_stats=True),
        ((2, 2, 2, 2),),
        (2, 2, 2, 2),
        0,
        lambda t: t.nn.InstanceNorm2d(2, track_running_stats=True),
        evaluate=True,
    ),
    _same(
        "LocalResponseNorm of AlexNet",
        lambda n: n.LocalResponseNorm(5, 0.5, 0.75, 2.0),
        (2, 7, 2, 1),
        (2, 7, 2, 1),
    ),
    LayerCase("Dropout1d", nn.Dropout1d, ((3, 4, 2),), (3, 4, 2)),
    LayerCase("Dropout2d", nn.Dropout2d, ((2, 4, 2, 2),), (2, 4, 2, 2)),
    LayerCase("Dropout3d", nn.Dropout3d, ((2, 4, 1, 2, 2),), (2, 4, 1, 2, 2)),
    LayerCase("AlphaDropout", nn.AlphaDropout, ((3, 4),), (3, 4)),
    LayerCase("FeatureAlphaDropout", nn.FeatureAlphaDropout, ((3, 4, 2),), (3, 4, 2)),
)
