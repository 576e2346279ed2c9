"""Pictures from PNG and JPEG files, and a user's drawing in the form of the digit data sets."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, DTypeError, ShapeError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image

LAYOUTS = ("mnist", "digits")
"""The data sets in whose form `prepare_digit` puts a picture."""

_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
RESIZES = ("crop", "stretch")
_INK = 0.2  # share of the darkest ink from which a pixel counts as part of the drawing
_FAINT_DOT = 0.08  # ink that never becomes a dot of the 32×32 bitmap
_SURE_DOT = 0.9  # ink that always becomes one
_FAINTEST = 32  # grey levels between background and ink below which a picture is blank


def read_image(
    path: str | os.PathLike[str],
    *,
    grey: bool = False,
    background: int | None = None,
    size: tuple[int, int] | None = None,
    resize: str = "crop",
) -> NDArray[np.uint8]:
    """Return a PNG or JPEG as uint8 0…255, `(row, column, 3)`, or `(row, column)` if `grey`.

    - Palette, black-and-white, CMYK and YCbCr pictures become red, green, blue; grey is
      0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
    - 16 bits a channel are scaled to 8, not clipped.
    - Transparent pixels show `background`, a grey level 0…255; None takes white, or black when what
      is visible is brighter than middle grey, so that a drawing keeps its contrast.
    - The orientation that a camera noted in the file is applied. Of an animation, the first frame.
    - `size`: (rows, columns) to which the picture is brought as by `resize_image`. A JPEG is then
      decoded at a half, a quarter or an eighth where that leaves at least twice as many.

    Raises DataError, naming the file, when it is missing, no PNG or JPEG, damaged, truncated, or
    so large that it looks like an attack (over 89 million pixels).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if background is not None and not 0 <= background <= 255:
        raise ArgumentError(f"read_image: background must be in 0…255, found {background}")
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or np.inf):
                raise Image.DecompressionBombError(f"{image.width} × {image.height} pixels")
            if size is not None:
                least = 2 * max(size)  # the orientation is not known before
                image.draft(None, (least, least))
            ImageOps.exif_transpose(image, in_place=True)
            picture = _to_array(path, image, grey, background)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; name the pictures in it ({path}/*)") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: {_other_kind(path)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: the picture is too large: {error}") from None
    except DataError:
        raise
    except (OSError, EOFError, SyntaxError, ValueError, IndexError, struct.error) as error:
        # What Pillow lets out for damaged files; found by flipping bytes.
        raise DataError(f"{path}: damaged or truncated picture: {error}") from None
    return picture if size is None else resize_image(picture, size, resize=resize)


def resize_image(
    picture: NDArray[np.uint8], size: tuple[int, int], *, resize: str = "crop"
) -> NDArray[np.uint8]:
    """Return a picture, `(row, column)` or `(row, column, 3)`, uint8, with `size` rows and columns.

    - `"crop"`: scaled by one factor to cover `size`, what sticks out cut off evenly on both sides.
    - `"stretch"`: rows and columns scaled each by its own factor.

    Bilinear interpolation, widened to an average over what falls on a pixel when made smaller.

    Raises ArgumentError for an unknown `resize` or an empty `size`.

    >>> wide = np.zeros((10, 30), dtype=np.uint8)
    >>> wide[:, 10:20] = 255
    >>> resize_image(wide, (10, 10)).mean(), resize_image(wide, (10, 10), resize="stretch").mean()
    (np.float64(255.0), np.float64(85.0))
    """
    from PIL import Image

    if resize not in RESIZES:
        raise ArgumentError(
            f"resize_image: unknown resize {resize!r}{nearest(str(resize), RESIZES)} "
            f"(known: {', '.join(RESIZES)})"
        )
    rows, columns = size
    if rows < 1 or columns < 1:
        raise ArgumentError(f"resize_image: size must be at least 1 × 1, found {size}")
    height, width = picture.shape[:2]
    if (height, width) == (rows, columns):
        return picture
    left, top = 0.0, 0.0
    if resize == "crop":
        scale = max(rows / height, columns / width)
        top, left = (height - rows / scale) / 2, (width - columns / scale) / 2
    box = max(left, 0), max(top, 0), min(width - left, width), min(height - top, height)
    image = Image.fromarray(picture)
    return np.array(image.resize((columns, rows), Image.Resampling.BILINEAR, box=box))


def prepare_digit(picture: NDArray[Any], layout: str) -> NDArray[np.uint8]:
    """Return a drawn or photographed digit as the data set `layout` would hold it.

    `picture` is grey, uint8 0…255, `(row, column)`, with one digit on an even background, bright
    or dark (the median of its border). The ink is what differs from the background, darker on a
    bright and brighter on a dark one, scaled so that the strongest is 1. Then, by `layout`:

    - `"mnist"`: uint8 0…255, `(28, 28)`: the box around the ink is scaled to 20 pixels on its
      longer side and set so that its centre of mass falls on pixel (14, 14), as in MNIST.
      Source: Y. LeCun et al., "Gradient-based learning applied to document recognition" (1998).
    - `"digits"`: uint8 0…16, `(8, 8)`: the slant is removed, the box around the ink is stretched to
      32 rows and at most 22 columns, the strongest 30 % become dots, and the dots of each 4×4 block
      are counted, as for the UCI digits. A picture of 8×8 pixels is only scaled.
      Source: M. Garris et al., "NIST form-based handprint recognition system" (1994).

    Raises DataError for a blank picture; ShapeError, DTypeError and ArgumentError for the rest.

    >>> picture = np.full((40, 60), 255, dtype=np.uint8)
    >>> picture[10:30, 12:16] = 0  # a black stroke on white paper
    >>> digit = prepare_digit(picture, "mnist")
    >>> digit.shape, int(digit.max()), [int(rows.mean()) for rows in digit.nonzero()]
    ((28, 28), 255, [13, 13])
    """
    if layout not in LAYOUTS:
        raise ArgumentError(
            f"prepare_digit: unknown layout {layout!r}{nearest(layout, LAYOUTS)} "
            f"(known: {', '.join(LAYOUTS)})"
        )
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        raise DTypeError(f"prepare_digit: picture must be uint8, found {picture.dtype}")
    if picture.ndim != 2 or picture.size == 0:
        raise ShapeError(
            f"prepare_digit: picture must be grey, (row, column), found shape {picture.shape}; "
            "read it with grey=True"
        )
    return _as_mnist(_ink(picture)) if layout == "mnist" else _as_uci(_ink(picture))


_SIGNATURES = (
    (b"GIF8", 0, "GIF"),
    (b"BM", 0, "BMP"),
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
    (b"WEBP", 8, "WebP"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftyphei", 4, "HEIC"),
)


def _other_kind(path: str | os.PathLike[str]) -> str:
    """What a file is that is no PNG or JPEG, as far as its first bytes tell."""
    with open(path, "rb") as file:
        start = file.read(16)
    if not start:
        return "not a PNG or JPEG picture but an empty file"
    for signature, place, kind in _SIGNATURES:
        if start[place:].startswith(signature):
            return f"not a PNG or JPEG picture but {kind}; convert it to one"
    return "not a PNG or JPEG picture; convert it to one"


def _to_array(
    path: str | os.PathLike[str], image: Image, grey: bool, background: int | None
) -> NDArray[np.uint8]:
    if image.mode.startswith("I"):  # convert("L") would clip 16 bits to 255 instead of scaling
        wide = np.asarray(image).astype(np.int64)
        if wide.size and not (wide.min() >= 0 and wide.max() <= 65535):
            raise DataError(f"{path}: grey levels outside 0…65535 are not supported")
        level = ((wide * 255 + 32767) // 65535).astype(np.uint8)
        return level if grey else np.repeat(level[:, :, None], 3, axis=2)
    if image.mode not in _EIGHT_BIT_MODES:
        raise DataError(f"{path}: pictures of mode {image.mode!r} are not supported; save as RGB")
    if not image.has_transparency_data:
        return np.array(image.convert("L" if grey else "RGB"))
    pixels = np.asarray(image.convert("RGBA").convert("LA" if grey else "RGBA")).astype(np.float64)
    colour, alpha = pixels[..., :-1], pixels[..., -1:] / 255
    if background is None:
        visible = float(alpha.sum()) * colour.shape[-1]
        background = 0 if visible > 0 and float((colour * alpha).sum()) / visible >= 128 else 255
    shown = (colour * alpha + background * (1 - alpha)).round().astype(np.uint8)
    return shown[..., 0] if grey else shown


def _ink(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    levels = picture.astype(np.float32)
    border = np.concatenate([levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]])
    background = float(np.median(border))
    ink = background - levels if background >= 128 else levels - background
    strongest = float(ink.max())
    if strongest < _FAINTEST:
        raise DataError(
            f"prepare_digit: the picture looks blank: its ink is {strongest:.0f} grey levels from "
            f"the background {background:.0f}, expected {_FAINTEST} or more"
        )
    scaled: NDArray[np.float32] = np.clip(ink / strongest, 0, 1)
    return scaled


def _box(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = np.flatnonzero((ink > _INK).any(axis=1))
    columns = np.flatnonzero((ink > _INK).any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _resize(ink: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    from PIL import Image

    if ink.shape == (height, width):
        return ink
    scaled = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    # Thin strokes grow faint when made smaller.
    strong: NDArray[np.float32] = np.clip(scaled / scaled.max(), 0, 1)
    return strong


def _as_mnist(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    ink = _box(ink)
    scale = 20 / max(ink.shape)
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    ink = _resize(ink, height, width)
    top, left = (
        min(max(round(14 - centre), 0), 28 - length)
        for centre, length in zip(_centre(ink), ink.shape, strict=True)
    )
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[top : top + height, left : left + width] = (ink * 255).round()
    return digit


def _as_uci(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    if ink.shape == (8, 8):
        return (ink * 16).round().astype(np.uint8)
    ink = _box(_upright(_box(ink)))
    # A 1 is narrow: widening it without limit would make a block of it.
    width = min(22, max(1, round(ink.shape[1] * 32 / ink.shape[0] * 1.5)))
    left = (32 - width) // 2
    canvas = np.zeros((32, 32), dtype=np.float32)
    canvas[:, left : left + width] = _resize(ink, 32, width)
    # In the data set 30 % of the dots are set, so pens of any width come out alike.
    level = min(max(float(np.quantile(canvas, 1 - 0.3)), _FAINT_DOT), _SURE_DOT)
    counts: NDArray[np.uint8] = (
        (canvas > level).reshape(8, 4, 8, 4).sum(axis=(1, 3), dtype=np.uint8)
    )
    return counts


def _upright(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shear the rows so that the ink's row and column are uncorrelated."""
    from PIL import Image

    height, width = ink.shape
    row, column = _centre(ink)
    y = np.arange(height)[:, None] - row
    x = np.arange(width)[None, :] - column
    spread = float((ink * y * y).sum())
    if spread == 0:
        return ink
    slant = float((ink * y * x).sum()) / spread
    margin = round(abs(slant) * height) + 1
    sheared = Image.fromarray(ink).transform(
        (width + 2 * margin, height),
        Image.Transform.AFFINE,
        (1, slant, -margin - slant * row, 0, 1, 0),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(sheared)


def _centre(ink: NDArray[np.float32]) -> tuple[float, float]:
    total = float(ink.sum())
    row = float(ink.sum(axis=1) @ np.arange(ink.shape[0])) / total
    column = float(ink.sum(axis=0) @ np.arange(ink.shape[1])) / total
    return row, column
