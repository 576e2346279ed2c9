"""Grey pictures in the terminal, in characters alone, so that they need no colours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHADES = " ░▒▓█"
PLAIN_SHADES = " .:+#"
GAP = "   "


def shades_for(stream: Any) -> str:
    """The characters from no ink to full ink that a stream can show."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        SHADES.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return PLAIN_SHADES
    return SHADES


def draw(picture: NDArray[Any], shades: str = SHADES) -> list[str]:
    """A picture `(row, column)`, ink from 0, as lines of text, two characters a pixel.

    Pictures of more than 16 rows are halved first, so that a digit of MNIST is 14 lines high.

    >>> for line in draw(np.array([[0, 1], [4, 2]])):
    ...     print(f"[{line}]")
    [  ░░]
    [██▒▒]
    """
    ink = picture.astype(np.float64)
    while ink.shape[0] > 16:
        even = np.pad(ink, [(0, extent % 2) for extent in ink.shape])
        ink = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    strongest = float(ink.max(initial=0)) or 1.0
    level = (ink / strongest * (len(shades) - 1)).round().astype(int)
    return ["".join(shades[one] * 2 for one in row) for row in level]


def draw_row(
    pictures: Sequence[NDArray[Any]], captions: Sequence[Sequence[str]], stream: Any = None
) -> str:
    """Pictures of one size side by side, each with the lines of its caption below.

    stream: where the text will go, which decides on the characters; default: standard output.

    >>> one = np.array([[0, 4], [4, 0]])
    >>> print(draw_row([one, one], [["a"], ["b"]], stream=None))  # doctest: +SKIP
    """
    shades = shades_for(sys.stdout if stream is None else stream)
    drawn = [draw(picture, shades) for picture in pictures]
    height = max(len(lines) for lines in captions)
    columns = []
    for lines, caption in zip(drawn, captions, strict=True):
        column = [*lines, *caption, *[""] * (height - len(caption))]
        width = max(len(line) for line in column)
        columns.append([line.ljust(width) for line in column])
    return "\n".join(GAP.join(row).rstrip() for row in zip(*columns, strict=True))
