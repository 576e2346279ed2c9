"""Recurrent cells: one step of a recurrent layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.functional.checks import choice
from neurona.nn.functional.recurrent import Weights
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module


class Cell(Module):
    """A cell's parameters, of shapes by name, drawn from ±1/√hidden_size."""

    hidden_size: int

    def fill(self, shapes: Mapping[str, Shape], bias: bool, dtype: Any) -> None:
        """Make the parameters; without `bias` those named so are None."""
        self.bias = bias
        for name, shape in shapes.items():
            given = bias or not name.startswith("bias")
            setattr(self, name, empty(shape, dtype) if given else None)
        self._parts = tuple(shapes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform(parameter, -bound, bound)

    def weights(self) -> Weights:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._parts}


class _Cell(Cell):
    """Weights of `gates` parts."""

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        name = type(self).__name__
        self.input_size = extent(name, "input_size", input_size)
        self.hidden_size = extent(name, "hidden_size", hidden_size)
        rows = self.gates * hidden_size
        self.fill(
            {
                "weight_ih": (rows, input_size),
                "weight_hh": (rows, hidden_size),
                "bias_ih": (rows,),
                "bias_hh": (rows,),
            },
            bias,
            dtype,
        )

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh): one step of `RNN`.

    x: (batch, input_size) or (input_size,). hx: (batch, hidden_size) or (hidden_size,), zeros if
    None. Result: h', as hx. nonlinearity: "tanh" or "relu".
    weight_ih: (hidden_size, input_size), weight_hh: (hidden_size, hidden_size), bias_ih and
    bias_hh: (hidden_size,), all drawn from ±1/√hidden_size.
    Raises `ShapeError` and `DTypeError` when x or hx does not fit.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.RNNCell(3, 4)(ne.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
    ) -> None:
        choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu"))
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, bias, dtype=dtype)

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        return functional.rnn_cell(x, hx, **self.weights(), nonlinearity=self.nonlinearity)

    def extra_repr(self) -> str:
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity!r}"
        return super().extra_repr() + other


class LSTMCell(_Cell):
    """c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c'): one step of `LSTM`.

    x: (batch, input_size) or (input_size,). hx: the pair h, c, each (batch, hidden_size) or
    (hidden_size,), zeros if None. Result: the pair h', c'.
    weight_ih: (4·hidden_size, input_size), the parts i, f, g, o; weight_hh: (4·hidden_size,
    hidden_size), bias_ih and bias_hh: (4·hidden_size,), all drawn from ±1/√hidden_size.
    Raises `ShapeError` and `DTypeError` when x or hx does not fit.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> h, c = nn.LSTMCell(3, 4)(ne.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    gates = 4

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        return functional.lstm_cell(x, hx, **self.weights())


class GRUCell(_Cell):
    """h' = (1 − u)·n + u·h: one step of `GRU`; see `functional.gru_cell`.

    x: (batch, input_size) or (input_size,). hx: (batch, hidden_size) or (hidden_size,), zeros if
    None. Result: h', as hx. reset_after: see `GRU`.
    weight_ih: (3·hidden_size, input_size), the parts r, u, n; weight_hh: (3·hidden_size,
    hidden_size), bias_ih and bias_hh: (3·hidden_size,), all drawn from ±1/√hidden_size.
    Raises `ShapeError` and `DTypeError` when x or hx does not fit.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.GRUCell(3, 4)(ne.ones((2, 3))).shape
    (2, 4)
    """

    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset_after: bool = True,
        dtype: Any = None,
    ) -> None:
        self.reset_after = reset_after
        super().__init__(input_size, hidden_size, bias, dtype=dtype)

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        return functional.gru_cell(x, hx, **self.weights(), reset_after=self.reset_after)

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.reset_after else ", reset_after=False")
