"""Vocabularies: numbers of words, unknown words, the most frequent ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError, DTypeError
from neurona.text import Vocabulary

WORDS = ("perro", "gato", "mi")


def test_words_and_numbers() -> None:
    vocabulary = Vocabulary(WORDS)
    ids = vocabulary.encode(["mi", "gato", "mi"])
    assert ids.dtype == np.int64
    assert ids.tolist() == [2, 1, 2]
    assert vocabulary.decode(ids) == ["mi", "gato", "mi"]
    assert (len(vocabulary), list(vocabulary)) == (3, list(WORDS))
    assert "gato" in vocabulary
    assert "pez" not in vocabulary
    assert vocabulary.encode([]).shape == (0,)
    assert vocabulary.decode([]) == []
    assert repr(vocabulary) == "Vocabulary(3 words: 'perro', 'gato', 'mi')"


def test_unknown_words() -> None:
    with pytest.raises(DataError, match=r"'gatos' is not among the 3 words; did you mean 'gato'\?"):
        Vocabulary(WORDS).encode(["mi", "gatos"])
    vocabulary = Vocabulary(["<unk>", *WORDS], unknown="<unk>")
    assert vocabulary.encode(["mi", "gatos"]).tolist() == [3, 0]
    assert vocabulary.decode([3, 0]) == ["mi", "<unk>"]
    last = Vocabulary([*WORDS, "?"], unknown="?")
    assert last.encode(["gatos"]).tolist() == [3]


@pytest.mark.parametrize(
    ("words", "unknown", "message"),
    [
        ([], None, "no words"),
        (["a", "b", "a"], None, "'a' stands at 0 and again|'a' stands at 2 and again"),
        (["a", 3], None, "word 1 is no string but 3"),
        (["a"], "b", "unknown='b' is not among the 1 words"),
    ],
)
def test_words_that_do_not_do(words: list[str], unknown: str | None, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Vocabulary(words, unknown=unknown)


def test_numbers_that_do_not_do() -> None:
    vocabulary = Vocabulary(WORDS)
    with pytest.raises(DataError, match=r"3 at token 1 is not in 0…2"):
        vocabulary.decode([0, 3])
    with pytest.raises(DataError, match=r"-1 at token 0"):
        vocabulary.decode([-1])
    with pytest.raises(DTypeError, match=r"float64 \(1,\)"):
        vocabulary.decode([1.0])
    with pytest.raises(DTypeError, match=r"int64 \(1, 2\)"):
        vocabulary.decode([[0, 1]])
    with pytest.raises(DTypeError, match="different lengths"):
        vocabulary.decode([[0, 1], [0]])


@pytest.mark.parametrize("unknown", [None, "mi"])
@pytest.mark.parametrize("tokens", [3, [3], [["mi"]]])
def test_tokens_that_are_no_words(tokens: Any, unknown: str | None) -> None:
    with pytest.raises(ArgumentError, match=r"Vocabulary\.encode: a"):
        Vocabulary(WORDS, unknown=unknown).encode(tokens)
    with pytest.raises(ArgumentError, match="Vocabulary"):
        Vocabulary(tokens)
    with pytest.raises(ArgumentError, match=r"Vocabulary\.of_most_frequent"):
        Vocabulary.of_most_frequent(tokens)


def test_a_text_is_not_taken_for_tokens() -> None:
    for call in (Vocabulary(WORDS).encode, Vocabulary.of_most_frequent):
        with pytest.raises(ArgumentError, match="tokens are needed, not a text"):
            call("mi gato")


def test_most_frequent() -> None:
    text = list("bacabadd")
    make = Vocabulary.of_most_frequent
    assert make(text).words == ("<unk>", "a", "b", "d", "c")
    assert make(text, unknown=None).words == ("a", "b", "d", "c")
    assert make(text, 3).words == ("<unk>", "a", "b")
    assert make(text, minimum_count=2).words == ("<unk>", "a", "b", "d")
    front = make(text, 5, reserved=["<pad>", "d"])
    assert front.words == ("<unk>", "<pad>", "d", "a", "b")
    assert front.encode(["c", "d"]).tolist() == [0, 2]
    assert make(["<unk>", "a"]).words == ("<unk>", "a")
    with pytest.raises(ArgumentError, match="size 1 leaves no room for the 2 words in front"):
        make(text, 1, reserved=["<pad>"])
    with pytest.raises(ArgumentError, match="size 0 leaves no room"):
        make(text, 0, unknown=None)
    with pytest.raises(ArgumentError, match="no words"):
        make([], unknown=None)


@given(st.lists(st.text("abc", min_size=1, max_size=2), max_size=30), st.integers(1, 8))
def test_most_frequent_of_made_up_texts(tokens: list[str], size: int) -> None:
    counts = Counter(tokens)
    vocabulary = Vocabulary.of_most_frequent(tokens, size)
    kept = vocabulary.words[1:]
    assert len(vocabulary) == min(size, len(counts) + 1)
    assert [counts[word] for word in kept] == sorted(counts.values(), reverse=True)[: len(kept)]
    seen = vocabulary.decode(vocabulary.encode(tokens))
    assert seen == [token if token in kept else "<unk>" for token in tokens]


def test_order_of_the_text_does_not_matter() -> None:
    text = ["uno", "dos", "tres", "dos"]
    there, back = (Vocabulary.of_most_frequent(tokens, 3) for tokens in (text, text[::-1]))
    assert there.words == back.words == ("<unk>", "dos", "tres")
