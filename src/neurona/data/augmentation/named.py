"""Transformations by name, as configurations have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.data.augmentation import colour, crops, defects, geometry, mixing
from neurona.data.augmentation.mixing import Mixing
from neurona.data.augmentation.transform import Transform

KINDS: dict[str, type[Transform] | type[Mixing]] = {
    "mirror": geometry.Mirror,
    "rotate": geometry.Rotate,
    "translate": geometry.Translate,
    "stretch": geometry.Stretch,
    "shear": geometry.Shear,
    "crop": crops.Crop,
    "resized_crop": crops.ResizedCrop,
    "centre_crop": crops.CentreCrop,
    "resize": crops.Resize,
    "brightness": colour.Brightness,
    "contrast": colour.Contrast,
    "saturation": colour.Saturation,
    "hue": colour.Hue,
    "colour_noise": colour.ColourNoise,
    "noise": colour.Noise,
    "salt_and_pepper": defects.SaltAndPepper,
    "erase": defects.Erase,
    "blur": defects.Blur,
    "normalise": colour.Normalise,
    "mixup": mixing.MixUp,
    "cutmix": mixing.CutMix,
}
"""The transformations by the names that configurations have for them."""


def make(table: Mapping[str, Any]) -> Transform | Mixing:
    """Return the transformation that a table describes: its `kind`, and its arguments by name.

    Raises ArgumentError for an unknown kind or argument, with the nearest known one, for a missing
    argument and for a value that is refused.

    >>> make({"kind": "rotate", "degrees": 10})
    Rotate(p=1.0, fill=0.0, interpolation='bilinear', degrees=10)
    """
    kind = table.get("kind")
    if kind is None:
        raise ArgumentError("'kind' is missing, as in { kind = \"rotate\", degrees = 10 }")
    if kind not in KINDS:
        raise ArgumentError(
            f"unknown kind {kind!r}{nearest(str(kind), KINDS)} (known: {', '.join(KINDS)})"
        )
    known = [one.name for one in fields(KINDS[kind])]
    options = {name: _plain(value) for name, value in table.items() if name != "kind"}
    for name in options:
        if name not in known:
            raise ArgumentError(
                f"{kind} has no option {name!r}{nearest(name, known)} (known: {', '.join(known)})"
            )
    try:
        return KINDS[kind](**options)
    except TypeError as error:
        raise ArgumentError(f"{kind}: {str(error).rpartition('() ')[2]}") from None


def describe(transform: Transform | Mixing) -> dict[str, Any]:
    """Return the table that `make` makes the transformation of, fit for JSON.

    >>> from neurona.data import augmentation
    >>> describe(augmentation.CentreCrop((24, 20)))
    {'kind': 'centre_crop', 'size': [24, 20]}
    """
    kind = next(name for name, one in KINDS.items() if one is type(transform))
    options = {}
    for field in fields(transform):
        value = getattr(transform, field.name)
        if value != field.default:
            options[field.name] = list(value) if isinstance(value, tuple) else value
    return {"kind": kind, **options}


def _plain(value: Any) -> Any:
    """Lists as the tuples that they stand for."""
    return tuple(_plain(one) for one in value) if isinstance(value, list) else value
