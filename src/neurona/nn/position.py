"""Positions of the steps of a sequence: sinusoidal, learnt, rotary."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.arguments import is_real
from neurona.core.check import require
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.nn import init
from neurona.nn.functional.checks import float_input, same_dtype
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module
from neurona.nn.running import title_of
from neurona.ops.broadcast import reshape
from neurona.ops.gather import take
from neurona.ops.join import concat, stack
from neurona.ops.operand import operand


class _Table(Module):
    """Rows for the positions 0…context−1."""

    def __init__(self, context: int, features: int) -> None:
        self.context = extent(type(self).__name__, "context", context)
        self.features = extent(type(self).__name__, "features", features)

    def _rows(self, table: Tensor, x: Tensor, positions: Any) -> Tensor:
        """The rows of x's steps: (time, …), or (batch, time, …) for given positions."""
        title = title_of(self)
        if x.ndim < 2 or x.shape[-1] != self.features:
            raise ShapeError(f"{title}: x {x.shape} must be (…, time, {self.features})")
        same_dtype(title, x, table, "the table")
        time = x.shape[-2]
        if positions is None:
            if time > self.context:
                raise ShapeError(
                    f"{title}: {time} steps (of {x.shape}) are more than the table of positions "
                    f"holds, context {self.context}; cut the sequence or make the table longer"
                )
            return table[:time]
        places = operand(positions)
        if not dtypes.is_integer(places.dtype):
            raise DTypeError(f"{title}: positions are integers, not {places.dtype}")
        if not places.ndim or places.shape[-1] != time:
            raise ShapeError(
                f"{title}: positions {places.shape} must be (batch, time) with time {time} as in x "
                f"{x.shape}"
            )
        right = (places >= 0) & (places < self.context)
        require(right, places, f"{title}: positions", "the positions are", self.context)
        return take(table, places, axis=0)

    def extra_repr(self) -> str:
        return f"{self.context}, {self.features}"


class SinusoidalPosition(_Table):
    """x + PE: sines and cosines of the position, of wavelengths from 2π to 20,000π.

    PE(p, 2i) = sin(p/10000^(2i/features)), PE(p, 2i + 1) = cos of the same. Vaswani et al.,
    "Attention is all you need" (2017), section 3.5. Nothing is learnt or saved.

    x: (…, time, features). positions: integers (batch, time); 0…time−1 by default.
    context: the longest sequence.
    Raises `ShapeError` for a longer one, `IndexOutOfRangeError` for positions beyond.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.SinusoidalPosition(10, 4)(ne.zeros((2, 4)))
    Tensor([[0.        , 1.        , 0.        , 1.        ],
            [0.84147096, 0.5403023 , 0.00999983, 0.99995   ]], dtype=float32)
    """

    table: Variable

    def __init__(self, context: int, features: int, *, dtype: Any = None) -> None:
        super().__init__(context, features)
        angles = _angles(context, features, 10000.0)
        waves = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(context, -1)
        kind = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
        self.register_buffer("table", waves[:, :features].astype(kind), persistent=False)

    def forward(self, x: Any, positions: Any = None) -> Tensor:
        z = float_input("SinusoidalPosition", x)
        return z + self._rows(self.table, z, positions)


class LearnedPosition(_Table):
    """x + a learnt vector for each position.

    Gehring, Auli, Grangier, Yarats and Dauphin, "Convolutional sequence to sequence learning"
    (2017), section 3.1.
    weight: (context, features), drawn from N(0, 0.02²). x, positions and errors as those of
    `SinusoidalPosition`.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.LearnedPosition(10, 4)(ne.zeros((3, 11, 4)))
    Traceback (most recent call last):
        ...
    neurona.core.errors.ShapeError: LearnedPosition: 11 steps (of (3, 11, 4)) are more than the \
table of positions holds, context 10; cut the sequence or make the table longer
    """

    def __init__(self, context: int, features: int, *, dtype: Any = None) -> None:
        super().__init__(context, features)
        self.weight = empty((context, features), dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        init.normal(self.weight, std=0.02)

    def forward(self, x: Any, positions: Any = None) -> Tensor:
        z = float_input("LearnedPosition", x)
        return z + self._rows(self.weight, z, positions)


class RotaryPosition(_Table):
    """Pairs of features turned by an angle in proportion to the position.

    The pair (a, b) number i at position p becomes (a cos φ − b sin φ, a sin φ + b cos φ), with
    φ = p/base^(2i/features): the product of a query and a key then depends on their distance.
    Su, Lu, Pan, Murtadha, Wen and Liu, "RoFormer" (2021), equation 34.

    x: (…, time, features), as queries and keys (batch, heads, time, features); features even.
    positions: integers (batch, time), the same for all axes between; 0…time−1 by default.
    interleaved: which features are a pair: 2i and 2i + 1 (the paper, GPT-J), or, if False, i and
        i + features/2 (GPT-NeoX, Llama as Hugging Face stores it).
    context: the longest sequence. Raises as `SinusoidalPosition` does.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> turned = nn.RotaryPosition(10, 2)(ne.asarray([[1.0, 0.0], [1.0, 0.0]]))
    >>> turned
    Tensor([[1.        , 0.        ],
            [0.5403023 , 0.84147096]], dtype=float32)
    """

    cosines: Variable
    sines: Variable

    def __init__(
        self,
        context: int,
        features: int,
        *,
        base: float = 10000.0,
        interleaved: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__(context, features)
        if features % 2:
            raise ArgumentError(f"RotaryPosition: features must be even, not {features}")
        if not is_real(base) or base <= 0:
            raise ArgumentError(f"RotaryPosition: base must be a positive number, not {base!r}")
        self.base = base
        self.interleaved = interleaved
        angles = _angles(context, features, base)
        kind = dtypes.DEFAULT_FLOAT if dtype is None else dtypes.as_dtype(dtype)
        self.register_buffer("cosines", np.cos(angles).astype(kind), persistent=False)
        self.register_buffer("sines", np.sin(angles).astype(kind), persistent=False)

    def forward(self, x: Any, positions: Any = None) -> Tensor:
        z = float_input("RotaryPosition", x)
        cosine = self._turn(self._rows(self.cosines, z, positions), z)
        sine = self._turn(self._rows(self.sines, z, positions), z)
        if self.interleaved:
            pairs = reshape(z, (*z.shape[:-1], -1, 2))
            a, b = pairs[..., 0], pairs[..., 1]
        else:
            half = self.features // 2
            a, b = z[..., :half], z[..., half:]
        turned = [a * cosine - b * sine, a * sine + b * cosine]
        if self.interleaved:
            return reshape(stack(turned, axis=-1), z.shape)
        return concat(turned, axis=-1)

    def _turn(self, rows: Tensor, x: Tensor) -> Tensor:
        """Rows (batch, time, …) for x (batch, …, time, features)."""
        if rows.ndim < 3 or x.ndim <= rows.ndim:
            return rows
        between = [1] * (x.ndim - rows.ndim)
        return reshape(rows, (rows.shape[0], *between, *rows.shape[1:]))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, base={self.base}, interleaved={self.interleaved}"


def _angles(context: int, features: int, base: float) -> Array:
    """p/base^(2i/features), (context, ⌈features/2⌉), in float64."""
    rates = base ** (-2 * np.arange((features + 1) // 2) / features)
    angles: Array = np.arange(context)[:, None] * rates
    return angles
