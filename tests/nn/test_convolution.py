"""Convolution: golden numbers of textbooks, values against PyTorch, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.nn import functional as F
from tests.compiler.programs import program_of


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


# --- transposed ---


def test_the_transposed_convolution_is_the_transpose_not_the_inverse() -> None:
    """⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩, but conv_transpose(conv(x)) is not x."""
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(1, 4, 7, 7)), rng.normal(size=(6, 2, 3, 3))
    options: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}
    image = F.conv2d(x, w, **options).numpy()
    y = rng.normal(size=image.shape)
    back = F.conv_transpose2d(y, w, **options).numpy()
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(image * y), np.sum(x * back), rtol=1e-12)
    again = F.conv_transpose2d(image, w, **options).numpy()
    assert np.abs(again - x).max() > 1


def test_the_extents_of_a_transposed_convolution() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=3, padding=1)
    x = zeros(1, 1, 4, 4)
    assert layer(x).shape == (1, 1, 10, 10)
    assert layer(x, output_size=(12, 11)).shape == (1, 1, 12, 11)
    assert layer(x, output_size=(1, 1, 10, 12)).shape == (1, 1, 10, 12)
    expected = r"ConvTranspose2d: x .* from \(10, 10\) to \(12, 12\), not output_size \(13, 10\)"
    for wanted in ((13, 10), (9, 10), (10,)):
        with pytest.raises(ShapeError, match=expected if wanted == (13, 10) else "not output_size"):
            layer(x, output_size=wanted)
    with pytest.raises(ArgumentError, match=r"output_padding \(3, 3\) must be less than stride"):
        F.conv_transpose2d(x, zeros(1, 1, 3, 3), stride=3, output_padding=3)
    with pytest.raises(ShapeError, match=r"axis 0 would get \(1 − 1\)·1 − 2·2 \+ 1·\(3 − 1\) \+ 0"):
        F.conv_transpose1d(zeros(1, 1, 1), zeros(1, 1, 3), padding=2)
    with pytest.raises(ShapeError, match=r"x \(1, 3, 4\) has 3 channels, but weight \(2, 1, 3\)"):
        F.conv_transpose1d(zeros(1, 3, 4), zeros(2, 1, 3))
    with pytest.raises(ArgumentError, match="padding_mode is 'zeros', not 'reflect'"):
        nn.ConvTranspose1d(1, 1, 1, padding_mode="reflect")


# --- padding, resizing, windows ---


def test_paddings_that_do_not_fit() -> None:
    with pytest.raises(
        ShapeError, match=r"padding \(3, 0\) in mode 'reflect' needs more than the 3"
    ):
        nn.ReflectionPad1d((3, 0))(zeros(1, 2, 3))
    with pytest.raises(ShapeError, match="mode 'circular' needs more than the 3 elements"):
        F.pad(zeros(3), (4, 0), "circular")
    with pytest.raises(ShapeError, match=r"pad \(-2, -2\) cuts axis 0 of x \(3,\) away"):
        F.pad(zeros(3), (-2, -2))
    with pytest.raises(ArgumentError, match=r"pad \(1,\) must be pairs"):
        F.pad(zeros(3), (1,))
    with pytest.raises(
        ArgumentError, match=r"mode is one of .* not 'reflekt'; did you mean 'reflect'"
    ):
        F.pad(zeros(3), (1, 1), "reflekt")
    with pytest.raises(ShapeError, match=r"ZeroPad2d: x \(3,\) must be \(batch, channels"):
        nn.ZeroPad2d(1)(zeros(3))
    with pytest.raises(ArgumentError, match="ZeroPad2d: padding must be a whole number or 4"):
        nn.ZeroPad2d((1, 2))
    with pytest.raises(ArgumentError, match="padding_mode is one of 'zeros', 'reflect'"):
        nn.Conv2d(1, 1, 1, padding_mode="mirror")


def test_sizes_that_do_not_fit() -> None:
    x = zeros(1, 1, 3, 3)
    with pytest.raises(ArgumentError, match=r"mode 'linear' is for 1 spatial axes, but x .* has 2"):
        F.interpolate(x, 6, mode="linear")
    with pytest.raises(ArgumentError, match="given were size None and scale_factor None"):
        F.interpolate(x)
    with pytest.raises(ArgumentError, match="one for each of the 2 spatial axes"):
        F.interpolate(x, (1, 2, 3))
    with pytest.raises(ArgumentError, match="align_corners is for the linear and cubic modes"):
        F.interpolate(x, 6, align_corners=True)
    with pytest.raises(ShapeError, match=r"to spatial extents \(0, 0\)"):
        F.interpolate(x, scale_factor=0.1)
    with pytest.raises(ShapeError, match=r"multiple of upscale_factor² = 2² channels"):
        nn.PixelShuffle(2)(x)
    with pytest.raises(ShapeError, match="multiples of downscale_factor 2"):
        nn.PixelUnshuffle(2)(x)
    with pytest.raises(ShapeError, match=r"no window of kernel_size \(4, 4\)"):
        nn.Unfold(4)(x)
    with pytest.raises(ShapeError, match=r"x \(1, 4, 3\) must be .* 2 · 2 = 4 windows"):
        nn.Fold(3, 2)(zeros(1, 4, 3))


def test_a_convolution_is_the_product_of_its_windows_with_the_weights() -> None:
    rng = np.random.default_rng(5)
    x, w = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2))
    columns = F.unfold(x, (3, 2), 1, (1, 0), 2).numpy()
    product = (w.reshape(4, 18) @ columns).reshape(2, 4, 3, 2)
    y = F.conv2d(x, w, None, 2, (1, 0)).numpy()
    np.testing.assert_allclose(y, product, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.pad(x, (2, 1, 0, 1), "reflect"),
        lambda x: F.pad(x, (2, 1, 0, 1), "replicate"),
        lambda x: F.pad(x, (2, 1, 0, 1), "circular"),
        lambda x: F.interpolate(x, (5, 7), mode="bilinear"),
        lambda x: F.interpolate(x, scale_factor=2),
        lambda x: F.fold(F.unfold(x, 2), (3, 4), 2),
    ],
)
def test_what_needs_no_product_compiles_to_one_native_segment(function: Any) -> None:
    def gradient(x: Any) -> Any:
        return ne.grad(lambda a: ne.sum(function(a) ** 2))(x)

    x = np.sin(np.arange(24.0, dtype=np.float32)).reshape(1, 2, 3, 4)
    compiled = ne.compile(gradient)
    np.testing.assert_allclose(compiled(x).numpy(), gradient(x).numpy(), rtol=1e-5, atol=1e-5)
    assert len(program_of(compiled, x).segments) == 1
