"""A sheet of pictures with a line under each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError
from neurona.data.files import replacing

TILE = 96
"""The least side of a picture on a sheet, in pixels."""
_LINE, _GAP = 16, 4


def check_name(path: Path) -> None:
    """Raise ArgumentError for a file of another kind."""
    if path.suffix.lower() != ".png":
        raise ArgumentError(f"--output {path}: a sheet is saved as .png")


def save_sheet(
    pictures: Sequence[NDArray[Any]], captions: Sequence[str], white: float, across: int, path: Path
) -> None:
    """Write pictures of one size, with levels 0…white, in rows of `across`, as PNG."""
    from PIL import Image, ImageDraw

    height, width = pictures[0].shape[:2]
    scale = max(1, -(-TILE // max(height, width)))
    cell = (width * scale + 2 * _GAP, height * scale + 2 * _GAP + _LINE)
    size = (cell[0] * min(across, len(pictures)), cell[1] * -(-len(pictures) // across))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(place, across)
        corner = (column * cell[0] + _GAP, row * cell[1] + _GAP)
        large = Image.fromarray(to_bytes(picture, white)).resize(
            (width * scale, height * scale), Image.Resampling.NEAREST
        )
        sheet.paste(large, corner)
        pen.text((corner[0], corner[1] + height * scale + 1), caption, fill="black")
    with replacing(path) as file:
        sheet.save(file, "PNG")


def to_bytes(picture: NDArray[Any], white: float) -> NDArray[np.uint8]:
    """A picture with levels 0…white as 0…255."""
    scaled = picture.astype(np.float64) * (255 / (white or 1))
    result: NDArray[np.uint8] = scaled.round().clip(0, 255).astype(np.uint8)
    return result
