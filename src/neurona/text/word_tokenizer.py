"""Text as words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError
from neurona.text.checks import checked_texts, checked_words
from neurona.text.tokenizer import Tokenizer
from neurona.text.tokens import word_tokens
from neurona.text.vocabulary import Vocabulary

AFTER = frozenset(".,;:!?%)]}»…")
"""Signs that stand close to the word before."""
BEFORE = frozenset("¿¡([{«")
"""Signs that stand close to the word after."""

Cut = Literal["words", "spaces"]


class WordTokenizer(Tokenizer, kind="word"):
    r"""A token is a word or a sign; rare words may all be one, `unknown`.

    vocabulary: the words. special: see `Tokenizer`; the unknown word always is one.
    cut: "words": letters and digits together, each other sign for itself (`word_tokens`);
        "spaces": what stands between spaces, and each line end, as "\n" (for texts whose tokens
        are already set apart).
    lowercase: without capitals.

    Decoding puts a space between words, but none around line ends, in front of signs that close
    (.,;:!?) or behind those that open (¿¡().

    Raises `ArgumentError` for another `cut`.

    >>> tokenizer = WordTokenizer.train("El gato. ¿El gato? ¡El perro!", size=5, lowercase=True)
    >>> tokenizer.vocabulary.words
    ('<unk>', 'el', 'gato', '!', '.')
    >>> tokenizer.decode(tokenizer.encode("El perro, el gato."))
    'el <unk> <unk> el gato.'
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        special: Sequence[str] = (),
        *,
        cut: Cut = "words",
        lowercase: bool = False,
    ) -> None:
        unknown = [] if vocabulary.unknown is None else [vocabulary.unknown]
        super().__init__(vocabulary, list(dict.fromkeys([*unknown, *special])))
        if cut not in ("words", "spaces"):
            raise ArgumentError(f"WordTokenizer: cut={cut!r} is neither 'words' nor 'spaces'")
        self.cut: Cut = cut
        self.lowercase = lowercase

    @classmethod
    def train(
        cls,
        text: str | Iterable[str],
        size: int | None = None,
        *,
        unknown: str | None = "<unk>",
        special: Sequence[str] = (),
        cut: Cut = "words",
        lowercase: bool = False,
    ) -> Self:
        """A tokeniser with the words of `text`, the most frequent first.

        text: one, or many. size: at most so many tokens, the special ones included, which come
        first. Equally frequent words are taken in code point order.
        """
        texts = checked_texts("WordTokenizer.train", text)
        special = checked_words("WordTokenizer.train", "special", special)
        front = Vocabulary(list(dict.fromkeys([unknown or "\0", *special])))
        reader = cls(front, front.words, cut=cut, lowercase=lowercase)
        tokens = (word for one in texts for word in reader.tokens(one))
        vocabulary = Vocabulary.of_most_frequent(tokens, size, unknown=unknown, reserved=special)
        return cls(vocabulary, special, cut=cut, lowercase=lowercase)

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, whether they are in the vocabulary or not."""
        parts = [text] if self._special is None else self._special.split(text)
        return [
            token
            for i, part in enumerate(parts)
            for token in ([part] if i % 2 else self._cut(part))
        ]

    def _cut(self, text: str) -> list[str]:
        if self.cut == "words":
            return word_tokens(text, lowercase=self.lowercase, punctuation=True)
        first, *rest = (text.lower() if self.lowercase else text).split("\n")
        return first.split() + [token for line in rest for token in ("\n", *line.split())]

    def _encode(self, text: str) -> NDArray[np.int64]:
        return self.vocabulary.encode(self._cut(text))

    def _join(self, words: Iterable[str]) -> Iterator[str]:
        close = True
        for word in words:
            after = word == "\n" or (self.cut == "words" and word in AFTER)
            yield word if close or after else f" {word}"
            close = word == "\n" or (self.cut == "words" and word in BEFORE)

    def description(self) -> dict[str, Any]:
        """All that `of_description` needs, as JSON can say it."""
        return {
            "cut": self.cut,
            "lowercase": self.lowercase,
            "special": list(self.special),
            "unknown": self.vocabulary.unknown,
            "vocabulary": list(self.vocabulary),
        }

    @classmethod
    def of_description(cls, description: dict[str, Any]) -> Self:
        """The tokeniser that `description` describes."""
        return cls(
            Vocabulary(description["vocabulary"], unknown=description["unknown"]),
            description["special"],
            cut=description["cut"],
            lowercase=description["lowercase"],
        )
