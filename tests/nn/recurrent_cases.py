"""The records of the recurrent layers and cells."""

from __future__ import annotations

from typing import Any

from neurona import nn
from tests.nn.layer_case import LayerCase


def _rows(layer: Any, *inputs: Any) -> Any:
    return layer(*inputs)[0]


def _layer(name: str, *options: Any, count: int, **more: Any) -> LayerCase:
    """A layer of 3 inputs and 4 features that is written alike in both libraries."""
    return LayerCase(
        name + "".join(f", {key}" for key in more),
        lambda: getattr(nn, name)(3, 4, *options, **more),
        ((5, 2, 3),),
        (5, 2, 4 * (1 + more.get("bidirectional", False))),
        count,
        lambda torch: getattr(torch.nn, name)(3, 4, *options, **more),
        call=_rows,
    )


def _cell(name: str, *options: Any, count: int) -> LayerCase:
    return LayerCase(
        name,
        lambda: getattr(nn, name)(3, 4, *options),
        ((2, 3), (2, 4)),
        (2, 4),
        count,
        lambda torch: getattr(torch.nn, name)(3, 4, *options),
    )


RECURRENT = (
    _layer("RNN", 2, count=76),
    _layer("LSTM", bidirectional=True, count=288),
    _layer("GRU", count=108),
    _cell("RNNCell", True, "relu", count=36),
    _cell("GRUCell", False, count=84),
    LayerCase(
        "LSTMCell",
        lambda: nn.LSTMCell(3, 4),
        ((2, 3), (2, 4), (2, 4)),
        (2, 4),
        144,
        lambda torch: torch.nn.LSTMCell(3, 4),
        call=lambda layer, x, h, c: layer(x, (h, c))[0],
    ),
    LayerCase(
        "GRU that resets first",
        lambda: nn.GRU(3, 4, reset_after=False),
        ((5, 2, 3),),
        (5, 2, 4),
        108,
        call=_rows,
    ),
    LayerCase("JordanRNN", lambda: nn.JordanRNN(3, 4, 2), ((5, 2, 3),), (5, 2, 2), 38, call=_rows),
    LayerCase("JordanRNNCell", lambda: nn.JordanRNNCell(3, 4, 2), ((2, 3), (2, 2)), (2, 2), 38),
    LayerCase(
        "SecondOrderRNN",
        lambda: nn.SecondOrderRNN(3, 4),
        ((5, 2, 3), (1, 2, 4)),
        (5, 2, 4),
        52,
        call=_rows,
    ),
    LayerCase(
        "SecondOrderRNNCell", lambda: nn.SecondOrderRNNCell(3, 4), ((2, 3), (2, 4)), (2, 4), 52
    ),
)
