"""Checks of what is given as text, as tokens, and as the model of a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import array_of, whole
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError


def checked_text(who: str, text: Any, hint: str = "") -> str:
    """`text`, a string. Raises `ArgumentError` if it is none. hint: the mend.

    >>> checked_text("word_tokens", "mi gato")
    'mi gato'
    """
    if not isinstance(text, str):
        raise ArgumentError(f"{who}: a string is needed, found {type(text).__name__}{hint}")
    return text


def checked_texts(who: str, text: Any) -> Iterator[str]:
    """One text or many, one by one. Raises `ArgumentError` for anything else.

    >>> list(checked_texts("train", "mi")), list(checked_texts("train", ["mi", "gato"]))
    (['mi'], ['mi', 'gato'])
    """
    if isinstance(text, (bytes, bytearray)) or not isinstance(text, Iterable):
        raise ArgumentError(f"{who}: a string, or several, are needed, found {type(text).__name__}")
    texts = [text] if isinstance(text, str) else text
    return (checked_text(f"{who}: text {i}", one) for i, one in enumerate(texts))


def checked_words(who: str, name: str, words: Any) -> tuple[str, ...]:
    """Several words. Raises `ArgumentError` for one string, which would be cut into characters.

    >>> checked_words("train", "special", ["<end>"])
    ('<end>',)
    """
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise ArgumentError(f"{who}: {name} are several words, as in ['<end>'], found {words!r}")
    found = tuple(words)
    for word in found:
        if not isinstance(word, str):
            raise ArgumentError(f"{who}: {name} are strings, found {word!r}")
    return found


def checked_tokens(who: str, tokens: Any, vocabulary_size: int | None) -> NDArray[np.int64]:
    """Tokens as int64 `(token,)`. vocabulary_size: None where it is not known.

    Raises `DTypeError` for tokens that are not integers, `IndexOutOfRangeError` naming one that is
    not in the vocabulary.

    >>> checked_tokens("NGramModel", [2, 0], 3)
    array([2, 0])
    """
    found = array_of(who, "tokens", tokens)
    if found.size == 0 and found.ndim == 1:
        return np.zeros(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DTypeError(f"{who}: tokens are integers (token,), not {found.dtype} {found.shape}")
    size = np.iinfo(np.int64).max if vocabulary_size is None else vocabulary_size
    wrong = (found < 0) | (found >= size)
    if wrong.any():
        place = int(wrong.argmax())
        held = "tokens count" if vocabulary_size is None else f"the vocabulary has {size} tokens"
        raise IndexOutOfRangeError(f"{who}: token {place} is {found[place]}; {held} from 0 on")
    return found.astype(np.int64, copy=False)


def checked_token(who: str, name: str, token: Any, vocabulary_size: int | None) -> int:
    """One token. Raises `ArgumentError` unless it is a whole number of the vocabulary.

    >>> checked_token("BeamSearch", "end", 2, 3)
    2
    """
    number = whole(who, name, token, 0)
    if vocabulary_size is not None and number >= vocabulary_size:
        raise IndexOutOfRangeError(
            f"{who}: {name} is {number}; the vocabulary has {vocabulary_size} tokens from 0 on"
        )
    return number


def checked_model(who: str, model: Any, needed: Sequence[str] = ("begin", "read")) -> Any:
    """A model that says what comes next. Raises `ArgumentError` if it lacks what is needed."""
    missing = [name for name in needed if not hasattr(model, name)]
    if missing:
        raise ArgumentError(
            f"{who}: {type(model).__name__} has no {' and no '.join(missing)}; a model with "
            "begin(batch) and read(tokens, state) is needed, such as models.GPT"
        )
    return model
