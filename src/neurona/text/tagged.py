"""Sentences whose words carry tags, read from the column files of the shared tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from neurona.core.errors import ArgumentError, DataError, choices
from neurona.data.files import read_text

CONLLU = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
"""The ten columns of CoNLL-U."""
_WORD = re.compile(r"[1-9][0-9]*")
_NO_WORD = re.compile(r"[0-9]+(-|\.)[0-9]+")


class TaggedSentence(NamedTuple):
    """A sentence's words, and the tag of each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def read_conllu(path: str | PathLike[str], column: str = "UPOS") -> list[TaggedSentence]:
    """The sentences of a CoNLL-U file, the form of Universal Dependencies: words, parts of speech.

    Ten columns divided by tabs, an empty line after each sentence; see universaldependencies.org.
    The word is FORM, the tag is `column`, one of `CONLLU`: "UPOS", "XPOS", "DEPREL" … Comments
    (`# …`) are left out, and so are the lines of what is no word of the syntax: *del* (id 3-4), for
    which *de* (3) and *el* (4) follow, and words that were not said (id 5.1).

    Raises `DataError` with file and line for a missing file, text that is not UTF-8, another number
    of columns, an id that does not follow the one before, a word without form or tag; for a file
    without sentences; `ArgumentError` for an unknown column.
    """
    path = Path(path)
    if column not in CONLLU:
        raise ArgumentError(f"read_conllu: unknown column {column!r}{choices(column, CONLLU)}")
    place = CONLLU.index(column)
    sentences = []
    for lines in _sentences(path):
        words: list[tuple[str, str]] = []
        for number, line in lines:
            if line.startswith("#"):
                continue
            where = f"{path}: line {number}"
            cells = line.split("\t")
            if len(cells) != len(CONLLU):
                raise DataError(
                    f"{where}: CoNLL-U has {len(CONLLU)} columns divided by tabs, found "
                    f"{len(cells)}: {line!r}"
                )
            if _NO_WORD.fullmatch(cells[0]):
                continue
            if not _WORD.fullmatch(cells[0]):
                raise DataError(f"{where}: the id {cells[0]!r} is none of 1, 1-2 and 1.1")
            if int(cells[0]) != len(words) + 1:
                raise DataError(
                    f"{where}: the id is {cells[0]} where {len(words) + 1} follows; between "
                    "sentences there is an empty line"
                )
            word, tag = cells[1], cells[place]
            if not word:
                raise DataError(f"{where}: the column FORM is empty")
            if tag in ("", "_"):
                raise DataError(f"{where}: the word {word!r} has no {column}, but {tag!r}")
            words.append((word, tag))
        if words:
            sentences.append(_sentence(words))
    return _some(path, sentences)


def read_conll(path: str | PathLike[str], column: int = -1) -> list[TaggedSentence]:
    """The sentences of a file of columns as those of CoNLL-2002 and CoNLL-2003: words and entities.

    Columns divided by spaces or tabs, as many in each line; the word is the first, the tag that
    numbered `column`, by default the last. An empty line follows each sentence; lines that begin
    with -DOCSTART- divide documents and are left out.

    Raises `DataError` with file and line for a missing file, text that is not UTF-8, a line with
    more or fewer columns than the first one, or without the column of the tags; for a file without
    sentences.
    """
    path = Path(path)
    columns = None
    sentences = []
    for lines in _sentences(path):
        words: list[tuple[str, str]] = []
        for number, line in lines:
            where = f"{path}: line {number}"
            cells = re.split(r"[ \t]+", line.strip(" \t"))
            if cells[0] == "-DOCSTART-":
                continue
            columns = columns or len(cells)
            if len(cells) != columns:
                raise DataError(
                    f"{where}: the lines before have {columns} columns, found {len(cells)}: "
                    f"{line!r}"
                )
            place = column + columns * (column < 0)
            if not 0 < place < columns:
                raise DataError(
                    f"{where}: no column {column} for the tag behind the word's, found {columns}: "
                    f"{line!r}"
                )
            words.append((cells[0], cells[place]))
        if words:
            sentences.append(_sentence(words))
    return _some(path, sentences)


def _sentences(path: Path) -> Iterator[list[tuple[int, str]]]:
    """The lines of each sentence with their numbers, from 1; empty ones stand between sentences."""
    lines: list[tuple[int, str]] = []
    # Not `splitlines`: a word may hold what Unicode takes for the end of a line.
    for number, with_end in enumerate(read_text(path).split("\n"), 1):
        line = with_end.removesuffix("\r")
        if line.strip(" \t"):
            lines.append((number, line))
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _sentence(words: list[tuple[str, str]]) -> TaggedSentence:
    return TaggedSentence(tuple(word for word, _ in words), tuple(tag for _, tag in words))


def _some(path: Path, sentences: list[TaggedSentence]) -> list[TaggedSentence]:
    if not sentences:
        raise DataError(f"{path}: holds no sentences")
    return sentences
