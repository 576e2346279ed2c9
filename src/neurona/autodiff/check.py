"""The numerical gradient check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neurona.autodiff.functional import jvp, vjp
from neurona.core.dtypes import float64, is_float
from neurona.core.errors import ArgumentError, DTypeError, GradientError
from neurona.core.node import constant
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.core.tree import flatten, paths, unflatten
from neurona.ops.operand import operand

Leaves = list[Tensor]
Place = tuple[int, tuple[int, ...]]
"""An element: which input, and the index in it."""

KINK = 1e-3
"""Slopes to the left and right that differ by more than this part of the gradient make a kink."""
FLOOR = 1e-4
"""Differences of a number cannot show a slope much smaller than the number: this part of it."""
DUALITY = 1e-9
"""By how much the two scalar products may differ, as a part of the sum of their terms' sizes."""


@dataclass(frozen=True)
class GradientReport:
    """What `check_gradients` found.

    max_error: the largest relative difference between reverse mode and central differences, at
        `where` with these two numbers. duality_error: that between ⟨v, uᵀJ⟩ and ⟨u, J·v⟩.
    checked, excluded: how many elements were compared, and how many left out as kinks.
    """

    order: int
    checked: int
    excluded: int
    max_error: float
    where: str
    reverse_mode: float
    differences: float
    duality_error: float


def check_gradients(
    fn: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    eps: float = 6e-6,
    tolerance: float = 1e-6,
    exclude_kinks: bool = False,
    samples: int | None = None,
    seed: int = 0,
) -> GradientReport:
    """Compare the derivatives of `fn` with central differences and with their own transpose.

    With a random cotangent u and s(x) = ⟨u, fn(x)⟩: ∂s/∂xᵢ ≈ (s(x + hᵢ) − s(x − hᵢ))/2h, and
    ⟨v, uᵀJ⟩ = ⟨u, J·v⟩ for a random tangent v. All float inputs are made float64; others are handed
    on. `fn` must compute in float64 all through and be the same at every call.

    inputs: tensors, arrays, numbers, in nested tuples, lists and dicts.
    order: 2 checks the derivatives of the gradient ∂s/∂x as well.
    eps: the step h, times max(1, |xᵢ|). tolerance: for |a − b|/max(|a|, |b|, 10⁻⁴·Σ|u·fn(x)|).
    exclude_kinks: leave out elements where the slopes to the left and right differ.
    samples: how many random elements of each input are compared; all by default.
    Raises `GradientError` with the worst element.

    >>> import neurona as ne
    >>> ne.check_gradients(lambda x: ne.exp(x) * x, ne.asarray([0.5, -1.0]), order=2).checked
    4
    """
    if order not in (1, 2):
        raise ArgumentError(f"check_gradients: order must be 1 or 2, not {order!r}")
    given, structure = flatten(inputs)
    leaves = [
        operand(np.asarray(leaf)) if isinstance(leaf, (float, np.ndarray)) else leaf
        for leaf in given
    ]
    at = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and is_float(leaf.dtype)]
    if not at:
        raise ArgumentError(
            "check_gradients: none of the inputs is a float tensor, array or number"
        )
    names = [f"inputs{path}" for path in paths(structure)]
    values = [Tensor(constant(np.array(leaves[i].numpy(), float64))) for i in at]
    random = np.random.default_rng(seed)

    def of_floats(*floats: Tensor) -> Leaves:
        filled = list(leaves)
        for i, value in zip(at, floats, strict=True):
            filled[i] = value
        return _outputs(fn(*unflatten(structure, filled)))

    check = _Check([names[i] for i in at], eps, tolerance, exclude_kinks, samples, random)
    first, cotangents = check.run(of_floats, values, 1)
    if order == 1:
        return first
    second, _ = check.run(lambda *xs: list(vjp(of_floats, *xs)[1](cotangents)), values, 2)
    worst = max(first, second, key=lambda report: report.max_error)
    return replace(
        worst,
        order=2,
        checked=first.checked + second.checked,
        excluded=first.excluded + second.excluded,
        duality_error=max(first.duality_error, second.duality_error),
    )


def _outputs(result: Any) -> Leaves:
    leaves, _ = flatten(result)
    for leaf in leaves:
        if isinstance(leaf, Tensor) and leaf.dtype != float64:
            raise DTypeError(
                f"check_gradients: the function returned {leaf.dtype} for float64 inputs; "
                "differences need float64 all through, so pass its float tensors as inputs too"
            )
    return leaves


@dataclass(frozen=True)
class _Check:
    """One check of one function; the fields are those of `check_gradients`."""

    names: Sequence[str]
    eps: float
    tolerance: float
    exclude_kinks: bool
    samples: int | None
    random: np.random.Generator
    kinks: set[Place] = field(default_factory=set)
    """Elements left out: at a kink of the function its gradient jumps, to both sides alike."""

    def run(
        self, fn: Callable[..., Leaves], values: Leaves, order: int
    ) -> tuple[GradientReport, Leaves]:
        """The report, and the cotangents u that it was made with."""
        outputs, pullback = vjp(fn, *values)
        cotangents = [self.direction(y) for y in outputs]
        slopes = [slope.numpy() for slope in pullback(cotangents)]
        duality = self.duality(fn, values, cotangents, slopes, order)
        weights = [u.numpy() for u in cotangents]
        floor = FLOOR * sum(
            float(np.abs(u * y.numpy()).sum()) for u, y in zip(weights, outputs, strict=True)
        )
        scale = max((float(np.abs(slope).max()) for slope in slopes if slope.size), default=0.0)
        report = GradientReport(order, 0, 0, 0.0, "", 0.0, 0.0, duality)
        for i, place in self.places(values):
            left, right = self.one_sided(fn, values, weights, i, place)
            if self.exclude_kinks and abs(right - left) > KINK * max(abs(left), abs(right), scale):
                self.kinks.add((i, place))
            if (i, place) in self.kinks:
                report = replace(report, excluded=report.excluded + 1)
                continue
            slope, difference = float(slopes[i][place]), (left + right) / 2
            size = max(abs(slope), abs(difference), floor)
            # Not finite counts as wrong: NaN and infinity fail every comparison with the tolerance.
            error = abs(slope - difference) / size if size else 0.0
            report = replace(report, checked=report.checked + 1)
            if not error <= report.max_error:
                where = f"{self.names[i]}{list(place) if place else ''}"
                report = replace(
                    report,
                    max_error=error,
                    where=where,
                    reverse_mode=slope,
                    differences=difference,
                )
                if not np.isfinite(error):
                    break
        if not report.max_error <= self.tolerance:
            raise GradientError(
                f"check_gradients: derivative of order {order} by {report.where}: reverse mode "
                f"gives {report.reverse_mode:.8g}, central differences {report.differences:.8g} "
                f"(relative error {report.max_error:.3g}, allowed {self.tolerance:.3g})"
                + ("" if self.exclude_kinks else "; if a kink is near, use exclude_kinks=True")
            )
        return report, cotangents

    def direction(self, like: Tensor) -> Tensor:
        return Tensor(constant(np.asarray(self.random.standard_normal(like.shape))))

    def places(self, values: Leaves) -> Iterator[Place]:
        """The elements to compare."""
        for i, value in enumerate(values):
            chosen = np.arange(value.size)
            if self.samples is not None and self.samples < value.size:
                chosen = np.sort(self.random.choice(value.size, self.samples, replace=False))
            for flat in chosen:
                yield i, tuple(int(k) for k in np.unravel_index(flat, value.shape))

    def one_sided(
        self,
        fn: Callable[..., Leaves],
        values: Leaves,
        weights: list[Array],
        i: int,
        place: tuple[int, ...],
    ) -> tuple[float, float]:
        """The slopes of s to the left and to the right of element `place` of input `i`."""
        centre = float(values[i].numpy()[place])
        step = self.eps * max(1.0, abs(centre))

        def s(x: float) -> float:
            moved = np.array(values[i].numpy())
            moved[place] = x
            changed = [*values[:i], Tensor(constant(moved)), *values[i + 1 :]]
            with no_grad():
                outputs = fn(*changed)
            return sum(float((u * y.numpy()).sum()) for u, y in zip(weights, outputs, strict=True))

        low, middle, high = s(centre - step), s(centre), s(centre + step)
        return (middle - low) / (centre - (centre - step)), (high - middle) / (
            (centre + step) - centre
        )

    def duality(
        self,
        fn: Callable[..., Leaves],
        values: Leaves,
        cotangents: Leaves,
        slopes: list[Array],
        order: int,
    ) -> float:
        """The difference between ⟨v, uᵀJ⟩ and ⟨u, J·v⟩ as a part of their terms' sizes."""
        tangents = [self.direction(x) for x in values]
        _, changes = jvp(fn, values, tangents)
        pairs = [(v.numpy(), slope) for v, slope in zip(tangents, slopes, strict=True)]
        others = [
            (u.numpy(), change.numpy()) for u, change in zip(cotangents, changes, strict=True)
        ]
        left = sum(float((a * b).sum()) for a, b in pairs)
        right = sum(float((a * b).sum()) for a, b in others)
        size = sum(float(np.abs(a * b).sum()) for a, b in [*pairs, *others])
        error = abs(left - right) / size if size else 0.0
        if not error <= DUALITY:
            raise GradientError(
                f"check_gradients: order {order}: ⟨v, vjp(u)⟩ is {left:.12g} and ⟨u, jvp(v)⟩ is "
                f"{right:.12g}; a vjp is not linear in its cotangent or not the transpose of its "
                "own pull-back"
            )
        return error
