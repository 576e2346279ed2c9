"""FCN and U-Net: shapes, sizes, gradients, equal to PyTorch's, and a first step of learning."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import data, train
from neurona.core.errors import ArgumentError, ShapeError
from neurona.models import FCN, UNet
from neurona.models.segmentation import bilinear_kernel
from neurona.nn import functional as F

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KINDS = pytest.mark.parametrize("kind", [FCN, UNet])


@KINDS
def test_every_pixel_gets_scores(kind: Any) -> None:
    network = kind(num_classes=5, in_channels=2, widths=(3, 4, 6))
    assert network(np.zeros((2, 2, 8, 12), np.float32)).shape == (2, 5, 8, 12)
    with pytest.raises(ShapeError, match=r"'encoder'.*\(1, 2, 6, 8\).*multiples of 4"):
        network(np.zeros((1, 2, 6, 8), np.float32))
    with pytest.raises(ArgumentError, match="at least one scale"):
        kind(num_classes=5, widths=())


def test_number_of_parameters() -> None:
    # convolutions 9·in·out with 2·out of the norms; scores w·c + c; up 16 a class
    encoder = 9 * (1 * 4 + 4 * 4 + 4 * 6 + 6 * 6) + 2 * (4 + 4 + 6 + 6)
    fcn = FCN(num_classes=3, widths=(4, 6))
    assert sum(p.size for p in fcn.parameters()) == encoder + (4 * 3 + 3) + (6 * 3 + 3) + 3 * 16
    unet = UNet(num_classes=3, widths=(4, 6))
    decoder = (6 * 4 * 4 + 4) + 9 * (8 * 4 + 4 * 4) + 2 * (4 + 4) + (4 * 3 + 3)
    assert sum(p.size for p in unet.parameters()) == encoder + decoder


def test_up_sampling_begins_bilinear(rng: np.random.Generator) -> None:
    # A plane stays a plane, away from the edges.
    row, column = np.mgrid[:6, :7].astype(np.float32)
    plane = (2 * row - 3 * column)[None, None]
    up = F.conv_transpose2d(plane, bilinear_kernel(1), stride=2, padding=1).numpy()[0, 0]
    row, column = np.mgrid[:12, :14].astype(np.float32)
    expected = 2 * (row / 2 - 0.25) - 3 * (column / 2 - 0.25)
    np.testing.assert_allclose(up[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-5)


def test_learns_saves_and_loads(tmp_path: Path) -> None:
    canvases = data.DigitCanvases(
        data.digits(), 4, task="segmentation", size=(16, 16), count=(1, 1), side=(10, 14)
    )
    network = UNet(num_classes=11, widths=(4, 6))
    model = train.Model(network, classes=canvases.classes)
    model.compile("Adam", "cross_entropy", ["accuracy", "mean_iou"])
    with data.StreamLoader(canvases, batch_size=4, workers=1) as loader:
        history = model.fit(loader, epochs=8, verbose=False)
    assert history.values["loss"][-1] < 0.95 * history.values["loss"][0]
    assert 0 <= history.values["mean_iou"][-1] <= 1
    model.save(tmp_path)
    images = canvases.read_batch(np.arange(2))[0]
    again = train.Model.load(tmp_path).predict(images)
    np.testing.assert_allclose(again, model.predict(images), rtol=1e-6)


@KINDS
def test_gradient_of_the_whole_network(kind: Any) -> None:
    network = kind(num_classes=2, widths=(2, 3)).astype(ne.float64)
    x = np.random.default_rng(0).standard_normal((2, 1, 4, 4))
    ne.check_gradients(lambda z: ne.sum(network(z) ** 2), x, samples=8)
    ne.sum(network(x) ** 2).backward()
    assert all(p.grad.numpy().any() for p in network.parameters())  # all take part


@pytest.mark.slow
def test_the_example_finds_digits(tmp_path: Path) -> None:
    names = runpy.run_path(str(EXAMPLES / "segmentation.py"))
    mean_iou = names["main"](str(tmp_path / "segmentation.png"))
    for each in mean_iou.values():
        assert len(each) == 3
        assert min(each) >= 0.8, mean_iou
    assert (tmp_path / "segmentation.png").stat().st_size > 10_000
