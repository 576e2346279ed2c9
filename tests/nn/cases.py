"""One record a layer, from which the tests of `test_layers` are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurona import nn
from tests.nn.convolution_cases import CONVOLUTIONS, PADDINGS, RESIZES
from tests.nn.layer_case import LayerCase, Shape
from tests.nn.pooling_cases import POOLING
from tests.nn.recurrent_cases import RECURRENT


def _same(
    name: str, make: Callable[[Any], Any], shape: Shape = (3, 5), count: int = 0
) -> LayerCase:
    """An activation that is written alike in both libraries."""
    return LayerCase(name, lambda: make(nn), (shape,), shape, count, lambda torch: make(torch.nn))


def _residual(torch: Any) -> Any:
    class Residual(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.block = torch.nn.Linear(4, 3)
            self.shortcut = torch.nn.Linear(4, 3, bias=False)

        def forward(self, x: Any) -> Any:
            return self.block(x) + self.shortcut(x)

    return Residual()


PADDED = np.array([[False, True, False, False], [False, False, True, True]])


def _additive(torch: Any) -> Any:
    class AdditiveAttention(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            for name, shape in (("query", (6, 3)), ("key", (6, 5)), ("score", (6,))):
                parameter = torch.nn.Parameter(torch.zeros(shape))
                self.register_parameter(f"{name}_weight", parameter)

        def forward(self, query: Any, key: Any, value: Any, key_padding_mask: Any) -> Any:
            mapped = query @ self.query_weight.T, key @ self.key_weight.T
            scores = (mapped[0][:, :, None] + mapped[1][:, None]).tanh() @ self.score_weight
            hidden = torch.as_tensor(key_padding_mask)[:, None]
            weights = scores.masked_fill(hidden, float("-inf")).softmax(-1)
            return weights @ value, weights

    return AdditiveAttention()


INDICES = np.array([[1, 4, 2], [0, 4, 3]])

ACTIVATIONS = (
    _same("Sigmoid", lambda n: n.Sigmoid()),
    _same("Tanh", lambda n: n.Tanh()),
    _same("Softsign", lambda n: n.Softsign()),
    _same("Hardtanh", lambda n: n.Hardtanh()),
    _same("Hardtanh, other bounds", lambda n: n.Hardtanh(-0.5, 1.5)),
    # PyTorch's own derivative takes 1/6 in float32.
    LayerCase(
        "Hardsigmoid",
        nn.Hardsigmoid,
        ((3, 5),),
        (3, 5),
        torch=lambda t: lambda x: (x + 3).clamp(0, 6) / 6,
    ),
    _same("ReLU", lambda n: n.ReLU()),
    _same("ReLU6", lambda n: n.ReLU6()),
    _same("LeakyReLU", lambda n: n.LeakyReLU()),
    _same("LeakyReLU of D", lambda n: n.LeakyReLU(0.1)),
    _same("PReLU", lambda n: n.PReLU(), count=1),
    _same("PReLU, one a channel", lambda n: n.PReLU(5), (3, 5, 2), 5),
    _same("ELU", lambda n: n.ELU()),
    _same("ELU, other α", lambda n: n.ELU(0.5)),
    _same("GELU", lambda n: n.GELU()),
    _same("GELU, tanh", lambda n: n.GELU("tanh")),
    _same("SELU", lambda n: n.SELU()),
    _same("SiLU", lambda n: n.SiLU()),
    _same("Softplus", lambda n: n.Softplus()),
    _same("Softplus, other β", lambda n: n.Softplus(3.0, 2.0)),
    _same("Mish", lambda n: n.Mish()),
    _same("Hardswish", lambda n: n.Hardswish()),
    _same("LogSigmoid", lambda n: n.LogSigmoid()),
    _same("Softmax", lambda n: n.Softmax(1)),
    _same("Softmax, other axis", lambda n: n.Softmax(0)),
    _same("LogSoftmax", lambda n: n.LogSoftmax(-1)),
    LayerCase("Step", nn.Step, ((3, 5),), (3, 5), differentiable=False),
    LayerCase("Sign", nn.Sign, ((3, 5),), (3, 5), torch=lambda t: t.sign, differentiable=False),
)

LAYERS = (
    *ACTIVATIONS,
    *CONVOLUTIONS,
    *POOLING,
    *PADDINGS,
    *RESIZES,
    *RECURRENT,
    LayerCase("Identity", nn.Identity, ((3, 4),), (3, 4), torch=lambda t: t.nn.Identity()),
    LayerCase(
        "Linear", lambda: nn.Linear(5, 4), ((3, 5),), (3, 4), 24, lambda t: t.nn.Linear(5, 4)
    ),
    LayerCase(
        "Linear, more axes",
        lambda: nn.Linear(5, 4),
        ((2, 3, 5),),
        (2, 3, 4),
        24,
        lambda t: t.nn.Linear(5, 4),
    ),
    LayerCase(
        "Linear, one sample",
        lambda: nn.Linear(5, 4, bias=False),
        ((5,),),
        (4,),
        20,
        lambda t: t.nn.Linear(5, 4, bias=False),
    ),
    LayerCase(
        "Bilinear",
        lambda: nn.Bilinear(2, 3, 4),
        ((5, 2), (5, 3)),
        (5, 4),
        28,
        lambda t: t.nn.Bilinear(2, 3, 4),
    ),
    LayerCase("Flatten", nn.Flatten, ((2, 3, 4),), (2, 12), torch=lambda t: t.nn.Flatten()),
    LayerCase(
        "Flatten, inner axes",
        lambda: nn.Flatten(0, 1),
        ((2, 3, 4),),
        (6, 4),
        torch=lambda t: t.nn.Flatten(0, 1),
    ),
    LayerCase(
        "Unflatten",
        lambda: nn.Unflatten(1, (3, -1)),
        ((2, 12),),
        (2, 3, 4),
        torch=lambda t: t.nn.Unflatten(1, (3, -1)),
    ),
    LayerCase(
        "Dropout, evaluating",
        nn.Dropout,
        ((3, 4),),
        (3, 4),
        torch=lambda t: t.nn.Dropout(),
        evaluate=True,
    ),
    LayerCase("Dropout", nn.Dropout, ((3, 4),), (3, 4)),
    LayerCase(
        "BatchNorm1d",
        lambda: nn.BatchNorm1d(3),
        ((5, 3),),
        (5, 3),
        6,
        lambda t: t.nn.BatchNorm1d(3),
    ),
    LayerCase(
        "BatchNorm1d, with length",
        lambda: nn.BatchNorm1d(3, eps=0.1, momentum=0.3),
        ((2, 3, 4),),
        (2, 3, 4),
        6,
        lambda t: t.nn.BatchNorm1d(3, eps=0.1, momentum=0.3),
    ),
    LayerCase(
        "BatchNorm1d, evaluating",
        lambda: nn.BatchNorm1d(3),
        ((5, 3),),
        (5, 3),
        6,
        lambda t: t.nn.BatchNorm1d(3),
        evaluate=True,
    ),
    LayerCase(
        "BatchNorm1d, cumulative, not affine",
        lambda: nn.BatchNorm1d(3, momentum=None, affine=False),
        ((5, 3),),
        (5, 3),
        0,
        lambda t: t.nn.BatchNorm1d(3, momentum=None, affine=False),
    ),
    LayerCase(
        "BatchNorm1d, untracked, evaluating",
        lambda: nn.BatchNorm1d(3, track_running_stats=False),
        ((5, 3),),
        (5, 3),
        6,
        lambda t: t.nn.BatchNorm1d(3, track_running_stats=False),
        evaluate=True,
    ),
    LayerCase(
        "LayerNorm",
        lambda: nn.LayerNorm(4),
        ((3, 4),),
        (3, 4),
        8,
        lambda t: t.nn.LayerNorm(4),
    ),
    LayerCase(
        "LayerNorm, two axes, no bias",
        lambda: nn.LayerNorm((2, 4), eps=0.1, bias=False),
        ((3, 2, 4),),
        (3, 2, 4),
        8,
        lambda t: t.nn.LayerNorm((2, 4), eps=0.1, bias=False),
    ),
    LayerCase(
        "LayerNorm, not affine",
        lambda: nn.LayerNorm(4, elementwise_affine=False),
        ((3, 4),),
        (3, 4),
        0,
        lambda t: t.nn.LayerNorm(4, elementwise_affine=False),
    ),
    LayerCase("RMSNorm", lambda: nn.RMSNorm(4), ((3, 4),), (3, 4), 4, lambda t: t.nn.RMSNorm(4)),
    LayerCase(
        "RMSNorm, two axes, not affine",
        lambda: nn.RMSNorm((2, 4), eps=0.1, elementwise_affine=False),
        ((3, 2, 4),),
        (3, 2, 4),
        0,
        lambda t: t.nn.RMSNorm((2, 4), eps=0.1, elementwise_affine=False),
    ),
    LayerCase(
        "Embedding",
        lambda: nn.Embedding(5, 3),
        (INDICES,),
        (2, 3, 3),
        15,
        lambda t: t.nn.Embedding(5, 3),
    ),
    LayerCase(
        "Embedding, padded",
        lambda: nn.Embedding(5, 3, padding_idx=-1),
        (INDICES,),
        (2, 3, 3),
        15,
        lambda t: t.nn.Embedding(5, 3, padding_idx=-1),
    ),
    LayerCase("SinusoidalPosition", lambda: nn.SinusoidalPosition(5, 4), ((2, 3, 4),), (2, 3, 4)),
    LayerCase(
        "LearnedPosition",
        lambda: nn.LearnedPosition(3, 4),
        ((2, 3, 4),),
        (2, 3, 4),
        12,
    ),
    LayerCase("RotaryPosition", lambda: nn.RotaryPosition(5, 4), ((2, 3, 4),), (2, 3, 4)),
    LayerCase(
        "TransformerEncoderLayer",
        lambda: nn.TransformerEncoderLayer(4, 2, 3, dropout=0.0, norm_first=True),
        ((3, 2, 4),),
        (3, 2, 4),
        127,
        lambda t: t.nn.TransformerEncoderLayer(4, 2, 3, dropout=0.0, norm_first=True),
    ),
    LayerCase(
        "AdditiveAttention",
        lambda: nn.AdditiveAttention(3, 5, 6),
        ((2, 3, 3), (2, 4, 5), (2, 4, 2)),
        (2, 3, 2),
        54,
        _additive,
        call=lambda layer, *inputs: layer(*inputs, key_padding_mask=PADDED)[0],
    ),
    LayerCase("Maxout", lambda: nn.Maxout(5, 4, pieces=3), ((2, 5),), (2, 4), 72),
    LayerCase(
        "Residual",
        lambda: nn.Residual(nn.Linear(4, 3), nn.Linear(4, 3, bias=False)),
        ((2, 4),),
        (2, 3),
        27,
        _residual,
    ),
    LayerCase(
        "Product",
        lambda: nn.Product(nn.Sigmoid()),
        ((2, 4),),
        (2, 4),
        torch=lambda t: t.nn.SiLU(),
    ),
    LayerCase(
        "Concat",
        lambda: nn.Concat(nn.Tanh()),
        ((2, 4),),
        (2, 8),
        torch=lambda t: lambda x: t.cat([x, x.tanh()], dim=1),
    ),
    LayerCase(
        "Sequential",
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.BatchNorm1d(3), nn.Linear(3, 2)),
        ((5, 4),),
        (5, 2),
        29,
        lambda t: t.nn.Sequential(
            t.nn.Linear(4, 3), t.nn.Tanh(), t.nn.BatchNorm1d(3), t.nn.Linear(3, 2)
        ),
    ),
)
