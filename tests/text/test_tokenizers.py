"""Tokenisers: text to numbers and back, special tokens, pieces as they come, files."""

from __future__ import annotations

import functools
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError
from neurona.text import (
    BytePairTokenizer,
    CharacterTokenizer,
    Tokenizer,
    Vocabulary,
    WordTokenizer,
    load_tokenizer,
)
from neurona.text.byte_pairs import byte_letters, merged, pieces_pattern, train_merges

SENTENCES = "Mi perro es ladrador. Mi gato, ¿es tu gato? ¡Tu perro es simpático!"


def tokenizers() -> dict[str, Tokenizer]:
    return {
        "character": CharacterTokenizer.train(SENTENCES, unknown="<unk>", special=["<end>"]),
        "word": WordTokenizer.train(SENTENCES, 12, special=["<pad>", "<end>"], lowercase=True),
        "spaces": WordTokenizer.train(SENTENCES, cut="spaces", unknown=None),
        "byte_pair": BytePairTokenizer.train(SENTENCES, 270, special=["<end>"]),
    }


@pytest.mark.parametrize("name", ["character", "word", "spaces", "byte_pair"])
def test_a_saved_tokenizer_is_the_same(name: str, tmp_path: Path) -> None:
    tokenizer = tokenizers()[name]
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert type(loaded) is type(tokenizer)
    assert loaded.description() == tokenizer.description()
    ids = tokenizer.encode(SENTENCES)
    assert ids.dtype == np.int64
    np.testing.assert_array_equal(loaded.encode(SENTENCES), ids)
    assert loaded.decode(ids) == "".join(tokenizer.pieces(ids)) == tokenizer.decode(ids)


@pytest.mark.parametrize("name", ["character", "word", "byte_pair"])
def test_special_tokens_are_one_token_each(name: str) -> None:
    tokenizer = tokenizers()[name]
    ids = tokenizer.encode("gato<end>")
    assert tokenizer.vocabulary.words[ids[-1]] == "<end>"
    assert "<end>" in tokenizer.decode(ids)
    assert len(tokenizer.encode("")) == 0
    assert tokenizer.decode([]) == ""


def test_characters() -> None:
    tokenizer = CharacterTokenizer.train("hola, ¿él?")
    assert tokenizer.vocabulary.words == (" ", ",", "?", "a", "h", "l", "o", "¿", "é")
    assert tokenizer.decode(tokenizer.encode("lé ¿a?")) == "lé ¿a?"
    assert tokenizer.encode("e\u0301").tolist() == [8]
    for text, place in (
        ("hoz", "'z' at 2"),
        ("h\ud800", r"'\\ud800' at 1"),
        ("\U0001f642", "at 0"),
    ):
        with pytest.raises(DataError, match=place):
            tokenizer.encode(text)


def test_words() -> None:
    tokenizer = tokenizers()["word"]
    assert isinstance(tokenizer, WordTokenizer)
    assert tokenizer.vocabulary.words[:5] == ("<unk>", "<pad>", "<end>", "es", "gato")
    found = tokenizer.decode(tokenizer.encode("¿Es (mi) gato? <end>"))
    assert found == "<unk> es <unk> mi <unk> gato? <end>"
    everything = WordTokenizer.train(SENTENCES)
    assert everything.decode(everything.encode(SENTENCES)) == SENTENCES
    spaces = WordTokenizer.train("the <unk> , the\n the end \n", cut="spaces")
    assert spaces.vocabulary.words == ("<unk>", "the", "\n", ",", "end")
    assert spaces.encode("the foo\n\nend").tolist() == [1, 0, 2, 2, 4]
    assert spaces.decode([1, 0, 2, 2, 4, 3]) == "the <unk>\n\nend ,"
    with pytest.raises(ArgumentError, match="neither 'words' nor 'spaces'"):
        WordTokenizer(Vocabulary(["a"]), cut="lines")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Hello world", ["Hello", " world"]),
        ("I've  they'll 'quoted'", ["I", "'ve", " ", " they", "'ll", " '", "quoted", "'"]),
        ("año 2026, ½ x²_y", ["año", " 2026", ",", " ½", " x", "²", "_", "y"]),
        ("a \n\n b\t", ["a", " \n\n", " b", "\t"]),
        ("你好 १२", ["你好", " १२"]),
        ("caf\u0065\u0301!", ["cafe", "\u0301!"]),
    ],
)
def test_what_merges_do_not_reach_over(text: str, pieces: list[str]) -> None:
    assert pieces_pattern().findall(text) == pieces


def slow_merges(texts: list[str], number: int) -> list[tuple[int, int]]:
    """The definition: count all pairs anew before each merge."""
    words = [list(piece.encode()) for text in texts for piece in pieces_pattern().findall(text)]
    merges: list[tuple[int, int]] = []
    while len(merges) < number:
        counts: dict[tuple[int, int], int] = {}
        for word in words:
            for pair in pairwise(word):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts or max(counts.values()) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = [merged(word, best, 256 + len(merges)) for word in words]
        merges.append(best)
    return merges


@given(st.lists(st.text("ab ", max_size=60), max_size=6))
def test_merges_are_those_of_the_definition(texts: list[str]) -> None:
    assert train_merges(texts, 30) == slow_merges(texts, 30)
    tokenizer = BytePairTokenizer.train(texts, 290)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_encoding_is_what_training_left() -> None:
    """The tokens of the training text are its bytes after all merges, one after the other."""
    tokenizer = BytePairTokenizer.train(SENTENCES * 2, 290)
    merges = train_merges([SENTENCES * 2], 290 - 256)
    expected: list[int] = []
    for piece in pieces_pattern().findall(SENTENCES):
        word = list(piece.encode())
        for i, pair in enumerate(merges):
            word = merged(word, pair, 256 + i)
        expected += word
    assert tokenizer.encode(SENTENCES).tolist() == expected


@functools.cache
def byte_pairs() -> BytePairTokenizer:
    return BytePairTokenizer.train(SENTENCES, 280)


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_every_text_comes_back(text: str) -> None:
    tokenizer = byte_pairs()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert "".join(tokenizer.pieces(ids)) == text


def test_incomplete_characters_are_held_back() -> None:
    ids = byte_pairs().encode("a🙂b")
    assert list(byte_pairs().pieces(ids)) == ["a", "", "", "", "🙂", "b", ""]
    assert list(byte_pairs().pieces(ids[:3])) == ["a", "", "", "\ufffd"]
    with pytest.raises(DataError, match=r"half a surrogate pair '\\ud800' at 2"):
        byte_pairs().encode("ab\ud800")


def test_half_a_surrogate_pair_is_refused_before_it_could_not_be_saved() -> None:
    for train in (
        CharacterTokenizer.train,
        WordTokenizer.train,
        lambda text: BytePairTokenizer.train(text, 260),
    ):
        with pytest.raises(DataError, match=r"half a surrogate pair '\\ud800'"):
            train("a \ud800")


def test_long_pieces_take_no_square_time() -> None:
    ids = BytePairTokenizer.train("aaaa aaaa", 258).encode("a" * 60_000)
    assert len(ids) == 15_000


def test_files_of_gpt2(tmp_path: Path) -> None:
    words = [*sorted(byte_letters()), "lo", "low", "Ġlow", "<|endoftext|>"]
    numbers = ", ".join(f'"{w}": {i}' for i, w in enumerate(words) if w not in '"\\')
    rest = ", ".join(f'"\\{w}": {words.index(w)}' for w in '"\\')
    (tmp_path / "vocab.json").write_text(f"{{{numbers}, {rest}}}", encoding="utf-8")
    merges = "#version: 0.2\nl o\nlo w\nĠ low\n"
    (tmp_path / "merges.txt").write_text(merges, encoding="utf-8")
    tokenizer = BytePairTokenizer.of_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    found = [words[i] for i in tokenizer.encode("low lo low<|endoftext|>")]
    assert found == ["low", "Ġ", "lo", "Ġlow", "<|endoftext|>"]
    assert tokenizer.special == ("<|endoftext|>",)
    (tmp_path / "merges.txt").write_text("l o\nx\n", encoding="utf-8")
    with pytest.raises(DataError, match="no tokeniser of GPT-2"):
        BytePairTokenizer.of_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        BytePairTokenizer.of_gpt2_files(tmp_path / "none.json", tmp_path / "merges.txt")


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="less than the 256 bytes and 1 special"):
        BytePairTokenizer.train("a", 256, special=["<end>"])
    with pytest.raises(ArgumentError, match="'xy'"):
        BytePairTokenizer(Vocabulary(byte_letters()), [("x", "y")])
    with pytest.raises(ArgumentError, match="a string is needed, found list"):
        byte_pairs().encode(["a"])  # type: ignore[arg-type]
    for train, message in (
        (lambda: CharacterTokenizer.train(["ab", "c"]), r"found list; join several with ''.join"),  # type: ignore[arg-type]
        (lambda: CharacterTokenizer.train("ab", special="<end>"), r"special are several words"),
        (lambda: CharacterTokenizer(["a", "b"]), "a Vocabulary is needed, not list"),  # type: ignore[arg-type]
        (lambda: WordTokenizer.train(b"ab"), "a string, or several, are needed, found bytes"),  # type: ignore[arg-type]
        (lambda: WordTokenizer.train(["ab", 3]), "text 1: a string is needed, found int"),  # type: ignore[list-item]
        (lambda: WordTokenizer.train("a b", 1.5), "size must be a whole number"),  # type: ignore[arg-type]
        (lambda: BytePairTokenizer.train("abc", "300"), "size must be a whole number"),  # type: ignore[arg-type]
        (lambda: BytePairTokenizer.train("abc", 300, minimum_count=0), "minimum_count must be"),
        (lambda: BytePairTokenizer(Vocabulary("a"), [("a",)]), "a merge is a pair"),  # type: ignore[list-item]
    ):
        with pytest.raises(ArgumentError, match=message):
            train()
    with pytest.raises(ArgumentError, match="special token '<end>'"):
        CharacterTokenizer(Vocabulary("ab"), ["<end>"])
    with pytest.raises(DataError, match="999 at token 0"):
        list(byte_pairs().pieces([999]))
    path = tmp_path / "tokenizer.json"
    for content, message in (
        ("{", "no JSON"),
        ("[]", "no tokeniser of Neurona"),
        ('{"format": "neurona-tokenizer", "format_version": 2}', "has version 2"),
        ('{"format": "neurona-tokenizer", "format_version": 1, "kind": "wrd"}', "mean 'word'"),
        ('{"format": "neurona-tokenizer", "format_version": 1, "kind": ["word"]}', "unknown kind"),
        ('{"format": "neurona-tokenizer", "format_version": 1, "kind": "word"}', "damaged"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            load_tokenizer(path)
    with pytest.raises(DataError, match="cannot be read"):
        load_tokenizer(tmp_path / "none.json")
