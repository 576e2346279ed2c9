"""Text cut into tokens: characters or words."""

from __future__ import annotations

import functools
import re
import unicodedata

from neurona.core.errors import DataError
from neurona.text.checks import checked_text

MARKS = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
"""Where Unicode's combining marks lie."""


def character_tokens(text: str) -> list[str]:
    """The characters of `text`, spaces and line ends too.

    Letters with an accent are one character (Unicode's normal form C), however they were typed.

    >>> character_tokens("es él")
    ['e', 's', ' ', 'é', 'l']
    """
    return list(unicodedata.normalize("NFC", checked_text("character_tokens", text)))


def word_tokens(text: str, *, lowercase: bool = True, punctuation: bool = False) -> list[str]:
    """The words of `text`: letters and digits, also joined by an apostrophe or a hyphen.

    lowercase: without capitals, so that a word at the start of a sentence is the same word.
    punctuation: signs that are neither letters nor spaces are tokens too, each for itself.

    Letters with an accent are one character (Unicode's normal form C), however they were typed.

    >>> word_tokens("¡Mi perro es ladrador, ya lo sé!")
    ['mi', 'perro', 'es', 'ladrador', 'ya', 'lo', 'sé']
    >>> word_tokens("Don't stop.", lowercase=False, punctuation=True)
    ["Don't", 'stop', '.']
    """
    text = checked_text("word_tokens", text)
    normal = unicodedata.normalize("NFC", text.lower() if lowercase else text)
    return _pattern(punctuation).findall(normal)


@functools.cache
def _pattern(punctuation: bool) -> re.Pattern[str]:
    # Python's \w leaves out the combining marks, which many scripts write their vowels with.
    marks = "".join(chr(i) for i in MARKS if unicodedata.category(chr(i))[0] == "M")
    part = rf"[^\W_]+(?:[{re.escape(marks)}]+[^\W_]*)*"
    word = rf"{part}(?:['’\-‐‑]{part})*"
    return re.compile(rf"{word}|\S" if punctuation else word)


def check_characters(who: str, text: str) -> None:
    """Raise `DataError` for half a surrogate pair, which no file can hold.

    >>> check_characters("Tokenizer", "¿qué? 🙂")
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{who}: half a surrogate pair {text[error.start]!r} at {error.start} is no "
            "character; read the file with its own encoding"
        ) from None
