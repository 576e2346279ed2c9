"""Einstein sums against NumPy's and against sums spelled out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.node import Node
from neurona.core.trace import recording
from neurona.ops.einsum import einsum, outer, tensordot, vecdot
from tests.ops.derivatives import check_gradients
from tests.ops.record import Array, tensor
from tests.ops.samples import strided

Rng = np.random.Generator


def spelled_out(inputs: list[str], output: str, arrays: list[Array]) -> Array:
    """The sum over every value of every label, one term at a time."""
    extents: dict[str, int] = {}
    for labels, x in zip(inputs, arrays, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            extents[label] = n if extents.get(label, 1) == 1 else extents[label]
    names = sorted(extents)
    result = np.zeros([extents[label] for label in output])
    for values in itertools.product(*[range(extents[name]) for name in names]):
        at = dict(zip(names, values, strict=True))
        term = 1.0
        for labels, x in zip(inputs, arrays, strict=True):
            places = zip(labels, x.shape, strict=True)
            term *= x[tuple(at[label] if n > 1 else 0 for label, n in places)]
        result[tuple(at[label] for label in output)] += term
    return result


@st.composite
def cases(draw: Callable[[Any], Any]) -> tuple[list[str], str, list[Array]]:
    """Operands with whole numbers, so that every order of summation gives the same."""
    extents = {label: draw(st.sampled_from([0, 1, 2, 3])) for label in "abcd"}
    inputs = draw(st.lists(st.text("abcd", max_size=3), min_size=1, max_size=4))
    used = sorted(set("".join(inputs)))
    output = "".join(draw(st.permutations(used)))[: draw(st.integers(0, len(used)))]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = []
    for labels in inputs:
        single = {label: draw(st.booleans()) for label in set(labels)}
        shape = [1 if single[label] else extents[label] for label in labels]
        arrays.append(rng.integers(-3, 4, shape).astype(np.float64))
    return inputs, output, arrays


@given(cases())
def test_einsum_is_the_sum_spelled_out(case: tuple[list[str], str, list[Array]]) -> None:
    inputs, output, arrays = case
    subscripts = ",".join(inputs) + "->" + output
    result = einsum(subscripts, *map(tensor, arrays))
    np.testing.assert_array_equal(result.numpy(), spelled_out(inputs, output, arrays))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ba", [(2, 3)]),
        ("ii", [(3, 3)]),
        ("iij->ji", [(3, 3, 2)]),
        ("iii", [(3, 3, 3)]),
        ("i,i", [(3,), (3,)]),
        ("i,j", [(3,), (2,)]),
        (",", [(), ()]),
        (",ij", [(), (2, 3)]),
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 2)]),
        ("...,...", [(2, 1, 3), (4, 1)]),
        ("i...->...", [(2, 3, 4)]),
        ("i...j,j->i...", [(2, 5, 3), (3,)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("bhqd, bhkd -> bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bij,bjk,kl->bl", [(2, 3, 4), (2, 4, 5), (5, 6)]),
        ("ab,bc,cd,de->ae", [(2, 3), (3, 4), (4, 5), (5, 6)]),
        ("i,ij,j", [(3,), (3, 4), (4,)]),
        ("i,i->i", [(1,), (3,)]),
        ("ij,jk->ik", [(2, 0), (0, 3)]),
        ("ij->", [(0, 3)]),
        ("Ab,bA->Ab", [(2, 3), (3, 2)]),
    ],
)
def test_einsum_is_numpys(subscripts: str, shapes: list[tuple[int, ...]], rng: Rng) -> None:
    arrays = [rng.integers(-4, 5, shape).astype(np.float64) for shape in shapes]
    expected = np.einsum(subscripts, *arrays)
    for operands in (arrays, [strided(x) for x in arrays]):
        result = einsum(subscripts, *map(tensor, operands))
        assert result.shape == expected.shape
        np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("dtype", [d for d in dtypes.ALL if d != dtypes.bool_])
def test_dtypes(dtype: Any, rng: Rng) -> None:
    a, b = rng.integers(0, 4, (2, 3)).astype(dtype), rng.integers(0, 4, (3, 2)).astype(dtype)
    exact = a.astype(int) @ b.astype(int)
    results = {
        "einsum": einsum("ij,jk", a, b),
        "tensordot": tensordot(a, b, axes=1),
        "vecdot": vecdot(a, b.T),
        "outer": outer(a[0], b[:, 0]),
    }
    wanted = {
        "einsum": exact,
        "tensordot": exact,
        "vecdot": np.diagonal(exact),
        "outer": np.outer(a[0].astype(int), b[:, 0].astype(int)),
    }
    for name, result in results.items():
        assert result.dtype == dtype, name
        np.testing.assert_array_equal(result.numpy().astype(int), wanted[name])
    mixed = einsum("i,i", np.ones(2, np.float32), np.ones(2, np.int8))
    assert mixed.dtype == np.float32


def test_special_values() -> None:
    a, b = np.array([[np.inf, 1.0], [np.nan, 0.0]]), np.array([[0.0], [1.0]])
    assert np.isnan(einsum("ij,jk", a, b).numpy()).all()
    assert einsum("ij->i", a).tolist()[0] == np.inf


def ops_of(output: Node) -> list[str]:
    seen: dict[int, Node] = {}
    stack = [output]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            stack.extend(node.inputs)
    return sorted(node.op.name for node in seen.values())


def test_contractions_are_matrix_products() -> None:
    x, y, z = (tensor(np.zeros(s)) for s in ((4, 2, 3), (4, 3, 5), (5, 6)))
    with recording():
        attention = ops_of(einsum("bij,bjk->bik", x, y)._node)
        chain = ops_of(einsum("bij,bjk,kl->bil", x, y, z)._node)
        product = ops_of(einsum("ij,ij->ij", z, z)._node)
    assert attention == ["input", "input", "matmul"]
    assert chain.count("matmul") == 2
    assert "multiply" not in chain
    assert product == ["input", "multiply"]


def test_pairs_are_contracted_cheapest_first() -> None:
    n, small = 64, 2
    a, b, c = np.zeros((n, small)), np.zeros((small, n)), np.zeros((n, small))
    with recording():
        node = einsum("ij,jk,kl->il", tensor(a), tensor(b), tensor(c))._node
    work = []
    stack = [node]
    while stack:
        x = stack.pop()
        stack.extend(x.inputs)
        if x.op.name == "matmul":
            work.append(math.prod(x.shape) * x.inputs[0].shape[-1])
    # (b·c) first: 2·64·2 and 64·2·2, not 64·2·64 and 64·64·2.
    assert sorted(work) == [256, 256]


@pytest.mark.parametrize(
    ("axes", "shapes"),
    [
        (0, [(2, 3), (4,)]),
        (1, [(2, 3), (3, 4)]),
        (2, [(2, 3, 4), (3, 4, 5)]),
        (([0], [1]), [(3, 2), (4, 3)]),
        (([0, -1], [2, 0]), [(3, 2, 4), (4, 5, 3)]),
        (([], []), [(2,), (3,)]),
        (1, [(2, 0), (0, 3)]),
    ],
)
def test_tensordot(axes: Any, shapes: list[tuple[int, ...]], rng: Rng) -> None:
    a, b = (rng.integers(-4, 5, shape).astype(np.float64) for shape in shapes)
    expected = np.tensordot(a, b, axes)
    np.testing.assert_array_equal(tensordot(a, b, axes=axes).numpy(), expected)
    np.testing.assert_array_equal(
        tensordot(tensor(strided(a)), tensor(strided(b)), axes=axes).numpy(), expected
    )


@pytest.mark.parametrize(
    ("axis", "shapes"),
    [(-1, [(3,), (3,)]), (-1, [(2, 1, 3), (4, 3)]), (-2, [(3, 1), (2, 3, 4)]), (0, [(3, 2)] * 2)],
)
def test_vecdot(axis: int, shapes: list[tuple[int, ...]], rng: Rng) -> None:
    a, b = (rng.integers(-4, 5, shape).astype(np.float64) for shape in shapes)
    place = axis if axis < 0 else axis - a.ndim
    expected = np.sum(a * b, place)
    np.testing.assert_array_equal(vecdot(a, b, axis=axis).numpy(), expected)


def test_gradients(rng: Rng) -> None:
    a, b, c = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 3))
    check_gradients(lambda x, y: einsum("ij,jk->ki", x, y), a, b)
    check_gradients(lambda x, y, z: einsum("ij,jk,kj", x, y, z), a, b, c)
    check_gradients(lambda x: einsum("iij->ji", x), rng.normal(size=(3, 3, 2)))
    check_gradients(lambda x, y: einsum("i...,i->...", x, y), rng.normal(size=(1, 2)), a[0])
    check_gradients(lambda x, y: tensordot(x, y, axes=([1], [0])), a, b)
    check_gradients(vecdot, a, a[:1] + 1)
    check_gradients(outer, a[0], b[0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: einsum("ij"), ArgumentError, "at least one operand"),
        (lambda x: einsum("ij,jk", x), ArgumentError, "has 2 operands, but 1 are given"),
        (lambda x: einsum("ij->i,j", x), ArgumentError, "more than one output"),
        (lambda x: einsum("i1", x), ArgumentError, "labels are letters"),
        (lambda x: einsum("i......", x), ArgumentError, "one '...' at most"),
        (lambda x: einsum("i..", x), ArgumentError, "labels are letters"),
        (lambda x: einsum("ij->ii", x), ArgumentError, "label 'i' of the output"),
        (lambda x: einsum("ij->k", x), ArgumentError, "label 'k' of the output"),
        (lambda x: einsum("ijk", x), ShapeError, r"names 3 axes, .* shape \(2, 3\)"),
        (lambda x: einsum("i", x), ShapeError, "names 1 axes"),
        (lambda x: einsum("ii", x), ShapeError, "2 here and 3 there"),
        (lambda x: einsum("ii", x[:1]), ShapeError, "must be equal"),
        (lambda x: einsum("ij,ij", x, x.T), ShapeError, r"shapes \(2, 3\) and \(3, 2\)"),
        (lambda x: einsum("i", [True]), DTypeError, "not bool"),
        (lambda x: tensordot(x, x, axes=1), ShapeError, r"axes \[1\] of shape \(2, 3\)"),
        (lambda x: tensordot(x, x, axes=3), ShapeError, "have no 3 axes each"),
        (lambda x: tensordot(x, x, axes=([0, 0], [0, 0])), ShapeError, "axes"),
        (lambda x: tensordot(x, x, axes=([0], [0, 1])), ShapeError, "axes"),
        (lambda x: vecdot(x, x.T), ShapeError, "must have as many elements"),
        (lambda x: vecdot(x, x, axis=2), ShapeError, "axis 2 is out of range"),
        (lambda x: vecdot(x, x[0], axis=0), ShapeError, "axis 0 is out of range"),
        (lambda x: vecdot(x, 1.0), ShapeError, "out of range"),
        (lambda x: outer(x, x[0]), ShapeError, "both must have one axis"),
    ],
)
def test_errors(call: Callable[[Array], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(np.zeros((2, 3)))
