"""Recurrent networks beside the usual ones: Jordan's, whose output feeds back, and second order."""

from __future__ import annotations

from typing import Any

from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.recurrent import Recurrence, jordan, one_step, second_order
from neurona.nn.linear import extent
from neurona.nn.recurrent_base import RNNBase
from neurona.nn.recurrent_cells import Cell


def _jordan_shapes(inputs: int, hidden: int, outputs: int) -> dict[str, Shape]:
    return {
        "weight_ih": (hidden, inputs),
        "weight_hh": (hidden, outputs),
        "bias_ih": (hidden,),
        "bias_hh": (hidden,),
        "weight_ho": (outputs, hidden),
        "bias_ho": (outputs,),
    }


def _second_order_shapes(inputs: int, hidden: int) -> dict[str, Shape]:
    return {"weight_hh": (hidden, hidden, inputs), "bias_hh": (hidden,)}


class JordanRNN(RNNBase):
    """y' = g(W_ho f(W_ih x + b_ih + W_hh y + b_hh) + b_ho): the output feeds back, not the hidden.

    Jordan, "Attractor dynamics and parallelism in a connectionist sequential machine" (1986).
    output_size: the features of y, which is the state. nonlinearity, output_nonlinearity: f and g,
    "tanh", "relu", "sigmoid" or "identity". Other arguments, inputs and errors: `RNNBase`.
    weight_ih_l0: (hidden_size, input_size), weight_hh_l0: (hidden_size, output_size), weight_ho_l0:
    (output_size, hidden_size), and their biases, all drawn from ±1/√hidden_size; then those of
    l0_reverse, l1, …

    >>> import neurona as ne
    >>> from neurona import nn
    >>> y, last = nn.JordanRNN(3, 8, 2)(ne.ones((5, 4, 3)))
    >>> y.shape, last.shape
    ((5, 4, 2), (1, 4, 2))
    """

    states = ("y",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        output_nonlinearity: str = "tanh",
        **options: Any,
    ) -> None:
        self.output_size = extent("JordanRNN", "output_size", output_size)
        self.nonlinearity = nonlinearity
        self.output_nonlinearity = output_nonlinearity
        super().__init__(input_size, hidden_size, num_layers, **options)

    def features(self) -> int:
        return self.output_size

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, output_size={self.output_size}"

    def shapes(self, inputs: int) -> dict[str, Shape]:
        return _jordan_shapes(inputs, self.hidden_size, self.output_size)

    def recurrence(self) -> Recurrence:
        return jordan(self.nonlinearity, self.output_nonlinearity)


class SecondOrderRNN(RNNBase):
    """h'ⱼ = f(Σᵢₖ Wⱼᵢₖ hᵢ xₖ + bⱼ): each input chooses, as it were, the matrix of the transition.

    Giles and others, "Learning and extracting finite state automata with second-order recurrent
    neural networks" (1992).
    nonlinearity: f, "tanh", "relu", "sigmoid" or "identity". Other arguments, inputs, results and
    errors: `RNNBase`. A state of zeros stays at f(b); begin with another, as (1, 0, …).
    weight_hh_l0: (hidden_size, hidden_size, input_size), bias_hh_l0: (hidden_size,), drawn from
    ±1/√hidden_size; then those of l0_reverse, l1, …

    >>> import neurona as ne
    >>> from neurona import nn
    >>> y, h = nn.SecondOrderRNN(3, 4)(ne.ones((5, 2, 3)), ne.ones((1, 2, 4)))
    >>> y.shape, h.shape
    ((5, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        **options: Any,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, **options)

    def shapes(self, inputs: int) -> dict[str, Shape]:
        return _second_order_shapes(inputs, self.hidden_size)

    def recurrence(self) -> Recurrence:
        return second_order(self.nonlinearity)


class JordanRNNCell(Cell):
    """y' = g(W_ho f(W_ih x + b_ih + W_hh y + b_hh) + b_ho): one step of `JordanRNN`.

    x: (batch, input_size) or (input_size,). hx: y, (batch, output_size) or (output_size,), zeros if
    None. Result: y'. Parameters: as in `JordanRNN`, without "_l0".

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.JordanRNNCell(3, 8, 2)(ne.ones((4, 3))).shape
    (4, 2)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        bias: bool = True,
        *,
        nonlinearity: str = "tanh",
        output_nonlinearity: str = "tanh",
        dtype: Any = None,
    ) -> None:
        self.input_size = extent("JordanRNNCell", "input_size", input_size)
        self.hidden_size = extent("JordanRNNCell", "hidden_size", hidden_size)
        self.output_size = extent("JordanRNNCell", "output_size", output_size)
        self.nonlinearity = nonlinearity
        self.output_nonlinearity = output_nonlinearity
        jordan(nonlinearity, output_nonlinearity)
        self.fill(_jordan_shapes(input_size, hidden_size, output_size), bias, dtype)

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        cell = jordan(self.nonlinearity, self.output_nonlinearity)
        state = None if hx is None else (hx,)
        return one_step("jordan_cell", cell, x, state, self.weights(), ("y",))[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, {self.output_size}"


class SecondOrderRNNCell(Cell):
    """h'ⱼ = f(Σᵢₖ Wⱼᵢₖ hᵢ xₖ + bⱼ): one step of `SecondOrderRNN`.

    x: (batch, input_size) or (input_size,). hx: (batch, hidden_size) or (hidden_size,), zeros if
    None. Result: h'. Parameters: as in `SecondOrderRNN`, without "_l0".

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.SecondOrderRNNCell(3, 4)(ne.ones((2, 3)), ne.ones((2, 4))).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        nonlinearity: str = "tanh",
        dtype: Any = None,
    ) -> None:
        self.input_size = extent("SecondOrderRNNCell", "input_size", input_size)
        self.hidden_size = extent("SecondOrderRNNCell", "hidden_size", hidden_size)
        self.nonlinearity = nonlinearity
        second_order(nonlinearity)
        self.fill(_second_order_shapes(input_size, hidden_size), bias, dtype)

    def forward(self, x: Any, hx: Any = None) -> Tensor:
        cell = second_order(self.nonlinearity)
        state = None if hx is None else (hx,)
        return one_step("second_order_cell", cell, x, state, self.weights())[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"
