"""Moving pixels: bilinear and other values at the places that a matrix names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = tuple[float, float, float, float, float, float]
"""x' = a·x + b·y + c, y' = d·x + e·y + f; x to the right, y down, from the picture's centre."""
BORDERS = ("edge", "reflect")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")

_SMALL = 64 * 64
"""Up to so many pixels a picture takes Pillow's calls longer than its arithmetic."""
_AT_ONCE = 1 << 15
"""Pixels moved at once, so that what is worked out stays in the cache."""


def is_mirror(matrix: Matrix) -> bool:
    """Whether pixels only change their places with others."""
    a, b, c, d, e, f = matrix
    return b == c == d == f == 0 and abs(a) == abs(e) == 1


def mirrored(image: NDArray[Any], matrix: Matrix) -> NDArray[Any]:
    """A picture mirrored as a matrix says; no value changes."""
    return image[:: int(matrix[4]), :: int(matrix[0])]


def warped(
    images: NDArray[Any],
    matrices: Sequence[Matrix],
    fill: float | str,
    interpolation: str,
    white: float,
) -> NDArray[Any]:
    """Pictures (batch, row, column, channel) whose pixels went where their matrices say.

    Outside a picture lies its border as `fill` says; at the border there is a mean of both.
    """
    rows, columns = images.shape[1:3]
    backs = [inverse(matrix, rows, columns) for matrix in matrices]
    small = rows * columns <= _SMALL and interpolation == "bilinear"
    if small and not isinstance(fill, str):
        result = np.empty_like(images)
        level, at_once = np.float32(fill * white), max(1, _AT_ONCE // (rows * columns))
        for begin in range(0, len(images), at_once):
            some = slice(begin, begin + at_once)
            _bilinear(images[some], np.array(backs[some], np.float32), level, result[some])
        return result
    moved = [
        _moved(image, back, fill, interpolation, white)
        for image, back in zip(images, backs, strict=True)
    ]
    return np.stack(moved)


def _bilinear(
    images: NDArray[Any], backs: NDArray[np.float32], level: np.float32, result: NDArray[Any]
) -> None:
    """Many small pictures at once."""
    batch, rows, columns, channels = images.shape
    wide = np.full((batch, rows + 2, columns + 2, channels), level, np.float32)
    wide[:, 1:-1, 1:-1] = images
    u, v, w, x, y, z = (part[:, None, None] for part in backs.T)
    right = np.arange(columns, dtype=np.float32) + np.float32(0.5)
    down = np.arange(rows, dtype=np.float32)[:, None] + np.float32(0.5)
    # From the centre of the first pixel of the border; the last place lies before the far border.
    across = (u * right + (w + np.float32(0.5))) + v * down
    along = (x * right + (z + np.float32(0.5))) + y * down
    np.clip(across, 0, np.float32(columns + 1 - 3e-5), out=across)
    np.clip(along, 0, np.float32(rows + 1 - 3e-5), out=along)
    column, row = across.astype(np.intp), along.astype(np.intp)
    across -= column
    along -= row
    row += (np.arange(batch) * (rows + 2))[:, None, None]
    row *= columns + 2
    row += column
    across, along = across.reshape(-1, 1), along.reshape(-1, 1)
    flat, place = wide.reshape(-1, channels), row.reshape(-1)
    top = _between_two(flat, place, across)
    place += columns + 2
    bottom = _between_two(flat, place, across)
    bottom -= top
    bottom *= along
    top += bottom
    if result.dtype == np.uint8:
        top += np.float32(0.5)
    result[:] = top.reshape(result.shape)


def _between_two(
    flat: NDArray[np.float32], place: NDArray[np.intp], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Values between a place and the next one to the right."""
    # The places are in range by construction, and "clip" spares a check.
    left = flat.take(place, 0, mode="clip")
    right = flat[1:].take(place, 0, mode="clip")
    right -= left
    right *= share
    left += right
    return left


def inverse(matrix: Matrix, rows: int, columns: int) -> Matrix:
    """Where each pixel of the result comes from, both counted from the top left corner."""
    a, b, c, d, e, f = matrix
    size = a * e - b * d
    # Pillow cuts bytes off instead of rounding: a right angle must not be off by a rounding error.
    u, v, x, y = (round(entry / size, 12) for entry in (e, -b, -d, a))
    middle, half = columns / 2, rows / 2
    return (
        u,
        v,
        middle - u * (middle + c) - v * (half + f),
        x,
        y,
        half - x * (middle + c) - y * (half + f),
    )


def _moved(
    image: NDArray[Any], back: Matrix, fill: float | str, interpolation: str, white: float
) -> NDArray[Any]:
    """One picture (row, column, channel), by Pillow."""
    rows, columns = image.shape[:2]
    level: float = 0
    if isinstance(fill, str):
        image, back = _bordered(image, back, fill)
    else:
        level = round(fill * white) if image.dtype == np.uint8 else fill * white
        if interpolation != "nearest":
            image = np.pad(image, [(1, 1), (1, 1), (0, 0)], constant_values=level)
            u, v, w, x, y, z = back
            back = u, v, w + 1, x, y, z + 1
    moved = _resampled(image, back, (columns, rows), interpolation, level)
    # Cubic curves overshoot; Pillow cuts bytes off, but no other numbers.
    return moved if image.dtype == np.uint8 else moved.clip(0, np.float32(white))


def warp_labels(
    labels: NDArray[Any], matrix: Matrix, fill: float | str, outside: int
) -> NDArray[Any]:
    """A map of labels moved like its picture: no new labels come of it."""
    rows, columns = labels.shape
    u, v, w, x, y, z = inverse(matrix, rows, columns)
    right, down = np.arange(columns) + 0.5, np.arange(rows)[:, None] + 0.5
    column = np.floor(u * right + v * down + w).astype(np.int64)
    row = np.floor(x * right + y * down + z).astype(np.int64)
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    if fill == "reflect":
        row, column = _reflected(row, rows), _reflected(column, columns)
    found: NDArray[Any] = labels[row.clip(0, rows - 1), column.clip(0, columns - 1)]
    return found if isinstance(fill, str) else np.where(inside, found, labels.dtype.type(outside))


def _reflected(place: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    place = place % (2 * length)
    return np.minimum(place, 2 * length - 1 - place)


def _bordered(image: NDArray[Any], back: Matrix, fill: str) -> tuple[NDArray[Any], Matrix]:
    """The picture with as much around it as the matrix looks at."""
    rows, columns = image.shape[:2]
    u, v, w, x, y, z = back
    corners = [(right, down) for right in (0, columns) for down in (0, rows)]
    across = [u * right + v * down + w for right, down in corners]
    along = [x * right + y * down + z for right, down in corners]
    margins = [
        (max(0, math.ceil(-min(places)) + 1), max(0, math.ceil(max(places) - length) + 1))
        for places, length in ((along, rows), (across, columns))
    ]
    mode: Any = "edge" if fill == "edge" else "symmetric"
    wide = np.pad(image, [*margins, (0, 0)], mode)
    return wide, (u, v, w + margins[1][0], x, y, z + margins[0][0])


def _resampled(
    image: NDArray[Any], back: Matrix, size: tuple[int, int], interpolation: str, level: float
) -> NDArray[Any]:
    """A picture taken apart and put together again by Pillow; size: (columns, rows)."""
    from PIL import Image

    method = getattr(Image.Resampling, interpolation.upper())
    affine = Image.Transform.AFFINE
    channels = image.shape[2]
    if image.dtype == np.uint8:
        fill: Any = level
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        fill = fill if channels == 1 else (fill,) * channels
        moved = picture.transform(size, affine, back, method, fillcolor=fill)
        return np.asarray(moved).reshape(size[1], size[0], channels)
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., channel])).transform(
            size, affine, back, method, fillcolor=level
        )
        for channel in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)
