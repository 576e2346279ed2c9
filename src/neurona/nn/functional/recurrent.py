"""Recurrent cells: one step, and what of all steps is computed before the loop over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.activation import relu, sigmoid, tanh
from neurona.nn.functional.checks import choice, float_input, same_dtype
from neurona.nn.functional.linear import linear
from neurona.nn.running import who
from neurona.ops.broadcast import reshape, sum
from neurona.ops.create import zeros, zeros_like
from neurona.ops.join import concat, split
from neurona.ops.operand import operand
from neurona.ops.shape import expand_dims

State = tuple[Tensor, ...]
Weights = Mapping[str, Any]
Rest = tuple[Any, ...]

ACTIVATIONS: dict[str, Callable[[Any], Tensor]] = {
    "tanh": tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "identity": operand,
}


@dataclass(frozen=True)
class Recurrence:
    """A cell, taken apart into what can be done for all steps at once, and the step.

    before: from inputs (…, batch, input_size) and weights to z (…, batch, ·), what a step takes of
        its input, and the weights that it takes besides.
    step: from a row of z, the state and those weights to the next state, whose first part is y.
    """

    before: Callable[[Tensor, Weights], tuple[Tensor, Rest]]
    step: Callable[[Tensor, State, Rest], State]


def _parts(x: Any, sections: int | list[int], axis: int = -1) -> tuple[Tensor, ...]:
    return split(x, sections, axis=axis)


# --- Elman ---


def _all_folded(x: Tensor, w: Weights) -> tuple[Tensor, Rest]:
    """x W_ihᵀ; and W_hh and b_ih + b_hh, which a step adds in passing."""
    bias = None if w["bias_ih"] is None else operand(w["bias_ih"]) + w["bias_hh"]
    return linear(x, w["weight_ih"]), (w["weight_hh"], bias)


def elman(nonlinearity: str) -> Recurrence:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu."""
    choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
    function = ACTIVATIONS[nonlinearity]
    return Recurrence(_all_folded, lambda z, state, rest: (function(z + linear(state[0], *rest)),))


# --- LSTM ---


def _lstm_step(z: Tensor, state: State, rest: Rest) -> State:
    h, c = state
    i, f, g, o = _parts(z + linear(h, *rest), 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


LSTM = Recurrence(_all_folded, _lstm_step)

# --- GRU ---


def _gru_before(x: Tensor, w: Weights) -> tuple[Tensor, Rest]:
    """b_hn stays in the loop, where the reset gate multiplies it."""
    if w["bias_ih"] is None:
        return linear(x, w["weight_ih"]), (w["weight_hh"], None)
    r, u, n = _parts(operand(w["bias_hh"]), 3)
    bias = w["bias_ih"] + concat([r, u, zeros_like(n)])
    return linear(x, w["weight_ih"], bias), (w["weight_hh"], n)


def _gru_step(z: Tensor, state: State, rest: Rest) -> State:
    (h,), (weight, bias) = state, rest
    xr, xu, xn = _parts(z, 3)
    hr, hu, hn = _parts(linear(h, weight), 3)
    r, u = sigmoid(xr + hr), sigmoid(xu + hu)
    n = tanh(xn + r * (hn if bias is None else hn + bias))
    return (n + u * (h - n),)


def _reset_first_before(x: Tensor, w: Weights) -> tuple[Tensor, Rest]:
    z, (weight, bias) = _all_folded(x, w)
    hidden = weight.shape[1]
    parts = _parts(operand(weight), [2 * hidden, hidden], axis=0)
    return z, (*parts, *((None, None) if bias is None else _parts(bias, [2 * hidden, hidden])))


def _reset_first_step(z: Tensor, state: State, rest: Rest) -> State:
    (h,), (gates, candidate, *biases) = state, rest
    hidden = h.shape[-1]
    x, xn = _parts(z, [2 * hidden, hidden])
    r, u = _parts(sigmoid(x + linear(h, gates, biases[0])), 2)
    n = tanh(xn + linear(r * h, candidate, biases[1]))
    return (n + u * (h - n),)


GRU = Recurrence(_gru_before, _gru_step)
GRU_RESET_FIRST = Recurrence(_reset_first_before, _reset_first_step)

# --- Jordan, second order ---


def jordan(nonlinearity: str, output_nonlinearity: str) -> Recurrence:
    """y' = g(W_ho f(W_ih x + b_ih + W_hh y + b_hh) + b_ho)."""
    choice("JordanRNN", "nonlinearity", nonlinearity, tuple(ACTIVATIONS))
    choice("JordanRNN", "output_nonlinearity", output_nonlinearity, tuple(ACTIVATIONS))
    inner, outer = ACTIVATIONS[nonlinearity], ACTIVATIONS[output_nonlinearity]

    def before(x: Tensor, w: Weights) -> tuple[Tensor, Rest]:
        z, folded = _all_folded(x, w)
        return z, (*folded, w["weight_ho"], w["bias_ho"])

    def step(z: Tensor, state: State, rest: Rest) -> State:
        weight, bias, *output = rest
        return (outer(linear(inner(z + linear(state[0], weight, bias)), *output)),)

    return Recurrence(before, step)


def second_order(nonlinearity: str) -> Recurrence:
    """h'ⱼ = f(Σᵢₖ Wⱼᵢₖ hᵢ xₖ + bⱼ): the inputs make the matrix that multiplies the state."""
    choice("SecondOrderRNN", "nonlinearity", nonlinearity, tuple(ACTIVATIONS))
    function = ACTIVATIONS[nonlinearity]

    def before(x: Tensor, w: Weights) -> tuple[Tensor, Rest]:
        hidden, _, inputs = w["weight_hh"].shape
        matrices = linear(x, reshape(operand(w["weight_hh"]), (hidden * hidden, inputs)))
        return matrices, (w["bias_hh"],)

    def step(z: Tensor, state: State, rest: Rest) -> State:
        (h,), (bias,) = state, rest
        hidden = h.shape[-1]
        matrices = reshape(z, (*z.shape[:-1], hidden, hidden))
        y = sum(matrices * expand_dims(h, axis=-2), axis=-1)
        return (function(y if bias is None else y + bias),)

    return Recurrence(before, step)


# --- one step ---


def rnn_cell(
    x: Any,
    hx: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    *,
    nonlinearity: str = "tanh",
) -> Tensor:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu: Elman's cell.

    Elman, "Finding structure in time" (1990).
    x: (batch, input_size). hx: (batch, hidden_size), or None for zeros.
    weight_ih: (hidden_size, input_size). weight_hh: (hidden_size, hidden_size). Both biases:
    (hidden_size,), or None. Result: (batch, hidden_size).

    >>> from neurona.nn import functional as F
    >>> F.rnn_cell([[1.0]], [[0.0]], [[2.0]], [[1.0]], nonlinearity="relu")
    Tensor([[2.]], dtype=float32)
    """
    weights = _weights("rnn_cell", weight_ih, weight_hh, bias_ih, bias_hh)
    return one_step("rnn_cell", elman(nonlinearity), x, _one(hx), weights)[0]


def lstm_cell(
    x: Any,
    hx: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
) -> tuple[Tensor, Tensor]:
    """c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c'): a step of long short-term memory.

    i, f, g, o are the four parts of W_ih x + b_ih + W_hh h + b_hh.
    Hochreiter and Schmidhuber, "Long short-term memory" (1997); the forget gate is that of Gers,
    Schmidhuber and Cummins, "Learning to forget" (2000).
    x: (batch, input_size). hx: the pair h, c, both (batch, hidden_size), or None for zeros.
    weight_ih: (4·hidden_size, input_size). weight_hh: (4·hidden_size, hidden_size). Both biases:
    (4·hidden_size,), or None. Result: the pair h', c'.

    >>> from neurona.nn import functional as F
    >>> h, c = F.lstm_cell([[1.0]], None, [[9.0]] * 4, [[0.0]] * 4)
    >>> round(c.item(), 3), round(h.item(), 3)
    (1.0, 0.761)
    """
    weights = _weights("lstm_cell", weight_ih, weight_hh, bias_ih, bias_hh, 4)
    h, c = one_step("lstm_cell", LSTM, x, hx, weights, ("h", "c"))
    return h, c


def gru_cell(
    x: Any,
    hx: Any,
    weight_ih: Any,
    weight_hh: Any,
    bias_ih: Any = None,
    bias_hh: Any = None,
    *,
    reset_after: bool = True,
) -> Tensor:
    """h' = (1 − u)·n + u·h, with r, u = σ(W_ih x + b_ih + W_hh h + b_hh) of the first two parts.

    n = tanh(W_in x + b_in + r·(W_hn h + b_hn)): the reset gate r multiplies the product, as in
    Cho and others, "Learning phrase representations using RNN encoder–decoder" (2014), version 1.
    reset_after: if false, it multiplies the state: n = tanh(W_in x + b_in + W_hn (r·h) + b_hn).
    x: (batch, input_size). hx: (batch, hidden_size), or None for zeros.
    weight_ih: (3·hidden_size, input_size). weight_hh: (3·hidden_size, hidden_size). Both biases:
    (3·hidden_size,), or None. Result: (batch, hidden_size).

    >>> from neurona.nn import functional as F
    >>> F.gru_cell([[0.0]], [[1.0]], [[1.0]] * 3, [[0.0]] * 3)
    Tensor([[0.5]], dtype=float32)
    """
    weights = _weights("gru_cell", weight_ih, weight_hh, bias_ih, bias_hh, 3)
    recurrence = GRU if reset_after else GRU_RESET_FIRST
    return one_step("gru_cell", recurrence, x, _one(hx), weights)[0]


def _weights(
    function: str, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any, gates: int = 1
) -> Weights:
    if (bias_ih is None) != (bias_hh is None):
        raise ArgumentError(f"{who(function)}: give both biases or neither")
    inputs, hidden = operand(weight_ih), operand(weight_hh)
    rows = gates * (hidden.shape[-1] if hidden.ndim else 0)
    found = {"weight_ih": inputs, "weight_hh": hidden}
    shapes: list[Shape] = [(rows, *inputs.shape[-1:]), (rows, *hidden.shape[-1:]), (rows,), (rows,)]
    if bias_ih is not None:
        found |= {"bias_ih": operand(bias_ih), "bias_hh": operand(bias_hh)}
    for (name, x), shape in zip(found.items(), shapes, strict=False):
        if x.shape != shape:
            raise ShapeError(f"{who(function)}: {name} {x.shape} must be {shape}")
    return dict.fromkeys(("weight_ih", "weight_hh", "bias_ih", "bias_hh")) | found


def _one(hx: Any) -> Any:
    return None if hx is None else (hx,)


def one_step(
    function: str,
    recurrence: Recurrence,
    x: Any,
    hx: Any,
    weights: Weights,
    names: tuple[str, ...] = ("h",),
) -> State:
    """The next state of a cell. hx: the tensors `names`, or None for zeros."""
    z = float_input(function, x)
    first = next(iter(weights.values()))
    same_dtype(function, z, first)
    size = first.shape[-1]
    if z.ndim not in (1, 2) or z.shape[-1] != size:
        raise ShapeError(
            f"{who(function)}: x {z.shape} must be (batch, input_size) or (input_size,), with "
            f"input_size {size}"
        )
    shape = (*z.shape[:-1], weights["weight_hh"].shape[1])
    state = states_of(function, hx, [shape] * len(names), z, names)
    rows, rest = recurrence.before(z, weights)
    return recurrence.step(rows, state, rest)


def states_of(
    function: str, hx: Any, shapes: list[Shape], x: Tensor, names: tuple[str, ...]
) -> State:
    """The parts of a state, zeros if None is given. Raises `ShapeError`, `DTypeError`."""
    if hx is None:
        return tuple([zeros(shape, dtype=x.dtype) for shape in shapes])
    if not isinstance(hx, (tuple, list)) or len(hx) != len(names):
        raise ShapeError(
            f"{who(function)}: the state hx is the {len(names)} tensors ({', '.join(names)})"
        )
    state = tuple([operand(part) for part in hx])
    for name, part, shape in zip(names, state, shapes, strict=True):
        if part.shape != shape:
            raise ShapeError(
                f"{who(function)}: the state {name} has shape {part.shape}; for x {x.shape} it "
                f"must be {shape}"
            )
        if part.dtype != x.dtype:
            raise DTypeError(
                f"{who(function)}: the state {name} is {part.dtype}, x {x.dtype}; cast one with "
                "ne.astype"
            )
    return state
