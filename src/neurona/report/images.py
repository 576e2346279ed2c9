"""Arrays as PNG pictures that stand in the page itself."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

RISING, FALLING = (230, 120, 20), (40, 120, 220)
"""Colours of positive and negative weights; what is 0 is transparent, so that any page shows it."""


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture `(row, column)`, or `(row, column, 3 or 4)`, uint8 0…255, as a data URI.

    >>> data_uri(np.zeros((2, 2), np.uint8))[:30]
    'data:image/png;base64,iVBORw0K'
    """
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def diverging(values: NDArray[Any], largest: float) -> NDArray[np.uint8]:
    """Signed values `(row, column)` as colours `(row, column, 4)`: opaque at ±largest."""
    share = np.clip(np.nan_to_num(values) / (largest or 1.0), -1, 1)[..., None]
    colour = np.where(share > 0, RISING, FALLING)
    opaque = (np.abs(share) * 255).round()
    return np.concatenate([colour, opaque], axis=-1).astype(np.uint8)


def weight_picture(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The weights of one unit: signed, or as a colour picture `(row, column, 3)` around grey."""
    largest = float(np.abs(values).max(initial=0)) or 1.0
    if values.ndim == 3:
        return (127.5 * (1 + values / largest)).round().astype(np.uint8)
    return diverging(values, largest)


def map_sheet(levels: NDArray[Any], columns: int = 4) -> NDArray[np.uint8]:
    """Activation maps `(channel, row, column)` of −127…127 side by side, with gaps between them.

    >>> map_sheet(np.zeros((6, 5, 5), np.int8)).shape
    (11, 23, 4)
    """
    count, height, width = levels.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    sheet = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for place, one in enumerate(levels):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        sheet[top : top + height, left : left + width] = diverging(one, 127.0)
    return sheet


def heat_map(counts: NDArray[Any]) -> NDArray[np.uint8]:
    """A confusion matrix as colours: shares of each row; mistakes are drawn stronger than they are.

    Large matrices are made smaller by adding up neighbours.
    """
    step = -(-len(counts) // 400)
    if step > 1:
        padded = np.pad(counts, (0, -len(counts) % step))
        blocks = padded.reshape(len(padded) // step, step, len(padded) // step, step)
        counts = blocks.sum(axis=(1, 3))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.sqrt(shares)
    right = np.eye(len(counts), dtype=bool)
    return diverging(np.where(right, -shares, wrong), 1.0)
