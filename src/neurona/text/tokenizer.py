"""What all tokenisers have: text to numbers and back, special tokens, a file."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, choices
from neurona.data.files import replacing
from neurona.text.checks import checked_text, checked_words
from neurona.text.tokens import check_characters
from neurona.text.vocabulary import Vocabulary

FORMAT = "neurona-tokenizer"
FORMAT_VERSION = 1


class Tokenizer(ABC):
    """Text as integers and back: `CharacterTokenizer`, `WordTokenizer`, `BytePairTokenizer`.

    vocabulary: the tokens, by number. special: tokens that stand for no text of their own, such as
    an end or padding; written out in a text they are recognised as one token.

    Raises `ArgumentError` for a special token that is empty or not in the vocabulary, `DataError`
    for a token with half a surrogate pair, which no file could hold.
    """

    kinds: ClassVar[dict[str, type[Tokenizer]]] = {}
    """The tokenisers by the name that stands in their files."""

    def __init__(self, vocabulary: Vocabulary, special: Sequence[str] = ()) -> None:
        if not isinstance(vocabulary, Vocabulary):
            raise ArgumentError(
                f"{type(self).__name__}: a Vocabulary is needed, not {type(vocabulary).__name__}"
            )
        for token in vocabulary:
            check_characters(f"{type(self).__name__}: the token {token!r}", token)
        self.vocabulary = vocabulary
        self.special = checked_words(type(self).__name__, "special", special)
        for token in self.special:
            if not token or token not in vocabulary:
                raise ArgumentError(
                    f"{type(self).__name__}: the special token {token!r} is not among the "
                    f"{len(vocabulary)} tokens"
                )
        # The longest first: <end_of_line> is not <end> and something.
        longest = sorted(map(re.escape, self.special), key=len, reverse=True)
        self._special = re.compile(f"({'|'.join(longest)})") if longest else None

    def __init_subclass__(cls, kind: str) -> None:
        cls.kinds[kind] = cls
        cls.kind = kind

    kind: ClassVar[str]

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} tokens)"

    def encode(self, text: str) -> NDArray[np.int64]:
        """The numbers of the tokens of `text`, int64 `(token,)`.

        Raises `DataError` for what the vocabulary cannot say, `ArgumentError` for no string.
        """
        checked_text(f"{type(self).__name__}.encode", text)
        if self._special is None:
            return self._encode(text)
        # Splitting at a group puts what it matches at the odd places.
        parts = self._special.split(text)
        found = [
            self.vocabulary.encode([part]) if i % 2 else self._encode(part)
            for i, part in enumerate(parts)
            if part
        ]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def decode(self, ids: Any) -> str:
        """The text of tokens with these numbers, integers `(token,)`.

        Raises `DTypeError` for numbers that are not integers, `DataError` for one without a token.
        """
        return "".join(self._join(self.vocabulary.decode(ids)))

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """The text of each token as it comes; joined they are `decode(ids)`.

        A piece is empty while a character is incomplete; a last piece holds what is left at the
        end.
        """
        return self._join(self.vocabulary.decode([i])[0] for i in ids)

    def save(self, path: str | Path) -> None:
        """Write the tokeniser to a JSON file; `load_tokenizer` reads it."""
        head = {"format": FORMAT, "format_version": FORMAT_VERSION, "kind": self.kind}
        text = json.dumps({**head, **self.description()}, ensure_ascii=False, indent=1)
        with replacing(Path(path)) as file:
            file.write(text.encode() + b"\n")

    @abstractmethod
    def _encode(self, text: str) -> NDArray[np.int64]:
        """The numbers of a text without special tokens."""

    @abstractmethod
    def _join(self, words: Iterable[str]) -> Iterator[str]:
        """The pieces of text of these tokens."""

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """All that `of_description` needs, as JSON can say it."""

    @classmethod
    @abstractmethod
    def of_description(cls, description: dict[str, Any]) -> Self:
        """The tokeniser that `description` describes."""


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokeniser in a file that `save` wrote.

    Raises `DataError` for a file that is missing, damaged or something else.

    >>> import tempfile
    >>> from neurona.text import CharacterTokenizer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     CharacterTokenizer.train("hello").save(f"{folder}/tokenizer.json")
    ...     load_tokenizer(f"{folder}/tokenizer.json").decode([1, 0, 2, 2, 3])
    'hello'
    """
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: is no tokeniser, no JSON at all: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path}: is no tokeniser of Neurona ({FORMAT!r} is missing)")
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path}: has version {content.get('format_version')} of the format, this is a "
            f"Neurona for version {FORMAT_VERSION}; use the one that wrote it, or train anew"
        )
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in Tokenizer.kinds:
        raise DataError(f"{path}: unknown kind {kind!r}{choices(str(kind), Tokenizer.kinds)}")
    try:
        return Tokenizer.kinds[kind].of_description(content)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: damaged tokeniser: {error!r}") from None
