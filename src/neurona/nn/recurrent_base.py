"""What recurrent layers share: stacks of loops over a sequence, in one or both directions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import neurona.nn.eager_scan  # noqa: F401 (fills a slot: what eager mode runs for a scan)
from neurona.autodiff import scan
from neurona.core import dtypes
from neurona.core.errors import DTypeError, ShapeError
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.nn import functional, init
from neurona.nn.functional.checks import check_that, float_input, same_dtype
from neurona.nn.functional.dropout import check_probability
from neurona.nn.functional.recurrent import Recurrence, State, states_of
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.join import concat, stack
from neurona.ops.operand import cast, operand
from neurona.ops.shape import expand_dims, permute_dims, squeeze


class RNNBase(Module):
    """What the recurrent layers share; the subclasses say which cell.

    A subclass says which cell: `recurrence()`, and `shapes(inputs)` of its parameters.
    y, state = layer(x, hx=None, *, lengths=None)

    x: (time, batch, input_size); (batch, time, input_size) if batch_first; (time, input_size).
    hx: the state to begin with, (num_layers·directions, batch, hidden_size), of zeros if None; an
        LSTM has the pair h, c of them. Without a batch axis in x it has none either.
    lengths: integers (batch,) in 1…time, for sequences that are padded to one time. The rows of y
        past the end of a sequence are 0, its state is that of its own end, and the reverse
        direction begins there.
    y: (time, batch, directions·hidden_size), the last layer's h of every step; batch_first as in x.
    state: the last one, as hx.
    dropout: the probability with which elements between two layers are dropped in training.
    bidirectional: a second loop in each layer that runs from the end to the start.
    Raises `ShapeError` for an empty sequence and what does not fit, `DTypeError`, and
    `ArgumentError` naming a length out of range.
    """

    gates = 1
    states: tuple[str, ...] = ("h",)

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
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        self.input_size = extent(name, "input_size", input_size)
        self.hidden_size = extent(name, "hidden_size", hidden_size)
        self.num_layers = extent(name, "num_layers", num_layers)
        check_probability(name, dropout)
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.recurrence()
        for layer, end in self._loops():
            inputs = input_size if layer == 0 else len(self._ends()) * self.features()
            for part, shape in self.shapes(inputs).items():
                setattr(self, f"{part}_{end}", empty(shape, dtype) if _has(part, bias) else None)
        self.reset_parameters()

    def features(self) -> int:
        """The extent of a state and of y, a direction."""
        return self.hidden_size

    def shapes(self, inputs: int) -> dict[str, Shape]:
        """The parameters of one layer in one direction."""
        rows = self.gates * self.hidden_size
        return {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, self.hidden_size),
            "bias_ih": (rows,),
            "bias_hh": (rows,),
        }

    def recurrence(self) -> Recurrence:
        """The cell. Raises `ArgumentError` for options that it does not know."""
        raise NotImplementedError(f"{type(self).__name__} must define recurrence(self)")

    def reset_parameters(self) -> None:
        """Draw the parameters anew, from ±1/√hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform(parameter, -bound, bound)

    def forward(self, x: Any, hx: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        rows = self._rows(x)
        batched = rows.ndim == 3
        time, batch = rows.shape[0], rows.shape[1:-1]
        places = self.num_layers * len(self._ends())
        if hx is not None and len(self.states) == 1:
            hx = (hx,)
        shapes = [(places, *batch, self.features())] * len(self.states)
        state = states_of(type(self).__name__, hx, shapes, rows, self.states)
        if lengths is not None:
            lengths = self._lengths(lengths, time, batch)
        if not batched:
            rows, state = expand_dims(rows, axis=1), tuple([expand_dims(s, axis=1) for s in state])
        y, last = self._stacked(rows, state, lengths)
        if not batched:
            y, last = squeeze(y, axis=1), tuple([squeeze(s, axis=1) for s in last])
        if batched and self.batch_first:
            y = permute_dims(y, (1, 0, 2))
        return y, last if len(last) > 1 else last[0]

    def _stacked(self, rows: Tensor, state: State, lengths: Any) -> tuple[Tensor, State]:
        """All loops. rows: (time, batch, ·). state: (num_layers·directions, batch, ·)."""
        recurrence = self.recurrence()
        ends: list[State] = []
        found: list[Tensor] = []
        for layer, end in self._loops():
            reverse = end.endswith("_reverse")
            if layer and not reverse and self.dropout:
                rows = functional.dropout(rows, self.dropout, self.training)
            weights = {part: getattr(self, f"{part}_{end}") for part in self.shapes(1)}
            z, rest = recurrence.before(rows, weights)

            def step(state: State, z: Tensor, rest: Any = rest) -> tuple[State, Tensor]:
                state = recurrence.step(z, state, rest)
                return state, state[0]

            start = tuple([part[len(ends)] for part in state])
            if z.shape[0] == 1:
                last, y = step(start, z[0])
                y = expand_dims(y, axis=0)
            else:
                last, y = scan(step, start, z, reverse=reverse, lengths=lengths)
            ends.append(last)
            found.append(y)
            if reverse or not self.bidirectional:
                rows = found[0] if len(found) == 1 else concat(found, axis=-1)
                found = []
        return rows, tuple([stack(parts) for parts in zip(*ends, strict=True)])

    def _ends(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _loops(self) -> Iterator[tuple[int, str]]:
        """The layer of each loop, and how the names of its parameters end."""
        for layer in range(self.num_layers):
            for end in self._ends():
                yield layer, f"l{layer}{end}"

    def _rows(self, x: Any) -> Tensor:
        """The input as (time, [batch,] input_size)."""
        name, size = type(self).__name__, self.input_size
        z = float_input(name, x)
        same_dtype(name, z, next(self.parameters()))
        axes = "(batch, time, input_size)" if self.batch_first else "(time, batch, input_size)"
        if z.ndim not in (2, 3) or z.shape[-1] != size:
            raise ShapeError(
                f"{title_of(self)}: x {z.shape} must be {axes} or (time, input_size), with "
                f"input_size {size}"
            )
        if z.ndim == 3 and self.batch_first:
            z = permute_dims(z, (1, 0, 2))
        if z.shape[0] == 0:
            raise ShapeError(
                f"{title_of(self)}: x {operand(x).shape} is an empty sequence: {axes} with time "
                "0; take at least one step"
            )
        return z

    def _lengths(self, lengths: Any, time: int, batch: Shape) -> Tensor:
        given = operand(lengths)
        if not dtypes.is_integer(given.dtype):
            raise DTypeError(f"{title_of(self)}: lengths are integers, not {given.dtype}")
        if given.shape != batch or not batch:
            raise ShapeError(
                f"{title_of(self)}: lengths have shape {given.shape}; one a sequence is needed, "
                f"{batch}" + ("" if batch else ": x has no batch axis")
            )
        wide = cast(given, dtypes.int64)
        right = (wide >= 1) & (wide <= time)
        check_that(type(self).__name__, right, "lengths", wide, f"they lie in 1…{time}, the time")
        return wide

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + "".join(
            f", {name}={getattr(self, name)}"
            for name, usual in _USUAL.items()
            if getattr(self, name, usual) != usual
        )


_USUAL = {
    "num_layers": 1,
    "nonlinearity": "tanh",
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "reset_after": True,
}


def _has(part: str, bias: bool) -> bool:
    return bias or not part.startswith("bias")
