"""Words and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import array_of, whole
from neurona.core.errors import ArgumentError, DataError, DTypeError, nearest
from neurona.text.checks import checked_words


class Vocabulary:
    """The words that a model knows, numbered from 0 in the order given.

    words: all different. unknown: the word of the vocabulary that stands for every word outside of
        it; None makes such words an error.

    Raises `ArgumentError` for an empty vocabulary, a word that stands twice, or an `unknown` that
    is not among the words.

    >>> vocabulary = Vocabulary(["perro", "gato", "mi"])
    >>> vocabulary.encode(["mi", "gato"]), vocabulary.decode([2, 1])
    (array([2, 1]), ['mi', 'gato'])
    """

    def __init__(self, words: Iterable[str], *, unknown: str | None = None) -> None:
        if not isinstance(words, Iterable):
            raise ArgumentError(f"Vocabulary: words are needed, not {words!r}")
        self.words = tuple(words)
        self.unknown = unknown
        if not self.words:
            raise ArgumentError("Vocabulary: there are no words")
        for i, word in enumerate(self.words):
            if not isinstance(word, str):
                raise ArgumentError(f"Vocabulary: word {i} is no string but {word!r}")
        self._ids = _Ids({word: i for i, word in enumerate(self.words)})
        for i, word in enumerate(self.words):
            if self._ids[word] != i:
                raise ArgumentError(f"Vocabulary: the word {word!r} stands at {i} and again later")
        if unknown is not None:
            if unknown not in self._ids:
                raise ArgumentError(
                    f"Vocabulary: unknown={unknown!r} is not among the {len(self.words)} words; "
                    "add it"
                )
            self._ids.other = self._ids[unknown]

    @classmethod
    def of_most_frequent(
        cls,
        tokens: Iterable[str],
        size: int | None = None,
        *,
        minimum_count: int = 1,
        unknown: str | None = "<unk>",
        reserved: Sequence[str] = (),
    ) -> Vocabulary:
        """The words of a text, the most frequent first, equally frequent ones in code point order.

        size: at most so many words, `unknown` and `reserved` included; None takes all.
        minimum_count: rarer words are left out. unknown, reserved: words that stand in front,
        whether they occur in the text or not (padding, start, end).

        >>> text = "el perro y el gato y el ratón".split()
        >>> Vocabulary.of_most_frequent(text, 4).words
        ('<unk>', 'el', 'y', 'gato')
        """
        who = "Vocabulary.of_most_frequent"
        reserved = checked_words(who, "reserved", reserved)
        whole(who, "minimum_count", minimum_count, 0)
        size = None if size is None else whole(who, "size", size, 0)
        front = [] if unknown is None else [unknown]
        front += [word for word in reserved if word != unknown]
        if size is not None and size < max(1, len(front)):
            raise ArgumentError(
                f"{who}: size {size} leaves no room for the {max(1, len(front))} words in front"
            )
        try:
            counts = Counter(_tokens(who, tokens))
        except TypeError as error:
            raise ArgumentError(f"{who}: a token is a string: {error}") from None
        checked_words(who, "tokens", counts)
        for word in front:
            counts.pop(word, None)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        frequent = [word for word, count in ranked if count >= minimum_count]
        room = None if size is None else size - len(front)
        return cls([*front, *frequent[:room]], unknown=unknown)

    def encode(self, tokens: Iterable[str]) -> NDArray[np.int64]:
        """The numbers of the words, `(token,)`.

        Raises `DataError` naming the first word outside of the vocabulary, if none stands for it.
        """
        numbers = map(self._ids.__getitem__, _tokens("Vocabulary.encode", tokens))
        try:
            return np.fromiter(numbers, np.int64)
        except TypeError as error:
            raise ArgumentError(f"Vocabulary.encode: a token is a string: {error}") from None

    def decode(self, ids: Any) -> list[str]:
        """The words with these numbers, integers `(token,)`.

        Raises `DTypeError` for numbers that are not integers, `DataError` for one without a word.
        """
        numbers = array_of("Vocabulary.decode", "numbers", ids)
        if numbers.size == 0:
            return []
        if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
            raise DTypeError(
                f"Vocabulary.decode: numbers of words are integers (token,), found "
                f"{numbers.dtype} {numbers.shape}"
            )
        wrong = (numbers < 0) | (numbers >= len(self))
        if wrong.any():
            place = int(wrong.argmax())
            raise DataError(
                f"Vocabulary.decode: {numbers[place]} at token {place} is not in 0…{len(self) - 1}"
            )
        return [self.words[i] for i in numbers]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.words[:4])) + (", …" if len(self) > 4 else "")
        unknown = "" if self.unknown is None else f", unknown={self.unknown!r}"
        return f"Vocabulary({len(self)} words: {shown}{unknown})"


def _tokens(who: str, tokens: Iterable[str]) -> Iterable[str]:
    if isinstance(tokens, str):
        raise ArgumentError(
            f"{who}: tokens are needed, not a text; cut it with word_tokens or character_tokens"
        )
    if not isinstance(tokens, Iterable):
        raise ArgumentError(f"{who}: a list of words is needed, not {tokens!r}")
    return tokens


class _Ids(dict[str, int]):
    """The numbers of words; a word that has none gets that of the unknown ones, if there is one."""

    other: int | None = None

    def __missing__(self, word: Any) -> int:
        if not isinstance(word, str):
            raise ArgumentError(f"Vocabulary.encode: a token is a string, found {word!r}")
        if self.other is None:
            raise DataError(
                f"Vocabulary.encode: {word!r} is not among the {len(self)} words"
                f"{nearest(word, self)}; leave it out, or give the vocabulary a word for unknown "
                "ones (unknown='<unk>')"
            )
        return self.other
