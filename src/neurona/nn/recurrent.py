"""Recurrent layers: Elman's network, LSTM and GRU."""

from __future__ import annotations

from typing import Any

from neurona.core.errors import ArgumentError
from neurona.nn.functional.recurrent import GRU as GRU_CELL
from neurona.nn.functional.recurrent import GRU_RESET_FIRST, Recurrence, elman
from neurona.nn.functional.recurrent import LSTM as LSTM_CELL
from neurona.nn.recurrent_base import RNNBase


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) along a sequence: Elman's network.

    Elman, "Finding structure in time" (1990).
    nonlinearity: "tanh" or "relu". Other arguments, inputs, results and errors: `RNNBase`.
    weight_ih_l0: (hidden_size, input_size), weight_hh_l0: (hidden_size, hidden_size), bias_ih_l0
    and bias_hh_l0: (hidden_size,), all drawn from ±1/√hidden_size; then those of l0_reverse, l1, …

    >>> import neurona as ne
    >>> from neurona import nn
    >>> y, h = nn.RNN(3, 4)(ne.ones((5, 2, 3)))
    >>> y.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype,
        )  # fmt: skip

    def recurrence(self) -> Recurrence:
        return elman(self.nonlinearity)


class LSTM(RNNBase):
    """Long short-term memory: c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c') along a sequence.

    i, f, g, o are the four parts of W_ih x + b_ih + W_hh h + b_hh; see `functional.lstm_cell`.
    Arguments, inputs, results and errors: `RNNBase`. The state is the pair h, c.
    weight_ih_l0: (4·hidden_size, input_size), weight_hh_l0: (4·hidden_size, hidden_size),
    bias_ih_l0 and bias_hh_l0: (4·hidden_size,), all drawn from ±1/√hidden_size; then those of
    l0_reverse, l1, …
    proj_size: must be 0; put a `Linear` behind the layer to make its output smaller.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> layer = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    >>> y, (h, c) = layer(ne.ones((5, 2, 3)), lengths=[5, 2])
    >>> y.shape, h.shape, c.shape
    ((5, 2, 8), (4, 2, 4), (4, 2, 4))
    """

    gates = 4
    states = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: Any = None,
    ) -> None:
        if proj_size:
            raise ArgumentError(
                f"LSTM: proj_size {proj_size} is not supported, it must be 0; "
                f"put nn.Linear({hidden_size}, {proj_size}) behind the layer"
            )
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype,
        )  # fmt: skip

    def recurrence(self) -> Recurrence:
        return LSTM_CELL


class GRU(RNNBase):
    """Gated recurrent units: h' = (1 − u)·n + u·h along a sequence; see `functional.gru_cell`.

    reset_after: whether the reset gate multiplies the product with the state (so in PyTorch) or,
        before it, the state. Other arguments, inputs, results and errors: `RNNBase`.
    weight_ih_l0: (3·hidden_size, input_size), the parts r, u, n; weight_hh_l0: (3·hidden_size,
    hidden_size), bias_ih_l0 and bias_hh_l0: (3·hidden_size,), all drawn from ±1/√hidden_size; then
    those of l0_reverse, l1, …

    >>> import neurona as ne
    >>> from neurona import nn
    >>> y, h = nn.GRU(3, 4, batch_first=True)(ne.ones((2, 5, 3)))
    >>> y.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        reset_after: bool = True,
        dtype: Any = None,
    ) -> None:
        self.reset_after = reset_after
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            dtype=dtype,
        )  # fmt: skip

    def recurrence(self) -> Recurrence:
        return GRU_CELL if self.reset_after else GRU_RESET_FIRST
