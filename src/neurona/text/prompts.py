"""Prompts: checked, side by side, read in chunks of few sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona.core.arguments import array_of
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.tree import flatten

CHUNKS = (32, 8)
"""So many tokens of a prompt are read at once, so that its length makes no program of its own."""


def prepared(compiled: bool, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a native program, or as it is."""
    return ne.compile(function) if compiled else function


def begin(model: Any, batch: int) -> Any:
    """The state before the first token."""
    with evaluating(model), ne.no_grad():
        return model.begin(batch)


def checked_batch(state: Any, batch: int) -> Any:
    """A state of so many sequences. Raises `ShapeError` if it is one of another number.

    >>> checked_batch({"h": ne.zeros((2, 8))}, 2)["h"].shape
    (2, 8)
    """
    for leaf in flatten(state)[0]:
        shape = getattr(leaf, "shape", ())
        if shape[:1] != (batch,):
            raise ShapeError(
                f"generation: the state holds a tensor of shape {shape}; there are {batch} "
                f"prompts, so all must be ({batch}, …)"
            )
    return state


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode, then again as it was."""
    training = getattr(model, "training", False)
    if training:
        model.eval()
    try:
        yield
    finally:
        if training:
            model.train()


def padded_prompts(
    model: Any, prompts: Sequence[Any], context: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The prompts side by side, −1 behind their ends: (batch, time); and their lengths, (batch,).

    context: of a longer prompt only so many tokens, the last, are taken.

    Raises `ArgumentError` for no prompts, an empty one; `DTypeError` for what is no sequence of
    integers; `IndexOutOfRangeError` naming a token that is not in the vocabulary.
    """
    if isinstance(prompts, str) or not isinstance(prompts, Sized):
        raise DTypeError(
            f"generation: prompts are a list of sequences of integers, found {prompts!r}"
        )
    if not len(prompts):
        raise ArgumentError("generation: there are no prompts")
    rows = []
    size = getattr(model, "vocabulary_size", None)
    for i, prompt in enumerate(prompts):
        row = array_of("generation", f"prompt {i}", prompt)
        if row.ndim == 1 and not row.size:
            raise ArgumentError(f"generation: prompt {i} is empty; begin with at least one token")
        if row.ndim != 1 or row.dtype.kind not in "iu":
            raise DTypeError(
                f"generation: a prompt is a sequence of integers (time,), prompt {i} is "
                f"{row.dtype} {row.shape}"
            )
        wrong = (row < 0) | (row >= (size or np.iinfo(np.int64).max))
        if wrong.any():
            place = int(wrong.argmax())
            raise IndexOutOfRangeError(
                f"generation: token {place} of prompt {i} is {row[place]}; the vocabulary has "
                f"{size} tokens from 0 on"
            )
        rows.append(row[-context:] if context else row)
    lengths = np.array([len(row) for row in rows])
    padded = np.full((len(rows), int(lengths.max())), -1, np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return padded, lengths


def read_chunks(
    read: Callable[[Any, Any], Any],
    tokens: NDArray[np.int64],
    state: Any,
    sizes: Sequence[int] = CHUNKS,
) -> tuple[Any, int]:
    """The state after as many whole chunks of `tokens` (batch, time) as there are; the tokens read.

    read: (tokens, state) -> state. sizes: of the chunks, the largest first.
    """
    first, end = 0, tokens.shape[1]
    for size in sizes:
        while end - first >= size:
            state = read(ne.asarray(tokens[:, first : first + size]), state)
            first += size
    return state, first
