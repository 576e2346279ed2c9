"""Windows of a text for a model that says what comes next."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.arguments import array_of, whole
from neurona.core.errors import DTypeError, IndexOutOfRangeError, ShapeError
from neurona.data.source import Sample, SampleGenerators, Source

IGNORED = -100
"""The target of a place behind the end of the text; losses of tokens leave it out."""


def checked_ids(who: str, ids: ArrayLike) -> NDArray[np.int64]:
    """A copy of a text's tokens, int64 `(token,)`. Raises `ShapeError`, `DTypeError`.

    >>> checked_ids("windows", [3, 1])
    array([3, 1])
    """
    tokens = array_of(who, "ids", ids)
    if tokens.ndim != 1:
        raise ShapeError(f"{who}: ids must be (token,), found {tokens.shape}")
    if tokens.dtype.kind not in "iu":
        raise DTypeError(f"{who}: ids must be integers, found {tokens.dtype}")
    return tokens.astype(np.int64)


class TokenWindows(Source):
    """Windows of a text in tokens: inputs x_t … x_{t+T−1} with their targets x_{t+1} … x_{t+T}.

    - `ids`: integers `(token,)`.
    - `length`: the tokens T of a window.
    - `draws`: so many windows, each at a place that is drawn anew in every epoch by the sample's
      generator. None: one window behind the other, so that every token but the first is a target
      exactly once; the last window is filled up, with targets of −100, which losses of tokens
      leave out.

    Samples are pairs of int64 `(length,)`. Raises `ShapeError` for a text that is too short, and
    `DTypeError` for ids that are no integers.

    >>> windows = TokenWindows(np.arange(6), length=4)
    >>> x, y = windows.read_batch(np.arange(2))
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2, 3], [4, 0, 0, 0]], [[1, 2, 3, 4], [5, -100, -100, -100]])
    """

    def __init__(self, ids: ArrayLike, length: int, draws: int | None = None) -> None:
        tokens = checked_ids("TokenWindows", ids)
        length = whole("TokenWindows", "length", length)
        draws = None if draws is None else whole("TokenWindows", "draws", draws)
        least = 2 if draws is None else length + 1
        if len(tokens) < least:
            raise ShapeError(
                f"TokenWindows: a text of {len(tokens)} tokens is too short; windows of {length} "
                f"with the tokens that follow need {least}"
            )
        self.ids = tokens
        self.length = length
        self.draws = draws

    def __len__(self) -> int:
        return self.draws or -(-(len(self.ids) - 1) // self.length)

    def name(self, index: int) -> str:
        where = "anywhere" if self.draws else f"from token {index * self.length}"
        return f"window {index}, {where}"

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        x, y = self.read_batch(np.array([index]), [generator])
        return x[0], y[0]

    def read_batch(
        self, indices: NDArray[np.int64], generators: Iterable[np.random.Generator] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return inputs and targets, int64 `(batch, length)`."""
        numbers = np.asarray(indices, np.int64)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexOutOfRangeError(
                f"TokenWindows: {numbers.min()}…{numbers.max()} are not all among the windows "
                f"0…{len(self) - 1}"
            )
        if self.draws is None:
            begins = numbers * self.length
        else:
            if generators is None:
                generators = SampleGenerators(0, 0, indices)
            drawn = generators.in_turn() if isinstance(generators, SampleGenerators) else generators
            places = len(self.ids) - self.length
            begins = np.array([generator.integers(places) for generator in drawn], np.int64)
        at = begins[:, None] + np.arange(self.length)
        last = len(self.ids) - 1
        x = self.ids[np.minimum(at, last)]
        y = self.ids[np.minimum(at + 1, last)]
        if self.draws is None:
            beyond = at >= last
            x[beyond], y[beyond] = 0, IGNORED
        return x, y

    def __repr__(self) -> str:
        return f"TokenWindows: {len(self)} of {self.length} in {len(self.ids)} tokens"
