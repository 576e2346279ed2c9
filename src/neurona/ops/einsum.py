"""Einstein sums and the products that are cases of them.

`einsum` becomes reshapes, permutations and batched matrix products, so that the compiler sees
contractions; pairs are contracted cheapest first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.slots import provide
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import SUM, reshape
from neurona.ops.matmul import MATMUL, PERMUTE_DIMS
from neurona.ops.operand import normalize_axis, operands, renew
from neurona.ops.shape import SLICE


class Term(NamedTuple):
    """An operand with the label of each of its axes, all different."""

    tensor: Tensor
    labels: str


def _numbers(who: str, *values: Any) -> list[Tensor]:
    tensors = operands(*values)
    if tensors[0].dtype == dtypes.bool_:
        raise DTypeError(f"{who}: numbers are needed, not bool; cast with `astype`")
    return tensors


# --- subscripts ---

_NAMELESS = "".join(map(chr, range(0x2460, 0x2460 + 64)))
"""Labels for the axes of an ellipsis, from the last to the first."""


def _parse(subscripts: str, tensors: Sequence[Tensor]) -> tuple[list[str], str]:
    """The labels of each operand and of the output, ellipses replaced by labels of their own."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    given = left.split(",")
    if len(given) != len(tensors):
        raise ArgumentError(
            f"einsum: '{subscripts}' has {len(given)} operands, but {len(tensors)} are given"
        )
    if arrow and "," in right:
        raise ArgumentError(f"einsum: '{subscripts}' has more than one output")
    for part in (*given, right):
        letters = part.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            raise ArgumentError(
                f"einsum: '{part}' in '{subscripts}': labels are letters, and one '...' at most"
            )
    labels = [_spelled(part, tensor) for part, tensor in zip(given, tensors, strict=True)]
    widest = max((set(part) & set(_NAMELESS) for part in labels), key=len)
    ellipsis = "".join(sorted(widest, reverse=True))
    if arrow:
        output = right.replace("...", ellipsis)
    else:
        joined = "".join(labels)
        once = (c for c in joined if c not in _NAMELESS and joined.count(c) == 1)
        output = ellipsis + "".join(sorted(once))
    for label in output:
        if output.count(label) > 1 or not any(label in part for part in labels):
            raise ArgumentError(
                f"einsum: label '{label}' of the output of '{subscripts}' must occur once there "
                "and in some operand"
            )
    return labels, output


def _spelled(part: str, tensor: Tensor) -> str:
    named = len(part.replace("...", ""))
    free = tensor.ndim - named
    if free < 0 or (free and "..." not in part):
        raise ShapeError(
            f"einsum: '{part}' names {named} axes, but its operand has shape {tensor.shape}"
        )
    return part.replace("...", _NAMELESS[:free][::-1])


def _extents(labels: Sequence[str], tensors: Sequence[Tensor]) -> dict[str, int]:
    """How long the axis of each label is; extent 1 broadcasts."""
    extents: dict[str, int] = {}
    for part, tensor in zip(labels, tensors, strict=True):
        for label, extent in zip(part, tensor.shape, strict=True):
            known = extents.setdefault(label, extent)
            if extent != known and 1 not in (extent, known):
                shapes = " and ".join(str(t.shape) for t in tensors)
                raise ShapeError(
                    f"einsum: shapes {shapes}: an axis with one label is {known} here and "
                    f"{extent} there"
                )
            if known == 1:
                extents[label] = extent
    return extents


# --- single operands ---


def _permuted(term: Term, labels: str) -> Tensor:
    """The operand with its axes in the order of `labels`."""
    if labels == term.labels:
        return term.tensor
    axes = tuple(term.labels.index(label) for label in labels)
    return apply(PERMUTE_DIMS, term.tensor, axes=axes)


def _distinct(term: Term) -> Term:
    """The diagonal of every label that occurs several times."""
    for label in term.labels:
        while (count := term.labels.count(label)) > 1:
            first = term.labels.index(label)
            second = term.labels.index(label, first + 1)
            tensor = term.tensor
            n = tensor.shape[first]
            if n != tensor.shape[second]:
                raise ShapeError(
                    f"einsum: {count} axes of shape {tensor.shape} with one label must be equal"
                )
            rest = [axis for axis in range(tensor.ndim) if axis not in (first, second)]
            moved = apply(PERMUTE_DIMS, tensor, axes=(*rest, first, second))
            # In row-major order the diagonal is every (n+1)-th element.
            flat = reshape(moved, (*moved.shape[:-2], n * n))
            steps = (*[1] * len(rest), n + 1)
            diagonal = apply(SLICE, flat, start=(0,) * flat.ndim, size=moved.shape[:-1], step=steps)
            term = Term(diagonal, "".join(term.labels[axis] for axis in rest) + label)
    return term


def _without_units(term: Term, extents: dict[str, int]) -> Term:
    """Axes of extent 1 that broadcast against another operand's are dropped."""
    kept = "".join(
        label
        for label, extent in zip(term.labels, term.tensor.shape, strict=True)
        if extent == extents[label]
    )
    if kept == term.labels:
        return term
    return Term(reshape(term.tensor, tuple(extents[label] for label in kept)), kept)


def _summed(term: Term, keep: set[str]) -> Term:
    """The sum over the labels that nothing else needs."""
    gone = tuple(axis for axis, label in enumerate(term.labels) if label not in keep)
    if not gone:
        return term
    labels = "".join(label for label in term.labels if label in keep)
    return Term(apply(SUM, term.tensor, axis=gone, keepdims=False), labels)


# --- pairs ---


def _contract(a: Term, b: Term, keep: set[str], extents: dict[str, int]) -> Term:
    """The product of two operands, summed over the labels that nothing else needs."""
    a = _summed(a, keep | set(b.labels))
    b = _summed(b, keep | set(a.labels))
    shared = [label for label in a.labels if label in b.labels]
    batch = "".join(label for label in shared if label in keep)
    inner = "".join(label for label in shared if label not in keep)
    rows = "".join(label for label in a.labels if label not in shared)
    columns = "".join(label for label in b.labels if label not in shared)

    def shape(labels: str) -> tuple[int, ...]:
        return tuple(extents[label] for label in labels)

    def size(labels: str) -> int:
        return math.prod(shape(labels))

    labels = batch + rows + columns
    if not inner:
        left = reshape(_permuted(a, batch + rows), shape(batch + rows) + (1,) * len(columns))
        right = reshape(
            _permuted(b, batch + columns), shape(batch) + (1,) * len(rows) + shape(columns)
        )
        return Term(left * right, labels)
    left = reshape(_permuted(a, batch + rows + inner), (*shape(batch), size(rows), size(inner)))
    right = reshape(
        _permuted(b, batch + inner + columns), (*shape(batch), size(inner), size(columns))
    )
    return Term(reshape(apply(MATMUL, left, right), shape(labels)), labels)


def _cheapest(terms: Sequence[Term], output: str, extents: dict[str, int]) -> tuple[int, int]:
    """The pair whose product needs the fewest multiplications; the smaller result on a tie."""

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        both = set(terms[pair[0]].labels) | set(terms[pair[1]].labels)
        rest = _needed(terms, pair, output)
        work = math.prod(extents[label] for label in both)
        return work, math.prod(extents[label] for label in both & rest)

    return min(itertools.combinations(range(len(terms)), 2), key=cost)


def _needed(terms: Sequence[Term], pair: tuple[int, int], output: str) -> set[str]:
    others = [term.labels for i, term in enumerate(terms) if i not in pair]
    return set(output).union(*others)


def einsum(subscripts: str, /, *operands: Any) -> Tensor:
    """The sum of products that `subscripts` describes, as in NumPy.

    subscripts: one letter an axis, operands parted by commas: "bij,bjk->bik" is the batched matrix
        product. Labels that the output lacks are summed over; without "->" the output has the
        labels that occur once, sorted. A label twice in one operand is its diagonal; "..." stands
        for axes that broadcast.
    Raises `ArgumentError` for subscripts that are not valid, `ShapeError` for shapes that do not
    fit.

    >>> einsum("ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0])
    Tensor([21., 43.], dtype=float32)
    """
    if not operands:
        raise ArgumentError("einsum: at least one operand is needed")
    tensors = _numbers("einsum", *operands)
    labels, output = _parse(subscripts, tensors)
    extents = _extents(labels, tensors)
    terms = [
        _without_units(_distinct(Term(tensor, part)), extents)
        for part, tensor in zip(labels, tensors, strict=True)
    ]
    while len(terms) > 1:
        pair = _cheapest(terms, output, extents)
        product = _contract(terms[pair[0]], terms[pair[1]], _needed(terms, pair, output), extents)
        terms = [term for i, term in enumerate(terms) if i not in pair] + [product]
    return renew(_permuted(_summed(terms[0], set(output)), output))


@provide
def tensordot(
    x1: Any, x2: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> Tensor:
    """Products of `x1` and `x2` summed over pairs of axes; the other axes follow, x1's first.

    axes: how many last axes of `x1` to sum with as many first axes of `x2`, or the two lists.
    Raises `ShapeError` if paired axes differ.
    """
    a, b = _numbers("tensordot", x1, x2)
    if isinstance(axes, int):
        if not 0 <= axes <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: shapes {a.shape} and {b.shape} have no {axes} axes each")
        first, second = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        first = [normalize_axis(axis, a.ndim, "tensordot") for axis in axes[0]]
        second = [normalize_axis(axis, b.ndim, "tensordot") for axis in axes[1]]
    distinct = len(set(first)) == len(first) == len(second) == len(set(second))
    if not distinct or [a.shape[i] for i in first] != [b.shape[j] for j in second]:
        raise ShapeError(
            f"tensordot: axes {first} of shape {a.shape} and {second} of {b.shape} must be as "
            "many, all different, and of equal extents"
        )
    rows = [i for i in range(a.ndim) if i not in first]
    columns = [j for j in range(b.ndim) if j not in second]
    inner = math.prod(a.shape[i] for i in first)
    outer = (*(a.shape[i] for i in rows), *(b.shape[j] for j in columns))
    left = apply(PERMUTE_DIMS, a, axes=(*rows, *first))
    right = apply(PERMUTE_DIMS, b, axes=(*second, *columns))
    size = math.prod(a.shape[i] for i in rows), math.prod(b.shape[j] for j in columns)
    product = apply(MATMUL, reshape(left, (size[0], inner)), reshape(right, (inner, size[1])))
    return reshape(product, outer)


@provide
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The inner products of vectors along `axis`; the other axes broadcast.

    axis: counted from the end, −1 the last. Raises `ShapeError` if the axes differ.
    """
    a, b = _numbers("vecdot", x1, x2)
    lowest = min(a.ndim, b.ndim)
    if not -lowest <= axis < (lowest if a.ndim == b.ndim else 0):
        raise ShapeError(f"vecdot: axis {axis} is out of range for shapes {a.shape} and {b.shape}")
    place = axis - a.ndim if axis >= 0 else axis
    if a.shape[place] != b.shape[place]:
        raise ShapeError(
            f"vecdot: axis {axis} of shapes {a.shape} and {b.shape} must have as many elements"
        )
    product = a * b
    return apply(SUM, product, axis=(product.ndim + place,), keepdims=False)


def outer(x1: Any, x2: Any, /) -> Tensor:
    """The outer product of two vectors: (m,), (n,) → (m, n)."""
    a, b = _numbers("outer", x1, x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"outer: shapes {a.shape} and {b.shape}; both must have one axis")
    return reshape(a, (-1, 1)) * b
