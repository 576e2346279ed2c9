"""Two samples mixed, pictures and targets alike."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.data.augmentation.transform import require


@dataclass(frozen=True)
class Mixing(ABC):
    """The base of `MixUp` and `CutMix`; the last in the list of `augment`.

    The other sample is drawn from the whole source by the sample's own generator, so that the
    result does not depend on who else is in the batch. Targets become vectors, mixed in the shares
    that the pictures have.

    - `alpha`: the shares are drawn from Beta(alpha, alpha): near 0 one sample is nearly alone, at 1
      all shares are as likely.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        require(self, "alpha", 0 < self.alpha < math.inf, "above 0")

    def __call__(
        self,
        first: tuple[NDArray[Any], NDArray[np.float32]],
        second: tuple[NDArray[Any], NDArray[np.float32]],
        generator: np.random.Generator,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return the mixture of two samples (picture, target vector)."""
        share = float(generator.beta(self.alpha, self.alpha))
        picture, share = self.mixed(first[0], second[0], share, generator)
        target = np.float32(share) * first[1] + np.float32(1 - share) * second[1]
        return picture, target.astype(np.float32)

    @abstractmethod
    def mixed(
        self,
        first: NDArray[Any],
        second: NDArray[Any],
        share: float,
        generator: np.random.Generator,
    ) -> tuple[NDArray[Any], float]:
        """Return the mixture of two pictures, and the first one's share in it."""


@dataclass(frozen=True)
class MixUp(Mixing):
    """Both pictures everywhere: λ·x₁ + (1 − λ)·x₂, with targets λ·y₁ + (1 − λ)·y₂.

    Source: H. Zhang et al., "mixup: beyond empirical risk minimization" (2017).
    """

    def mixed(
        self,
        first: NDArray[Any],
        second: NDArray[Any],
        share: float,
        generator: np.random.Generator,
    ) -> tuple[NDArray[Any], float]:
        """Return the mean of two pictures with weights."""
        values = first * np.float32(share) + second * np.float32(1 - share)
        if first.dtype == np.uint8:
            values = np.rint(values)
        return values.astype(first.dtype), share


@dataclass(frozen=True)
class CutMix(Mixing):
    """A rectangle of the second picture in the first, its sides √(1 − λ) of the whole.

    Source: S. Yun et al., "CutMix: regularization strategy to train strong classifiers with
    localizable features" (2019). There alpha is 1.
    """

    alpha: float = 1.0

    def mixed(
        self,
        first: NDArray[Any],
        second: NDArray[Any],
        share: float,
        generator: np.random.Generator,
    ) -> tuple[NDArray[Any], float]:
        """Return the first picture with a part of the second, and what is left of the first."""
        rows, columns = first.shape[:2]
        side = math.sqrt(1 - share)
        down, right = generator.random(2).tolist()
        top, bottom = _cut(down, side, rows)
        left, right_end = _cut(right, side, columns)
        picture = first.copy()
        picture[top:bottom, left:right_end] = second[top:bottom, left:right_end]
        return picture, 1 - (bottom - top) * (right_end - left) / (rows * columns)


def _cut(centre: float, side: float, length: int) -> tuple[int, int]:
    """From where to where a side goes whose centre is anywhere in the picture."""
    half = round(side * length) / 2
    middle = int(centre * length)
    return max(int(middle - half), 0), min(int(middle + half), length)
