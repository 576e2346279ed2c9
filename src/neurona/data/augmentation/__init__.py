"""Transformations of pictures, so that a network sees other ones in every epoch.

`neurona.data.augment` puts them in front of a data set or a source.
"""

from neurona.data.augmentation.colour import (
    Brightness,
    ColourNoise,
    Contrast,
    Hue,
    Noise,
    Normalise,
    Saturation,
)
from neurona.data.augmentation.crops import CentreCrop, Crop, Resize, ResizedCrop
from neurona.data.augmentation.defects import Blur, Erase, SaltAndPepper
from neurona.data.augmentation.geometry import Mirror, Rotate, Shear, Stretch, Translate
from neurona.data.augmentation.mixing import CutMix, Mixing, MixUp
from neurona.data.augmentation.named import KINDS, describe, make
from neurona.data.augmentation.source import Augmented
from neurona.data.augmentation.transform import Augmentation, Transform

__all__ = [
    "KINDS",
    "Augmentation",
    "Augmented",
    "Blur",
    "Brightness",
    "CentreCrop",
    "ColourNoise",
    "Contrast",
    "Crop",
    "CutMix",
    "Erase",
    "Hue",
    "Mirror",
    "MixUp",
    "Mixing",
    "Noise",
    "Normalise",
    "Resize",
    "ResizedCrop",
    "Rotate",
    "SaltAndPepper",
    "Saturation",
    "Shear",
    "Stretch",
    "Transform",
    "Translate",
    "describe",
    "make",
]
