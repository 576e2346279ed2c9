"""Winograd's convolution against sums in float64."""

import ctypes
from fractions import Fraction

import numpy as np
import pytest

import neurona as ne
import neurona.nn.functional as F
from neurona.compiler.lower.winograd import choice, suits
from neurona.compiler.machine import native
from neurona.compiler.machine.winograd import Winograd, WinogradEmitter
from neurona.compiler.machine.winograd_gradient import GradientTransform, WeightGradient
from neurona.compiler.machine.winograd_matrices import Algorithm
from neurona.compiler.machine.winograd_tiles import Field
from neurona.compiler.machine.winograd_weights import WeightTransform
from neurona.core.buffer import aligned_empty
from neurona.core.op import registry
from neurona.graph.passes import make

EPS = 2.0**-23
F2, F4, F5 = Algorithm(2, 3), Algorithm(4, 3), Algorithm(2, 5)
# Error ÷ (eps·Σ|terms|), the latter at its largest place; measured 0.9, 9 and 11.
BOUND = {F2: 2, F4: 16, F5: 16}


def times(matrix, values):
    return [sum(a * b for a, b in zip(row, values, strict=True)) for row in matrix]


@pytest.mark.parametrize("algorithm", [F2, F4, F5])
def test_the_matrices_are_exact(algorithm):
    rng = np.random.default_rng(0)
    w = [Fraction(int(i)) for i in rng.integers(-9, 9, algorithm.kernel)]
    d = [Fraction(int(i)) for i in rng.integers(-9, 9, algorithm.patch)]
    products = map(Fraction.__mul__, times(algorithm.weights, w), times(algorithm.input, d))
    found = times(algorithm.output, list(products))
    assert found == [sum(a * d[i + k] for k, a in enumerate(w)) for i in range(algorithm.tile)]


def text(kernel):
    return WinogradEmitter(kernel).run() if isinstance(kernel, Winograd) else kernel.text()


def run(kernel, *arrays, order=1):
    """Run a kernel chunk by chunk, from the first or, with order −1, from the last."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        native.load(text(kernel), "kernel")
    )
    table = np.array([array.ctypes.data for array in arrays], np.int64)
    for chunk in range(kernel.chunks)[::order]:
        function(table.ctypes.data, chunk, chunk + 1)


def memory(*shape):
    made = aligned_empty(shape, np.dtype(np.float32))
    made[...] = np.nan
    return made


def values(*shape):
    made = memory(*shape)
    made[...] = np.random.default_rng(len(shape)).normal(size=shape)
    return made


def fields(algorithm, x, y, padding):
    size, step = algorithm.patch, algorithm.tile
    strides = [(h * w * c, w * c, c) for _, h, w, c in (x, y)]
    return (
        Field(*x[1:], strides[0], 0, size, step, padding, padding),
        Field(*y[1:], strides[1], 0, step, step, 0, 0),
    )


def grid(algorithm, y):
    return tuple(-(-n // algorithm.tile) for n in y[1:3])


def shapes(algorithm, case):
    *x, out, padding = case
    grown = 2 * padding - algorithm.kernel + 1
    return x, (x[0], x[1] + grown, x[2] + grown, out), padding


def windows(algorithm, x, y, padding):
    """(images, rows, columns, channels, kernel, kernel) in float64."""
    padded = np.pad(x.astype(float), ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, (algorithm.kernel,) * 2, (1, 2))


def forward(algorithm, case, lanes, order=1):
    shape, result, padding = shapes(algorithm, case)
    kernel = Winograd(
        algorithm, *fields(algorithm, shape, result, padding), shape[0], grid(algorithm, result),
        lanes,
    )  # fmt: skip
    x, w, y = (
        values(*shape),
        values(result[-1], shape[-1], *[algorithm.kernel] * 2),
        memory(*result),
    )
    strides = [w.strides[axis] // 4 for axis in (1, 0, 2, 3)]
    transform = WeightTransform(
        algorithm, shape[-1], result[-1], kernel.product.nr, tuple(strides), 0, False, lanes
    )
    packed, rooms = memory(transform.size), memory(kernel.rooms * kernel.room)
    run(transform, w, packed, order=order)
    run(kernel, x, packed, np.zeros(1, np.int64), rooms, y, order=order)
    return x, w, y


CASES = [(2, 13, 9, 19, 37, 1), (1, 6, 5, 64, 16, 2), (5, 12, 12, 3, 70, 0)]


@pytest.mark.parametrize("algorithm", [F2, F4, F5])
@pytest.mark.parametrize("case", CASES)
def test_forward(algorithm, case):
    x, w, y = forward(algorithm, case, native.host().lanes)
    found = windows(algorithm, x, y, case[-1])
    wanted = np.einsum("nhwcij,ocij->nhwo", found, w.astype(float))
    scale = np.einsum("nhwcij,ocij->nhwo", abs(found), abs(w.astype(float))).max((1, 2))
    error = abs(y - wanted).max((1, 2)) / (EPS * scale)
    assert error.max() < BOUND[algorithm]


def gradient(algorithm, case, lanes, order=1):
    shape, result, padding = shapes(algorithm, case)
    kernel = WeightGradient(
        algorithm, *fields(algorithm, shape, result, padding), shape[0], grid(algorithm, result),
        lanes,
    )  # fmt: skip
    transform = GradientTransform(
        algorithm, kernel.parts[0], kernel.sums, 0, result[-1], shape[-1], lanes
    )
    x, g = values(*shape), values(*result)
    w = memory(result[-1], shape[-1], *[algorithm.kernel] * 2)
    sums, rooms = memory(kernel.size), memory(kernel.rooms * kernel.room)
    run(kernel, x, g, np.zeros(1, np.int64), rooms, sums, order=order)
    run(transform, sums, w, order=order)
    return x, g, w


@pytest.mark.parametrize("algorithm", [F2, F4, F5])
@pytest.mark.parametrize("case", CASES)
def test_weight_gradient(algorithm, case):
    x, g, w = gradient(algorithm, case, native.host().lanes)
    found = windows(algorithm, x, g, case[-1])
    wanted = np.einsum("nhwcij,nhwo->ocij", found, g.astype(float))
    scale = np.einsum("nhwcij,nhwo->ocij", abs(found), abs(g.astype(float))).max((2, 3))
    assert (abs(w - wanted).max((2, 3)) / (EPS * scale)).max() < BOUND[algorithm]


def test_the_order_of_chunks_does_not_matter():
    for compute in (forward, gradient):
        *_, first = compute(F4, CASES[0], native.host().lanes)
        *_, second = compute(F4, CASES[0], native.host().lanes, order=-1)
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("compute", [forward, gradient])
def test_shorter_vectors(compute):
    *_, wanted = compute(F4, CASES[0], native.host().lanes)
    *_, found = compute(F4, CASES[0], native.host().lanes // 2)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def kernels(compiled):
    """The hand-written kernels of all programs of a compiled function."""
    programs = [entry.program for entries in compiled.entries.values() for entry in entries]
    tasks = [task for program in programs for task in program.plan.tasks]
    return {type(task.direct or task.along) for task in tasks}


def test_compiled_functions_use_it():
    rng = np.random.default_rng(0)

    def gradients(x, w, g):
        return ne.grad(lambda x, w: ne.sum(F.conv2d(x, w, padding=1) * g), argnums=(0, 1))(x, w)

    convolved = ne.compile(lambda x, w: F.conv2d(x, w, padding=1))
    derived = ne.compile(gradients)
    w = rng.normal(size=(48, 64, 3, 3))
    for images in (3, 5, 1):  # the second size makes a program for all
        x, g = rng.normal(size=(images, 64, 9, 10)), rng.normal(size=(images, 48, 9, 10))
        wanted = [F.conv2d(ne.asarray(x), ne.asarray(w), padding=1), *gradients(x, w, g)]
        single = [array.astype(np.float32) for array in (x, w, g)]
        for found, exact in zip([convolved(*single[:2]), *derived(*single)], wanted, strict=True):
            exact = exact.numpy()
            assert abs(found.numpy() - exact).max() < 30 * EPS * abs(exact).max()
    assert Winograd in kernels(convolved)
    assert {Winograd, WeightGradient} <= kernels(derived)


@pytest.mark.parametrize("channels", [40, 128, 160])
def test_what_follows_is_done_tile_by_tile(channels):
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(channels, channels, 3, 3)) / channels, rng.normal(size=channels)

    def block(x, w, b):
        y = F.conv2d(x, w, b, padding=1)
        return ne.maximum(F.conv2d(y, w, padding=1) + y, 0)

    compiled = ne.compile(block)
    for images in (3, 2, 1):
        exact = [rng.normal(size=(images, channels, 9, 11)), w, b]
        wanted = block(*map(ne.asarray, exact)).numpy()
        found = compiled(*[array.astype(np.float32) for array in exact]).numpy()
        assert abs(found - wanted).max() < 30 * EPS * abs(wanted).max()
    programs = {entry.program for entries in compiled.entries.values() for entry in entries}
    tasks = [task for program in programs for task in program.plan.tasks]
    assert {str(task) for task in tasks if task.direct} == {"conv+add", "conv+add+maximum"}


@pytest.mark.parametrize(
    ("x", "w", "changes", "tile"),
    [
        ((8, 32, 32, 64), (64, 64, 3, 3), {}, 4),
        ((1, 7, 7, 512), (512, 512, 3, 3), {}, None),  # mostly transformed weights
        ((8, 27, 27, 96), (256, 96, 5, 5), {"padding": ((2, 2), (2, 2))}, 2),
        ((8, 32, 32, 3), (64, 3, 3, 3), {}, None),
        ((8, 32, 32, 64), (64, 64, 3, 3), {"strides": (2, 2)}, None),
        ((8, 32, 32, 64), (64, 32, 3, 3), {"groups": 2}, None),
    ],
)
def test_it_is_chosen_by_what_there_is_to_do(x, w, changes, tile):
    attrs = {
        "strides": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1,
        "layout": "channels last",
    }  # fmt: skip
    node = make(registry()["conv"], *[ne.zeros(s)._node for s in (x, w)], **(attrs | changes))
    found = choice(node)
    assert suits(node) == (tile is not None)
    assert (found and found.tile) == tile
