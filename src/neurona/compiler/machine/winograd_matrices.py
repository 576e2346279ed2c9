"""The matrices of Winograd's convolution, exact.

Of an r×r kernel w and a patch d of n×n elements, n = m + r − 1, the m×m results that fit are

    Y = Aᵀ ((G w Gᵀ) ⊙ (Bᵀ d B)) A,

n² products in place of m²r² (Winograd, "Arithmetic complexity of computations", 1980; Lavin and
Gray, "Fast algorithms for convolutional neural networks", 2016). The matrices evaluate and
interpolate polynomials at n − 1 points and at infinity. The points decide how far rounding errors
grow (Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution", 2020);
those here were chosen by measurement: see the compiler's page of the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Matrix = tuple[tuple[Fraction, ...], ...]

POINTS = {
    4: (Fraction(0), Fraction(1), Fraction(-1)),
    6: (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2)),
}
"""Finite points by the size of a patch. Pairs ±a share their sums (see `Maps`), and sums of a few
powers of two are exact in floating point."""


@dataclass(frozen=True)
class Algorithm:
    """F(m×m, r×r): `tile` = m results along an axis, a kernel of `kernel` = r elements.

    input: Bᵀ (n, n). weights: G (n, r). output: Aᵀ (m, n).
    """

    tile: int
    kernel: int

    @property
    def patch(self) -> int:
        """n, the elements along an axis that a tile of results depends on."""
        return self.tile + self.kernel - 1

    @property
    def places(self) -> int:
        """Products of a tile."""
        return self.patch**2

    @property
    def input(self) -> Matrix:
        points = POINTS[self.patch]
        rows = [_monic([b for b in points if b != a], self.patch) for a in points]
        return (*rows, _monic(points, self.patch))

    @property
    def weights(self) -> Matrix:
        rows = []
        points = POINTS[self.patch]
        for a in points:
            scale = Fraction(1)
            for b in points:
                scale *= a - b if a != b else 1
            rows.append(tuple(power / scale for power in _powers(a, self.kernel)))
        return (*rows, _last(self.kernel))

    @property
    def output(self) -> Matrix:
        columns = [_powers(a, self.tile) for a in POINTS[self.patch]]
        return transpose((*columns, _last(self.tile)))


def transpose(matrix: Matrix) -> Matrix:
    """Rows for columns."""
    return tuple(zip(*matrix, strict=True))


def _monic(roots: tuple[Fraction, ...] | list[Fraction], size: int) -> tuple[Fraction, ...]:
    """Coefficients of Π (x − root), from that of 1 on, zeros behind them."""
    found = [Fraction(1)]
    for root in roots:
        higher, lower = [Fraction(0), *found], [*found, Fraction(0)]
        found = [high - root * low for high, low in zip(higher, lower, strict=True)]
    return (*found, *[Fraction(0)] * (size - len(found)))


def _powers(a: Fraction, count: int) -> tuple[Fraction, ...]:
    return tuple(a**k for k in range(count))


def _last(size: int) -> tuple[Fraction, ...]:
    """What is left at infinity: the highest coefficient."""
    return (*[Fraction(0)] * (size - 1), Fraction(1))
