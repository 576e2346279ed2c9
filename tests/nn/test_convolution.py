"""Convolution: golden numbers of textbooks, values against PyTorch, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def test_a_window_of_5_by_5_over_an_image_of_32_by_32() -> None:
    layer = nn.Conv2d(3, 1, 5)
    assert layer(zeros(1, 3, 32, 32)).shape == (1, 1, 28, 28)
    assert sum(p.size for p in layer.parameters()) == 76
    full = nn.Linear(3 * 32 * 32, 28 * 28)
    assert sum(p.size for p in full.parameters()) == 2_409_232


@pytest.mark.parametrize("groups", [1, 2])
def test_values_and_gradients_are_those_of_pytorch(groups: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3, 6, 11, 9)).astype(np.float32)
    w = rng.normal(size=(4, 6 // groups, 3, 2)).astype(np.float32)
    b = rng.normal(size=4).astype(np.float32)
    options = {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 3), "groups": groups}
    ours = [ne.asarray(a).requires_grad_() for a in (x, w, b)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y, wanted = F.conv2d(*ours, **options), torch.nn.functional.conv2d(*theirs, **options)
    np.testing.assert_allclose(y.numpy(), wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
    g = rng.normal(size=y.shape).astype(np.float32)
    y.backward(ne.asarray(g))
    wanted.backward(torch.tensor(g))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=1e-4, atol=1e-4)


def test_large_images_are_taken_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurona.ops import convolution

    x = ne.asarray(np.sin(np.arange(2 * 3 * 7 * 6.0)).reshape(2, 3, 7, 6)).requires_grad_()
    w = ne.asarray(np.cos(np.arange(4 * 3 * 3 * 3.0)).reshape(4, 3, 3, 3)).requires_grad_()

    def run() -> list[Any]:
        y = F.conv2d(x, w, stride=(2, 1), padding=1)
        y.backward(ne.asarray(np.sin(np.arange(float(y.size))).reshape(y.shape)))
        found = [y.numpy(), x.grad.numpy(), w.grad.numpy()]
        x.grad = w.grad = None
        return found

    whole = run()
    for chunk in (700, 330, 1):
        monkeypatch.setattr(convolution, "CHUNK", chunk)
        for one, other in zip(run(), whole, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


def test_errors_name_the_layer_the_shapes_and_the_formula() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 8, 7, 2, dtype=ne.float32))
    with pytest.raises(ShapeError) as caught:
        model(zeros(2, 3, 28, 4))
    assert str(caught.value) == (
        "Conv2d '1': weight (8, 3, 7, 7) does not fit into x (2, 3, 28, 4): spatial axis 1 would "
        "get ⌊(4 + 0 + 0 − 1·(7 − 1) − 1)/2⌋ + 1 = -1 outputs (size + low + high padding, "
        "dilation·(kernel − 1), stride); pad x, or take a smaller kernel or dilation"
    )
    with pytest.raises(ShapeError, match=r"Conv2d '1': x \(2, 28, 28, 3\) has 28 channels, but"):
        model(zeros(2, 28, 28, 3))
    with pytest.raises(ShapeError, match=r"Conv2d '1': x \(28, 28\) must be \(batch, channels"):
        model(zeros(28, 28))
    with pytest.raises(DTypeError, match="Conv2d '1': x is float64, weight float32"):
        model(np.zeros((2, 3, 28, 28)))
    with pytest.raises(DTypeError, match="conv2d: x is uint8; cast it to a float"):
        F.conv2d(np.zeros((1, 1, 2, 2), np.uint8), zeros(1, 1, 1, 1))
    with pytest.raises(ShapeError, match=r"bias \(3,\) must be \(out_channels,\) \(1,\)"):
        F.conv2d(zeros(1, 1, 2, 2), zeros(1, 1, 1, 1), zeros(3))


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match="groups 2 must divide in_channels 3"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ArgumentError, match="padding 'same' keeps the extents and so needs"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(ArgumentError, match="padding is numbers, 'same' or 'valid', not 'full'"):
        nn.Conv2d(3, 4, 3, padding="full")
    for kernel in (0, (3, 3, 3), 2.5, (3, "3")):
        with pytest.raises(ArgumentError, match="kernel_size must be a whole number of at least 1"):
            nn.Conv2d(3, 4, kernel)
