"""Texts as vectors with an element for each word of a vocabulary.

These representations are discrete: the vectors of two different words are orthogonal, however near
their meanings are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError
from neurona.text.vocabulary import Vocabulary


def one_hot(tokens: Iterable[str], vocabulary: Vocabulary) -> NDArray[np.float32]:
    """x_tw = 1 if token t is word w, else 0: float32 `(token, word)`.

    Raises `DataError` for a word outside of the vocabulary, if none stands for it.

    >>> hotel, motel = one_hot(["hotel", "motel"], Vocabulary(["motel", "perro", "hotel"]))
    >>> hotel, float(hotel @ motel)
    (array([0., 0., 1.], dtype=float32), 0.0)
    """
    ids = _known("one_hot", vocabulary).encode(tokens)
    vectors = np.zeros((len(ids), len(vocabulary)), np.float32)
    vectors[np.arange(len(ids)), ids] = 1
    return vectors


def term_frequency(
    documents: Sequence[Sequence[str]], vocabulary: Vocabulary
) -> NDArray[np.float32]:
    """x_dw = how often word w stands in document d: float32 `(document, word)`.

    It is the sum of the one-hot vectors of the document's words; their order is lost.
    documents: each a sequence of tokens. Divide by the rows' sums for shares instead of counts.
    Raises `DataError` for a word outside of the vocabulary, if none stands for it.

    >>> term_frequency([["tu", "gato", "es", "tu", "gato"]], Vocabulary(["gato", "tu", "mi", "es"]))
    array([[2., 2., 0., 1.]], dtype=float32)
    """
    size = len(_known("term_frequency", vocabulary))
    counts = np.zeros((len(_documents("term_frequency", documents)), size), np.float32)
    for row, document in zip(counts, documents, strict=True):
        row += np.bincount(vocabulary.encode(document), minlength=size)
    return counts


def bag_of_words(documents: Sequence[Sequence[str]], vocabulary: Vocabulary) -> NDArray[np.float32]:
    """x_dw = 1 if word w stands in document d, else 0: float32 `(document, word)`.

    documents: each a sequence of tokens. Raises `DataError` as `term_frequency` does.

    >>> bag_of_words([["tu", "gato", "es", "tu", "gato"]], Vocabulary(["gato", "tu", "mi", "es"]))
    array([[1., 1., 0., 1.]], dtype=float32)
    """
    _documents("bag_of_words", documents)
    return np.minimum(term_frequency(documents, vocabulary), 1)


def _known(who: str, vocabulary: Any) -> Vocabulary:
    if not isinstance(vocabulary, Vocabulary):
        raise ArgumentError(f"{who}: a Vocabulary is needed, not {type(vocabulary).__name__}")
    return vocabulary


def _documents(who: str, documents: Any) -> Any:
    several = isinstance(documents, Sequence) and not isinstance(documents, str)
    if not several or any(
        isinstance(one, str) or not isinstance(one, Iterable) for one in documents
    ):
        raise ArgumentError(
            f"{who}: documents are sequences of tokens; for one document give [tokens], and cut "
            "texts with word_tokens"
        )
    return documents
