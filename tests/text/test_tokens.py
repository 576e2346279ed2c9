"""Tokenisers: what is a word, in which alphabets, however it was typed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.text import character_tokens, word_tokens


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t", []),
        ("Mi perro ES ladrador.", ["mi", "perro", "es", "ladrador"]),
        ("¿Quién? ¡Él!", ["quién", "él"]),
        ("the director's state-of-the-art '20s", ["the", "director's", "state-of-the-art", "20s"]),
        ("a--b -c- d' 'e", ["a", "b", "c", "d", "e"]),
        ("3.14 x_y", ["3", "14", "x", "y"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("Ελλάς и Москва", ["ελλάς", "и", "москва"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert word_tokens(text) == words


def test_options() -> None:
    text = "¡No, Don Quijote!"
    assert word_tokens(text, lowercase=False) == ["No", "Don", "Quijote"]
    signs = ["¡", "no", ",", "don", "quijote", "!"]
    assert word_tokens(text, punctuation=True) == signs
    assert word_tokens("x_y", punctuation=True) == ["x", "_", "y"]


def test_both_ways_to_write_an_accent_are_one() -> None:
    composed = "simpático año"
    apart = unicodedata.normalize("NFD", composed)
    assert composed != apart
    assert word_tokens(composed) == word_tokens(apart) == ["simpático", "año"]
    assert character_tokens(composed) == character_tokens(apart) == list(composed)


@given(st.text(max_size=40))
def test_nothing_is_lost(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    assert "".join(character_tokens(text)) == normal
    tokens = word_tokens(text, lowercase=False, punctuation=True)
    assert "".join(tokens) == "".join(normal.split())
    assert all(token and not any(c.isspace() for c in token) for token in tokens)
    words = word_tokens(text, lowercase=False)
    assert all(any(c.isalnum() for c in word) for word in words)
    rest = iter(tokens)
    assert all(word in rest for word in words)  # the same words, in the same order
