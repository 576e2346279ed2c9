"""Convolutions with the batch innermost, against their definition."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.compiler.ir.sizes import Size, at
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import aligned
from neurona.compiler.lower.batch_last import batch_last_tasks
from neurona.compiler.machine import native
from neurona.compiler.machine.transpose import Transposition
from neurona.core.node import Node, constant
from neurona.core.op import INPUT, Spec, registry
from neurona.graph.passes import make
from neurona.ops.convolution import CONV, CONV_INPUT_GRADIENT, CONV_WEIGHT_GRADIENT, output_shape
from tests.compiler.graphs import Array
from tests.compiler.programs import entries, program_of

GUARD = 64
"""Elements on both sides of a task's memory that nobody may write."""


def run(node: Node, operands: tuple[Array, ...], n: int, backwards: bool) -> Array:
    """The value of a node, its chunks computed one after the other or all at once."""
    memory = {}
    for x, array in zip(node.inputs, operands, strict=True):
        base = aligned(x)[0]
        memory[storage_of(base).key] = array if base is x else base.array
    blocks: list[Array] = []

    def place(storage: Storage) -> int:
        if storage.key not in memory:
            size = at(storage.size, n)
            block = np.full(size + 2 * GUARD, np.nan, storage.dtype)
            blocks.append(block)
            memory[storage.key] = block[GUARD : GUARD + size]
        return memory[storage.key].ctypes.data

    for task in batch_last_tasks(node, {}):
        kernel = native.load(task.text, "kernel")
        call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(kernel)
        table = np.array([n, *map(place, task.buffers)], np.int64)
        for chunk in reversed(range(task.chunks)) if backwards else (0,):
            call(table.ctypes.data + 8, chunk, chunk + 1 if backwards else task.chunks)
    for block in blocks:
        assert np.isnan(block[:GUARD]).all()
        assert np.isnan(block[-GUARD:]).all()
    return memory[storage_of(node).key].reshape(at(node.shape, n))


def check(node: Node, operands: tuple[Array, ...], n: int = 0) -> None:
    """The node's value is as near to the exact one as a sum may be, whoever takes the chunks."""
    actual = run(node, operands, n, backwards=False)
    np.testing.assert_array_equal(actual, run(node, operands, n, backwards=True))
    attrs = at(node.attrs, n)
    wide = [a.astype(np.float64) for a in operands]
    expected = node.op.evaluate(*wide, **attrs)
    total = node.op.evaluate(*map(np.abs, wide), **attrs)
    terms = node.op.evaluate(*map(np.ones_like, wide), **attrs)
    assert actual.shape == expected.shape
    # |error| ≤ k·eps·Σ|terms| for any order of the sum; a float64 reference has its own.
    eps = np.finfo(actual.dtype).eps * (2 if actual.dtype == np.float64 else 1)
    assert (np.abs(actual - expected) <= (terms + 1) * eps * total).all()


def cases(
    x: tuple[int, ...], w: tuple[int, ...], n: int, dtype: Any = np.float32, **given: Any
) -> Iterator[tuple[Node, tuple[Array, ...]]]:
    """The three nodes of x (channels, *spatial) with batch n and weights w, and their operands.

    A number given for strides, padding or dilation is that of all axes and sides. With `size` the
    batch's extent is known only when the kernel runs.
    """
    axes = len(x) - 1
    size = given.pop("size", n)

    def spread(value: Any) -> tuple[Any, ...]:
        return value if isinstance(value, tuple) else (value,) * axes

    attrs: dict[str, Any] = {
        "strides": spread(given.get("strides", 1)),
        "padding": tuple(
            (p, p) if isinstance(p, int) else p for p in spread(given.get("padding", 0))
        ),
        "dilation": spread(given.get("dilation", 1)),
        "groups": given.get("groups", 1),
        "layout": "batch last",
    }
    y = output_shape("test", (*x, n), w, **attrs)[:-1]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(dtype) for shape in ((*x, n), w, (*y, n))]
    nodes = [
        Node(INPUT, (), {}, Spec(shape, arrays[0].dtype)) for shape in ((*x, size), w, (*y, size))
    ]
    for op, i, j, more in (
        (CONV, 0, 1, {}),
        (CONV_INPUT_GRADIENT, 2, 1, {"spatial": x[1:]}),
        (CONV_WEIGHT_GRADIENT, 0, 2, {"kernel": w[2:]}),
    ):
        yield make(op, nodes[i], nodes[j], **attrs, **more), (arrays[i], arrays[j])


CASES: dict[str, tuple[Any, Any, int, dict[str, Any]]] = {
    "lenet 1": ((1, 9, 12), (6, 1, 5, 5), 40, {"padding": 2}),
    "lenet 2": ((6, 7, 8), (16, 6, 5, 5), 17, {}),
    "one image": ((3, 5, 6), (2, 3, 3, 3), 1, {"padding": 1}),
    "three images": ((2, 5, 6), (5, 2, 2, 3), 3, {"strides": 2}),
    "sixteen": ((3, 8, 7), (7, 3, 3, 3), 16, {"strides": (2, 3), "padding": (1, (0, 2))}),
    "128": ((3, 6, 5), (4, 3, 3, 3), 128, {"padding": 1}),
    "wide": ((1, 4, 9), (2, 1, 2, 3), 200, {"dtype": np.float64}),
    "float64": ((3, 8, 7), (7, 3, 3, 2), 21, {"dtype": np.float64, "strides": 2}),
    "depthwise": ((5, 6, 6), (5, 1, 3, 3), 33, {"groups": 5, "padding": 1}),
    "groups": ((6, 5, 5), (9, 2, 3, 3), 18, {"groups": 3, "strides": 2, "padding": 1}),
    "dilated": ((2, 12, 11), (3, 2, 3, 3), 16, {"dilation": (2, 3), "padding": 2}),
    "dilated strides": ((2, 13, 14), (3, 2, 3, 3), 16, {"dilation": (2, 3), "strides": (4, 2)}),
    "strides past the kernel": ((2, 9, 9), (3, 2, 2, 2), 16, {"strides": 4, "padding": 1}),
    "padding past the kernel": ((2, 3, 4), (3, 2, 2, 2), 16, {"padding": (4, (5, 0))}),
    "1×1": ((9, 4, 4), (11, 9, 1, 1), 16, {}),
    "long kernel": ((2, 3, 25), (3, 2, 1, 13), 16, {"padding": (0, 6)}),
    "signal": ((3, 40), (5, 3, 4), 35, {"strides": 2, "padding": 3, "dilation": 2}),
    "volume": ((2, 4, 5, 6), (3, 2, 2, 3, 2), 19, {"strides": (1, 2, 1), "padding": (1, 0, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_convolution_and_gradients(name: str) -> None:
    x, w, n, given = CASES[name]
    for node, operands in cases(x, w, n, **given):
        check(node, operands)


@pytest.mark.parametrize("n", [1, 16, 100])
def test_a_batch_that_is_known_when_the_kernel_runs(n: int) -> None:
    given = {"padding": 1, "strides": (1, 2), "size": Size(1)}
    for node, operands in cases((3, 5, 6), (5, 3, 3, 2), n, **given):
        check(node, operands, n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shorter_vectors(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """Those of AVX2, which has 16 registers."""
    if native.host().lanes < 8:
        pytest.skip("needs vectors of that length")
    target = replace(native.host(), lanes=8)
    monkeypatch.setattr(native, "host", lambda: target)
    for node, operands in cases((3, 7, 6), (7, 3, 3, 3), 37, dtype=dtype, padding=1):
        check(node, operands)


def test_operands_that_are_views() -> None:
    """Every second place and not the first ones; weights whose channels change places."""
    for node, operands in cases((3, 6, 7), (4, 3, 3, 3), 20, padding=1):
        shown = []
        for array in operands:
            if array.shape == (4, 3, 3, 3):
                base = constant(np.ascontiguousarray(array.swapaxes(0, 1)))
                shown.append(make(registry()["permute_dims"], base, axes=(1, 0, 2, 3)))
            else:
                c, h, w, n = array.shape
                base = constant(np.full((c + 1, 2 * h + 3, w + 1, n), np.nan, array.dtype))
                base.array[1:, 2 : 2 * h + 2 : 2, 1:] = array
                cut = {"start": (1, 2, 1, 0), "size": array.shape, "step": (1, 2, 1, 1)}
                shown.append(make(registry()["slice"], base, **cut))
        check(make(node.op, *shown, **node.attrs), operands)


def test_what_is_not_finite_stays_with_its_image() -> None:
    for node, (a, b) in cases((2, 5, 5), (3, 2, 3, 3), 20, padding=1):
        if node.op is CONV_WEIGHT_GRADIENT:
            continue
        clean = run(node, (a, b), 0, backwards=False).copy()
        a[..., 7] = np.nan
        a[..., 18] = np.inf
        found = run(node, (a, b), 0, backwards=False)
        rest = np.delete(np.arange(20), [7, 18])
        np.testing.assert_array_equal(found[..., rest], clean[..., rest])
        assert np.isnan(found[..., 7]).all()


def test_long_sums_are_near_the_exact_one() -> None:
    """A weight's gradient over 128 images of 24×24 places, in float32."""
    *_, (node, operands) = cases((1, 28, 28), (6, 1, 5, 5), 128)
    found = run(node, operands, 0, backwards=False)
    exact = node.op.evaluate(*[a.astype(np.float64) for a in operands], **node.attrs)
    error = np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2))
    assert error < 2e-6


def test_a_small_network_with_batches_of_many_sizes() -> None:
    ne.random.seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.Flatten()
    )
    compiled = ne.compile(lambda x: network(x))
    for n in (32, 20, 3):
        x = np.random.default_rng(n).normal(size=(n, 1, 8, 8)).astype(np.float32)
        np.testing.assert_allclose(compiled(x).numpy(), network(ne.asarray(x)).numpy(), atol=1e-6)
    programs = {id(entry.program): entry.program for entry in entries(compiled)}
    assert len(programs) == 2
    for program in programs.values():
        layouts = [node.attrs["layout"] for task in program.plan.tasks for node in task.nodes
                   if node.op is CONV]  # fmt: skip
        assert layouts == ["batch last"] * 2


def test_learning_with_batches_of_many_sizes() -> None:
    """Activations with the batch innermost are an operand of the weights' gradient."""
    ne.random.seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 20))
    parameters = list(network.parameters())

    def step(x: Any) -> Any:
        for parameter in parameters:
            parameter.grad = None
        ne.mean(network(x) ** 2).backward()
        return [parameter.grad for parameter in parameters]

    compiled = ne.compile(step)
    for n in (64, 40, 7):
        x = np.random.default_rng(n).normal(size=(n, 1, 8, 8)).astype(np.float32)
        found = [gradient.numpy() for gradient in compiled(x)]
        for one, other in zip(found, step(ne.asarray(x)), strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-6)


def test_only_the_pictures_are_copied() -> None:
    """Once for the result and the gradient; a product makes the gradients in their order."""
    ne.random.seed(0)
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5))
    weights = list(network.parameters())

    def step(x: Any) -> Any:
        loss = ne.sum(network(x) ** 2)
        return [loss, *ne.gradients(loss, weights)]

    compiled = ne.compile(step)
    x = np.random.default_rng(0).normal(size=(32, 1, 6, 6)).astype(np.float32)
    for found, expected in zip(compiled(x), step(ne.asarray(x)), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4, atol=1e-4)
    tasks = program_of(compiled, x).plan.tasks
    assert sum(isinstance(task.along, Transposition) for task in tasks) == 1
