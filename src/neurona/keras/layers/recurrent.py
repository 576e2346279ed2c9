"""Recurrent layers with Keras's arguments, gates and layouts of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona import train
from neurona.autodiff import scan
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE
from neurona.core.variable import Variable
from neurona.keras import activations, initializers, regularizers
from neurona.keras.layer import Layer, Weight, filled
from neurona.keras.symbolic import KerasTensor
from neurona.nn import functional
from neurona.nn.functional.dropout import check_probability
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.ops.create import ones, zeros
from neurona.ops.generator import Generator
from neurona.ops.join import concat, split
from neurona.ops.matmul import matmul
from neurona.ops.operand import operand
from neurona.ops.shape import expand_dims, flip, permute_dims

State = tuple[Tensor, ...]


class Recurrent(Layer):
    """The base of the recurrent layers: a state carried along the time.

    x: (batch, time, inputs). Result: the last h, (batch, units), or every step's with
    `return_sequences`, (batch, time, units). With `return_state` a list: this and the parts of the
    last state, (batch, units) each; in a wired model they come out of one tensor by layers `Steps`.
    initial_state: of a call, the parts of the state to begin with, a list; zeros if None.
    kernel: (inputs, gates·units), recurrent_kernel: (units, gates·units), bias.
    dropout, recurrent_dropout: in training, of the inputs and of the state in its products, with
    one mask for all steps.
    go_backwards: from the end to the start; the steps' h are in the order of the steps then.
    stateful: each sequence of a batch goes on from the state in which that of the same place in the
    batch before ended, in training, in evaluation and in calls with arrays, until `reset_states()`.
    All batches then have one size, and `fit` is told `shuffle=False`. No gradient flows from batch
    to batch.
    unroll: taken and left alone; the compiled loop needs none.
    """

    SEVERAL = True
    GATES = 1
    STATES = 1
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    recurrent_regularizer: Any
    bias_regularizer: Any
    dropout: float
    recurrent_dropout: float
    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool

    def __init__(self, **common: Any) -> None:
        # Keras's names of what is the same for all of them.
        options = {name: common.pop(name) for name in list(common) if name in _SHARED}
        super().__init__(**common)
        self.units = extent(self.title, "units", options["units"])
        self.activation = activations.name_of(options["activation"])
        self._activate = activations.get(options["activation"])
        self.use_bias = bool(options["use_bias"])
        for name in ("kernel", "recurrent", "bias"):
            given = options[f"{name}_initializer"]
            setattr(self, f"{name}_initializer", initializers.get(given))
            setattr(self, f"{name}_regularizer", regularizers.get(options[f"{name}_regularizer"]))
        for name in ("dropout", "recurrent_dropout"):
            check_probability(self.title, options[name])
            setattr(self, name, options[name])
        for name in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll"):
            setattr(self, name, bool(options[name]))
        self.seed = options["seed"]
        self._generator = None if self.seed is None else Generator(self.seed)
        self._states: list[Variable] = []

    def build(self, shape: Any) -> None:
        shape = shape[0] if isinstance(shape, list) else shape
        inputs = shape[-1]
        if len(shape) != 3 or inputs is None:
            raise ShapeError(f"{self.title}: the input must be (batch, time, inputs), not {shape}")
        columns = self.GATES * self.units
        self.kernel = Variable(filled(self.kernel_initializer, (inputs, columns)))
        self.recurrent_kernel = Variable(filled(self.recurrent_initializer, (self.units, columns)))
        self.bias = Variable(self.first_bias()) if self.use_bias else None

    def first_bias(self) -> Array:
        """The bias before training."""
        return filled(self.bias_initializer, (self.GATES * self.units,))

    def __call__(
        self,
        inputs: Any,
        training: bool | None = None,
        *,
        initial_state: Any = None,
        **options: Any,
    ) -> Any:
        """The output for KerasTensors or arrays; see the class."""
        if initial_state is not None:
            given = initial_state if isinstance(initial_state, (list, tuple)) else [initial_state]
            inputs = [inputs, *given]
        whole = super().__call__(inputs, training, **options)
        if not self.return_state:
            return whole
        first = whole.shape[1] - self.STATES
        places = [(0, first if self.return_sequences else None)]
        places += [(first + i, None) for i in range(self.STATES)]
        if isinstance(whole, KerasTensor):
            return [Steps(*place)(whole) for place in places]
        return [_steps(whole, *place) for place in places]

    def wired(self, inputs: Any, **options: Any) -> Tensor:
        whole: Tensor = super().__call__(inputs, **options)
        return whole

    def forward(self, inputs: Any) -> Tensor:
        x, *state = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        every, last = self.run(x, state)
        if self.return_sequences:
            result = flip(every, axis=1) if self.go_backwards else every
        elif not self.return_state:
            return last[0]
        else:
            result = expand_dims(last[0], axis=1)
        if not self.return_state:
            return result
        return concat([result, *[expand_dims(part, axis=1) for part in last]], axis=1)

    def run(self, x: Any, state: Sequence[Any] = ()) -> tuple[Tensor, State]:
        """The h of every step, (batch, time, units), where its x is; the last state."""
        rows = permute_dims(operand(x), (1, 0, 2))
        _, batch, inputs = rows.shape
        if rows.shape[0] == 0:
            raise ShapeError(f"{self.title}: x {operand(x).shape} is an empty sequence")
        mask = self._mask(self.dropout, (batch, inputs))
        z = self.before(rows if mask is None else rows * mask)
        mask = self._mask(self.recurrent_dropout, (batch, self.units))

        def step(state: State, row: Tensor) -> tuple[State, Tensor]:
            state = self.step(row, state, state[0] if mask is None else state[0] * mask)
            return state, state[0]

        if self.stateful and STATE.trace is None:
            self.hold(batch)
        last, every = scan(step, self._start(state, rows), z, reverse=self.go_backwards)
        for kept, part in zip(self._kept(batch), last, strict=False):
            kept.assign(part.detach())
        return permute_dims(every, (1, 0, 2)), last

    def hold(self, batch: int) -> None:
        """Make room for the states of so many sequences; nothing if there is.

        Raises `ShapeError` if the states are those of another number.
        """
        held = [kept.shape[0] for kept in self._states]
        if not held:
            self._states = [
                Variable(np.zeros((batch, self.units), np.float32), requires_grad=False)
                for _ in range(self.STATES)
            ]
        elif held[0] != batch:
            raise ShapeError(
                f"{self.title}: it keeps the states of {held[0]} sequences, the batch has {batch}; "
                "a stateful layer takes batches of one size"
            )

    def reset_states(self, states: Sequence[Any] | None = None) -> None:
        """Begin anew: with zeros, or with these parts of a state, arrays (batch, units).

        Raises `ArgumentError` for a layer that is not stateful, `ShapeError` for other shapes.
        """
        if not self.stateful:
            raise ArgumentError(f"{self.title}: it keeps no states; make it with stateful=True")
        if states is None:
            for kept in self._states:
                kept.assign(np.zeros(kept.shape, np.float32))
            return
        if not isinstance(states, (list, tuple)):
            raise ArgumentError(f"{self.title}: states are a list of arrays, not {states!r}")
        parts = [np.asarray(part, np.float32) for part in states]
        batch = len(parts[0]) if parts and parts[0].ndim else 0
        if [part.shape for part in parts] != [(batch, self.units)] * self.STATES:
            raise ShapeError(
                f"{self.title}: states of shapes {[part.shape for part in parts]} must be "
                f"{self.STATES} of (batch, units) {(batch, self.units)}"
            )
        self.hold(batch)
        for kept, part in zip(self._states, parts, strict=True):
            kept.assign(part)

    def _kept(self, batch: int) -> list[Variable]:
        """The states of so many sequences; none where only shapes are worked out."""
        return [kept for kept in self._states if kept.shape[0] == batch]

    def _start(self, given: Sequence[Any], rows: Tensor) -> State:
        shape = (rows.shape[1], self.units)
        if not given:
            # Copies, since what is kept is overwritten before the gradient asks for it.
            kept = tuple([part * 1 for part in self._kept(shape[0])])
            return kept or (zeros(shape, dtype=rows.dtype),) * self.STATES
        state = tuple([operand(part) for part in given])
        if [part.shape for part in state] != [shape] * self.STATES:
            raise ShapeError(
                f"{self.title}: initial_state of shapes {[part.shape for part in state]} must be "
                f"{self.STATES} of (batch, units) {shape}"
            )
        return state

    def _mask(self, p: float, shape: tuple[int, ...]) -> Tensor | None:
        if not (self.training and p):
            return None
        return functional.dropout(ones(shape), p, generator=self._generator)

    def before(self, rows: Tensor) -> Tensor:
        """What a step takes of its input: the products of all, with the bias."""
        z = matmul(rows, self.kernel)
        return z if self.bias is None else z + self.bias

    def step(self, row: Tensor, state: State, h: Tensor) -> State:
        """The next state. h: that of the state, perhaps with dropout, for the products."""
        raise NotImplementedError(f"{type(self).__name__} must define step(self, row, state, h)")

    def own_weights(self) -> Sequence[Weight]:
        if not self.built:
            return ()
        names = ("kernel", "recurrent_kernel", "bias")
        pairs = [(name, getattr(self, name)) for name in names]
        return [Weight(name, variable) for name, variable in pairs if variable is not None]

    def penalties(self) -> Sequence[Tensor]:
        terms = [
            (self.kernel_regularizer, self.kernel),
            (self.recurrent_regularizer, self.recurrent_kernel),
            (self.bias_regularizer, self.bias),
        ]
        return [term(weight) for term, weight in terms if term is not None and weight is not None]


_SHARED = (
    "units", "activation", "use_bias",
    "kernel_initializer", "recurrent_initializer", "bias_initializer",
    "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
    "dropout", "recurrent_dropout", "seed",
    "return_sequences", "return_state", "go_backwards", "stateful", "unroll",
)  # fmt: skip


def hold_states(network: Module, verb: str, samples: int, batch: int) -> None:
    """Make room for the states of a network's stateful layers.

    Raises `ShapeError` unless the samples are whole batches.
    """
    layers = [one for one in network.modules() if isinstance(one, Recurrent) and one.stateful]
    if layers and samples % batch:
        raise ShapeError(
            f"{verb}: {layers[0].title} is stateful and takes batches of one size; {samples} "
            f"samples are no multiple of batch_size={batch}"
        )
    for layer in layers:
        layer.hold(batch)


@train.register
class Steps(Layer):
    """Steps of a sequence: start … stop−1, or start alone, without the axis of the time.

    x: (batch, time, …).
    """

    def __init__(self, start: int, stop: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.start = start
        self.stop = stop

    def forward(self, x: Any) -> Tensor:
        return _steps(operand(x), self.start, self.stop)


def _steps(x: Tensor, start: int, stop: int | None) -> Tensor:
    return x[:, start] if stop is None else x[:, start:stop]


class SimpleRNN(Recurrent):
    """h' = activation(x·kernel + h·recurrent_kernel + bias): Elman's network.

    Arguments, shapes and options: `Recurrent`. Source: Keras's `SimpleRNN`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layer = layers.SimpleRNN(4, return_sequences=True)
    >>> layer(np.ones((2, 5, 3), np.float32)).shape
    (2, 5, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **common: Any,
    ) -> None:
        given = locals()
        super().__init__(**{name: given[name] for name in _SHARED}, **common)

    def step(self, row: Tensor, state: State, h: Tensor) -> State:
        return (self._activate(row + matmul(h, self.recurrent_kernel)),)


class LSTM(Recurrent):
    """c' = σ(f)·c + σ(i)·tanh(g), h' = σ(o)·tanh(c'): long short-term memory.

    i, f, g, o are the four parts of x·kernel + h·recurrent_kernel + bias; `recurrent_activation`
    stands for σ and `activation` for tanh. unit_forget_bias: the forget gate's bias begins as 1.
    Other arguments, shapes and options: `Recurrent`. Source: Keras's `LSTM`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layer = layers.LSTM(4)
    >>> layer(np.ones((2, 5, 3), np.float32)).shape, [w.shape for w in layer.get_weights()]
    ((2, 4), [(3, 16), (4, 16), (16,)])
    """

    GATES = 4
    STATES = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **common: Any,
    ) -> None:
        given = locals()
        super().__init__(**{name: given[name] for name in _SHARED}, **common)
        self.recurrent_activation = activations.name_of(recurrent_activation)
        self._gate = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def first_bias(self) -> Array:
        bias = super().first_bias()
        if self.unit_forget_bias:
            bias = np.array(bias)
            bias[self.units : 2 * self.units] = 1
        return bias

    def step(self, row: Tensor, state: State, h: Tensor) -> State:
        i, f, g, o = split(row + matmul(h, self.recurrent_kernel), 4, axis=-1)
        c = self._gate(f) * state[1] + self._gate(i) * self._activate(g)
        return self._gate(o) * self._activate(c), c


class GRU(Recurrent):
    """h' = z·h + (1 − z)·n: gated recurrent units; the kernels hold z, r and n, in this order.

    n = tanh(x_n + r·(h·U_n + b_n)) with `reset_after`, whose bias is (2, 3·units), that of the
    inputs and that of the state; else n = tanh(x_n + (r·h)·U_n). `recurrent_activation` is that of
    z and r, `activation` stands for tanh.
    Other arguments, shapes and options: `Recurrent`. Source: Keras's `GRU`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layer = layers.GRU(4)
    >>> layer(np.ones((2, 5, 3), np.float32)).shape, [w.shape for w in layer.get_weights()]
    ((2, 4), [(3, 12), (4, 12), (2, 12)])
    """

    GATES = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        **common: Any,
    ) -> None:
        given = locals()
        super().__init__(**{name: given[name] for name in _SHARED}, **common)
        self.recurrent_activation = activations.name_of(recurrent_activation)
        self._gate = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def first_bias(self) -> Array:
        columns = 3 * self.units
        return filled(self.bias_initializer, (2, columns) if self.reset_after else (columns,))

    def before(self, rows: Tensor) -> Tensor:
        z = matmul(rows, self.kernel)
        if self.bias is None:
            return z
        if not self.reset_after:
            return z + self.bias
        gates = concat([self.bias[1, : 2 * self.units], zeros((self.units,), dtype=z.dtype)])
        return z + (self.bias[0] + gates)

    def step(self, row: Tensor, state: State, h: Tensor) -> State:
        units = self.units
        if self.reset_after:
            hz, hr, hn = split(matmul(h, self.recurrent_kernel), 3, axis=-1)
        else:
            hz, hr = split(matmul(h, self.recurrent_kernel[:, : 2 * units]), 2, axis=-1)
        xz, xr, xn = split(row, 3, axis=-1)
        z, r = self._gate(xz + hz), self._gate(xr + hr)
        if not self.reset_after:
            more = matmul(r * h, self.recurrent_kernel[:, 2 * units :])
        elif self.bias is None:
            more = r * hn
        else:
            more = r * (hn + self.bias[1, 2 * units :])
        return (z * state[0] + (1 - z) * self._activate(xn + more),)
