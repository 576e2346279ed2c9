"""Images of other sizes: interpolation, and channels exchanged for pixels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array, Shape
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import choice, float_input
from neurona.nn.running import who
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.operand import operand
from neurona.ops.resample import resample
from neurona.ops.shape import permute_dims

AXES_OF_MODE = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
CUBIC = -0.75
"""The slope of Keys' kernel at distance 1."""


def interpolate(
    x: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """x (batch, channels, *spatial) at another size.

    size: the spatial extents, or scale_factor: by what they are multiplied (rounded down); one
        number, or one an axis.
    mode: "nearest" (as OpenCV's, which may be half a pixel off; "nearest-exact" is not), "linear",
        "bilinear", "trilinear" by the number of spatial axes, or "bicubic" (Keys, 1981, a = −3/4).
    align_corners: whether the centres of the corner pixels stay where they are; else the corners of
        the image do.
    recompute_scale_factor: whether the step between samples follows from the rounded size rather
        than from scale_factor.
    Raises `ArgumentError` for a mode that does not fit the axes.

    >>> import neurona as ne
    >>> from neurona.nn import functional as F
    >>> F.interpolate(ne.asarray([[[1.0, 3.0]]]), size=4)
    Tensor([[[1., 1., 3., 3.]]], dtype=float32)
    >>> F.interpolate(ne.asarray([[[1.0, 3.0]]]), size=4, mode="linear")
    Tensor([[[1. , 1.5, 2.5, 3. ]]], dtype=float32)
    """
    z = float_input("interpolate", x)
    choice("interpolate", "mode", mode, tuple(AXES_OF_MODE))
    axes = z.ndim - 2
    if axes not in AXES_OF_MODE[mode]:
        wanted = " or ".join(map(str, AXES_OF_MODE[mode]))
        raise ArgumentError(
            f"{who('interpolate')}: mode {mode!r} is for {wanted} spatial axes, but x {z.shape} "
            f"(batch, channels, *spatial) has {axes}"
        )
    if align_corners is not None and mode.startswith("nearest"):
        raise ArgumentError(
            f"{who('interpolate')}: align_corners is for the linear and cubic modes, not {mode!r}"
        )
    extents, factors = _sizes(z.shape, size, scale_factor, bool(recompute_scale_factor))
    for axis, (extent, factor) in enumerate(zip(extents, factors, strict=True), 2):
        z = _along(z, axis, extent, factor, mode, bool(align_corners))
    return z


def _sizes(
    shape: Shape,
    size: int | Sequence[int] | None,
    scale_factor: float | Sequence[float] | None,
    recompute: bool,
) -> tuple[Shape, tuple[float | None, ...]]:
    """The extents, and the factor of each axis where it counts more than the rounded extents."""
    spatial = shape[2:]
    name, given = ("scale_factor", scale_factor) if size is None else ("size", size)
    values = tuple(given) if isinstance(given, Sequence) else (given,) * len(spatial)
    if (size is None) == (scale_factor is None) or len(values) != len(spatial):
        raise ArgumentError(
            f"{who('interpolate')}: either size or scale_factor is needed, one number or one for "
            f"each of the {len(spatial)} spatial axes of x {shape}; given were size {size} and "
            f"scale_factor {scale_factor}"
        )
    if name == "size":
        extents = tuple(int(n) for n in values if n is not None)
    else:
        extents = tuple(int(n * f) for n, f in zip(spatial, values, strict=True) if f is not None)
    if min(extents) < 1 or min(spatial) < 1:
        raise ShapeError(
            f"{who('interpolate')}: {name} {given} takes x {shape} to spatial extents {extents}; "
            "each must be at least 1, before and after"
        )
    follow = name == "size" or recompute
    return extents, tuple(None if follow else f for f in values)


def _along(
    x: Tensor, axis: int, extent: int, factor: float | None, mode: str, align: bool
) -> Tensor:
    given, (times, rest) = x.shape[axis], divmod(extent, x.shape[axis])
    exact = rest == 0 and factor in (None, times)
    if exact and (times == 1 or mode.startswith("nearest") or given == 1):
        wide = (*x.shape[: axis + 1], times, *x.shape[axis + 1 :])
        whole = broadcast_to(reshape(x, (*wide[: axis + 1], 1, *wide[axis + 2 :])), wide)
        return reshape(whole, (*x.shape[:axis], extent, *x.shape[axis + 1 :]))
    places, weights = _table(given, extent, factor, mode, align, x.dtype.itemsize > 4)
    return resample(x, places, weights, axis=axis)


@functools.lru_cache(maxsize=64)
def _table(
    given: int, extent: int, factor: float | None, mode: str, align: bool, double: bool
) -> tuple[Array, Array]:
    """Which places each result reads, and with which weights: (extent, terms) each."""
    # Positions are taken in the precision of the values, as everywhere else.
    kind: Any = np.float64 if double and not mode.startswith("nearest") else np.float32
    i = np.arange(extent).astype(kind)
    step = kind(given / extent) if factor is None else kind(1 / factor)
    if mode.startswith("nearest"):
        at = i * step if mode == "nearest" else (i + kind(0.5)) * step
        places = np.minimum(np.floor(at).astype(np.int64), given - 1)[:, None]
        return places, np.ones((extent, 1))
    if align:
        at = i * kind((given - 1) / (extent - 1) if extent > 1 else 0)
    else:
        at = step * (i + kind(0.5)) - kind(0.5)
    if mode != "bicubic":
        at = np.maximum(at, 0)
        low = np.minimum(np.floor(at).astype(np.int64), given - 1)
        part = np.minimum(at - low, 1).astype(np.float64)
        places = np.stack([low, np.minimum(low + 1, given - 1)], axis=1)
        return places, np.stack([1 - part, part], axis=1)
    low = np.floor(at).astype(np.int64)
    part = (at - low).astype(np.float64)
    places = np.clip(low[:, None] + np.arange(-1, 3), 0, given - 1)
    return places, np.stack(
        [_keys(part + 1), _keys(part), _keys(1 - part), _keys(2 - part)], axis=1
    )


def _keys(d: Array) -> Array:
    """Keys' cubic kernel at distances of 0 to 2."""
    near = ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1
    far = ((CUBIC * d - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC
    return np.where(d <= 1, near, far)


def pixel_shuffle(x: Any, upscale_factor: int) -> Tensor:
    """(…, channels·r², height, width) → (…, channels, height·r, width·r), with r = upscale_factor.

    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network" (2016).

    >>> import neurona as ne
    >>> from neurona.nn import functional as F
    >>> F.pixel_shuffle(ne.reshape(ne.arange(4), (4, 1, 1)), 2)
    Tensor([[[0, 1],
             [2, 3]]], dtype=int64)
    """
    z, r = operand(x), upscale_factor
    if z.ndim < 3 or r < 1 or z.shape[-3] % (r * r):
        raise ShapeError(
            f"{who('pixel_shuffle')}: x {z.shape} must be (…, channels, height, width) with a "
            f"multiple of upscale_factor² = {r}² channels"
        )
    *lead, channels, height, width = z.shape
    parts, n = reshape(z, (*lead, channels // (r * r), r, r, height, width)), len(lead)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return reshape(permute_dims(parts, order), (*lead, channels // (r * r), height * r, width * r))


def pixel_unshuffle(x: Any, downscale_factor: int) -> Tensor:
    """What `pixel_shuffle` undoes: (…, c, height·r, width·r) → (…, c·r², height, width)."""
    z, r = operand(x), downscale_factor
    if z.ndim < 3 or r < 1 or z.shape[-1] % r or z.shape[-2] % r:
        raise ShapeError(
            f"{who('pixel_unshuffle')}: x {z.shape} must be (…, channels, height, width) with "
            f"height and width multiples of downscale_factor {r}"
        )
    *lead, channels, height, width = z.shape
    parts, n = reshape(z, (*lead, channels, height // r, r, width // r, r)), len(lead)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    shape = (*lead, channels * r * r, height // r, width // r)
    return reshape(permute_dims(parts, order), shape)
