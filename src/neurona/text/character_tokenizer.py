"""Text as characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import DataError
from neurona.text.checks import checked_text, checked_words
from neurona.text.tokenizer import Tokenizer
from neurona.text.tokens import character_tokens
from neurona.text.vocabulary import Vocabulary


class CharacterTokenizer(Tokenizer, kind="character"):
    """A token is a character; an accented letter is one, however it was typed.

    vocabulary: the characters; with `unknown`, others become that token. special: see `Tokenizer`.

    >>> tokenizer = CharacterTokenizer.train("hello", special=["<end>"])
    >>> tokenizer.vocabulary.words, tokenizer.encode("hole<end>")
    (('<end>', 'e', 'h', 'l', 'o'), array([2, 4, 3, 1, 0]))
    """

    def __init__(self, vocabulary: Vocabulary, special: Sequence[str] = ()) -> None:
        super().__init__(vocabulary, special)
        single = {ord(word): i for i, word in enumerate(vocabulary) if len(word) == 1}
        other = (
            -1 if vocabulary.unknown is None else int(vocabulary.encode([vocabulary.unknown])[0])
        )
        self._ids = np.full(max(single, default=0) + 2, other, np.int64)
        self._ids[list(single)] = list(single.values())

    @classmethod
    def train(cls, text: str, *, unknown: str | None = None, special: Sequence[str] = ()) -> Self:
        """A tokeniser with the characters of `text` in code point order, special tokens first.

        Raises `ArgumentError` for a text that is no string.
        """
        checked_text("CharacterTokenizer.train", text, "; join several with ''.join(texts)")
        special = checked_words("CharacterTokenizer.train", "special", special)
        front = list(dict.fromkeys([*([] if unknown is None else [unknown]), *special]))
        characters = sorted(set(character_tokens(text)) - set(front))
        return cls(Vocabulary([*front, *characters], unknown=unknown), special=front)

    def _encode(self, text: str) -> NDArray[np.int64]:
        characters = character_tokens(text)
        # surrogatepass: half a surrogate pair is no character of any vocabulary, and is named so.
        codes = np.frombuffer("".join(characters).encode("utf-32-le", "surrogatepass"), np.uint32)
        ids = self._ids[np.minimum(codes, len(self._ids) - 1)]
        if (ids < 0).any():
            place = int((ids < 0).argmax())
            raise DataError(
                f"CharacterTokenizer.encode: the character {characters[place]!r} at {place} is not "
                f"among the {len(self)} tokens; leave it out, or train with unknown='<unk>'"
            )
        return ids

    def _join(self, words: Iterable[str]) -> Iterator[str]:
        return iter(words)

    def description(self) -> dict[str, Any]:
        """All that `of_description` needs, as JSON can say it."""
        return {
            "special": list(self.special),
            "unknown": self.vocabulary.unknown,
            "vocabulary": list(self.vocabulary),
        }

    @classmethod
    def of_description(cls, description: dict[str, Any]) -> Self:
        """The tokeniser that `description` describes."""
        words, unknown = description["vocabulary"], description["unknown"]
        return cls(Vocabulary(words, unknown=unknown), description["special"])
