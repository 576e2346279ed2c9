"""Text as parts of words, by byte-pair encoding."""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from neurona.core.arguments import whole
from neurona.core.errors import ArgumentError, DataError
from neurona.text.byte_pairs import byte_letters, merge_piece, pieces_pattern, train_merges
from neurona.text.checks import checked_texts, checked_words
from neurona.text.tokenizer import Tokenizer
from neurona.text.tokens import check_characters
from neurona.text.vocabulary import Vocabulary

REMEMBERED = 1 << 17
"""How many different pieces of text a tokeniser keeps with their tokens."""


class BytePairTokenizer(Tokenizer, kind="byte_pair"):
    """A token is a byte or two tokens that stand side by side often: frequent words are one token.

    Sennrich, Haddow and Birch (2016), over bytes as in GPT-2, so that every text has its numbers
    and comes back exactly. Tokens do not reach over the pieces that a text is cut into first: a run
    of letters, of digits, of other signs, each with the space in front of it.

    vocabulary: the tokens in GPT-2's spelling, a visible character a byte ("Ġ" is the space); all
    256 bytes must be there. merges: pairs of tokens, in the order in which they are merged.
    special: see `Tokenizer`.

    Raises `ArgumentError` for a byte, a part of a merge or its result that is no token.

    >>> tokenizer = BytePairTokenizer.train("low lower lowest low slow", size=259)
    >>> tokenizer.vocabulary.words[-3:]
    ('lo', 'low', 'Ġlow')
    >>> tokenizer.encode("low low!"), tokenizer.decode(tokenizer.encode("¿qué? 🙂"))
    (array([257, 258,  33]), '¿qué? 🙂')
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        merges: Iterable[tuple[str, str]],
        special: Sequence[str] = (),
    ) -> None:
        super().__init__(vocabulary, special)
        self.merges = [_pair(merge) for merge in merges]
        ids = {word: i for i, word in enumerate(vocabulary)}
        needed = {word for left, right in self.merges for word in (left, right, left + right)}
        for word in (*byte_letters(), *sorted(needed)):
            if word not in ids:
                raise ArgumentError(
                    f"BytePairTokenizer: {word!r}, a byte or part of a merge, is no token"
                )
        self._bytes = [ids[letter] for letter in byte_letters()]
        self._ranks = {
            (ids[left], ids[right]): (rank, ids[left + right])
            for rank, (left, right) in reversed([*enumerate(self.merges)])
        }
        self._known = _Known(self)
        byte_of = {letter: byte for byte, letter in enumerate(byte_letters())}
        self._spelled = {
            word: word.encode() if word in self.special else bytes(map(byte_of.__getitem__, word))
            for word in vocabulary
            if word in self.special or all(letter in byte_of for letter in word)
        }
        if len(self._spelled) != len(vocabulary):
            (word, *_) = (word for word in vocabulary if word not in self._spelled)
            raise ArgumentError(f"BytePairTokenizer: {word!r} is neither special nor made of bytes")

    @classmethod
    def train(
        cls,
        text: str | Iterable[str],
        size: int,
        *,
        special: Sequence[str] = (),
        minimum_count: int = 2,
    ) -> Self:
        """A tokeniser with `size` tokens: 256 bytes, merges, the special tokens last.

        text: one, or many. Of equally frequent pairs the one learnt first comes first. There are
        fewer tokens if no pair stands `minimum_count` times in the text.

        Raises `ArgumentError` for a size that leaves no room for the bytes and special tokens,
        `DataError` for half a surrogate pair.
        """
        who = "BytePairTokenizer.train"
        special = checked_words(who, "special", special)
        number = whole(who, "size", size) - 256 - len(special)
        whole(who, "minimum_count", minimum_count)
        if number < 0:
            raise ArgumentError(
                f"BytePairTokenizer.train: size {size} is less than the 256 bytes and "
                f"{len(special)} special tokens"
            )
        texts = checked_texts(who, text)
        words = list(byte_letters())
        merges = []
        for left, right in train_merges(texts, number, minimum_count):
            merges.append((words[left], words[right]))
            words.append(words[left] + words[right])
        return cls(Vocabulary([*words, *special]), merges, special)

    @classmethod
    def of_gpt2_files(cls, vocabulary: str | Path, merges: str | Path) -> Self:
        """The tokeniser of a published model, from its `vocab.json` and `merges.txt`.

        Tokens that are neither bytes nor merges (<|endoftext|>) are its special tokens.

        Raises `DataError` for files that are missing or something else.
        """
        try:
            numbers = json.loads(Path(vocabulary).read_bytes())
            lines = Path(merges).read_text("utf-8").splitlines()
            words = sorted(numbers, key=numbers.__getitem__)
            pairs = [tuple(line.split(" ")) for line in lines if line and line[:9] != "#version:"]
            if [numbers[word] for word in words] != list(range(len(words))):
                raise DataError(
                    f"{vocabulary}: the numbers of the tokens are not 0…{len(words) - 1}"
                )
            made = {*byte_letters(), *(left + right for left, right in pairs)}
            special = [word for word in words if word not in made]
            return cls(Vocabulary(words), pairs, special)  # type: ignore[arg-type]
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"{vocabulary}, {merges}: no tokeniser of GPT-2: {error}") from None

    def _encode(self, text: str) -> NDArray[np.int64]:
        check_characters("BytePairTokenizer.encode", text)
        pieces = pieces_pattern().findall(text)
        ids = itertools.chain.from_iterable(map(self._known.__getitem__, pieces))
        found = np.fromiter(ids, np.int64)
        if len(self._known) > REMEMBERED:
            self._known.clear()
        return found

    def _join(self, words: Iterable[str]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for word in words:
            yield decoder.decode(self._spelled[word])
        yield decoder.decode(b"", final=True)

    def description(self) -> dict[str, Any]:
        """All that `of_description` needs, as JSON can say it."""
        return {
            "special": list(self.special),
            "vocabulary": list(self.vocabulary),
            "merges": [f"{left} {right}" for left, right in self.merges],
        }

    @classmethod
    def of_description(cls, description: dict[str, Any]) -> Self:
        """The tokeniser that `description` describes."""
        pairs = [(left, right) for left, right in map(str.split, description["merges"])]
        return cls(Vocabulary(description["vocabulary"]), pairs, description["special"])


def _pair(merge: Any) -> tuple[str, str]:
    if len(merge) != 2:
        raise ArgumentError(f"BytePairTokenizer: a merge is a pair of tokens, not {merge!r}")
    left, right = merge
    return left, right


class _Known(dict[str, tuple[int, ...]]):
    """Pieces of text with their tokens, found when first asked for."""

    def __init__(self, tokenizer: BytePairTokenizer) -> None:
        super().__init__()
        self._of_byte, self._ranks = tokenizer._bytes, tokenizer._ranks

    def __missing__(self, piece: str) -> tuple[int, ...]:
        tokens = [self._of_byte[byte] for byte in piece.encode()]
        self[piece] = found = tuple(merge_piece(tokens, self._ranks))
        return found
