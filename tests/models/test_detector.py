"""The single-shot detector: boxes and offsets, matching by hand, the loss, and learning."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, train
from neurona.core.errors import ArgumentError, ShapeError
from neurona.models import SingleShotDetector
from neurona.models.detector import (
    DetectionLoss,
    DetectorPrecision,
    anchor_boxes,
    decode,
    encode,
    match,
)
from neurona.nn import functional as F

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIDES = (((10, 7), (7, 10)), ((14, 10),))


@pytest.fixture(scope="module")
def network() -> SingleShotDetector:
    ne.random.seed(0)
    return SingleShotDetector(num_classes=3, image_size=(24, 16), widths=(2, 3, 4), sides=SIDES)


def test_anchors_lie_around_their_cells() -> None:
    anchors = anchor_boxes((24, 16), (4, 8), SIDES)
    assert anchors.shape == (6 * 4 * 2 + 3 * 2, 4)
    centres, sizes = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    assert centres[:4].tolist() == [[2, 2], [2, 2], [6, 2], [6, 2]]
    assert centres[-1].tolist() == [12, 20]
    assert sizes[[0, 1, -1]].tolist() == [[7, 10], [10, 7], [10, 14]]


def test_offsets_are_undone(rng: np.random.Generator) -> None:
    anchors = anchor_boxes((24, 16), (4, 8), SIDES).astype(np.float64)
    low = rng.uniform(-5, 20, (3, len(anchors), 2))
    boxes = np.concatenate([low, low + rng.uniform(0.5, 30, low.shape)], axis=2)
    np.testing.assert_allclose(decode(encode(boxes, anchors), anchors).numpy(), boxes, rtol=1e-10)
    offsets = rng.standard_normal((3, len(anchors), 4)) * 4
    again = encode(decode(offsets, anchors), anchors).numpy()
    np.testing.assert_allclose(again, offsets, rtol=1e-9, atol=1e-9)
    assert not encode(anchors, anchors).numpy().any()
    assert np.isfinite(decode(np.full((1, 4), 1e4), anchors[:1]).numpy()).all()
    shifted = anchors[:1] + np.array([0.7, 1.0, 0.7, 1.0])  # by a tenth of width and height
    np.testing.assert_allclose(encode(shifted, anchors[:1]).numpy(), [[1, 1, 0, 0]], atol=1e-6)


def test_matching_by_hand() -> None:
    anchors = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [10, 0, 14, 4], [20, 0, 24, 4]], np.float32)
    objects = np.array(
        [
            [[0, 0, 4, 5, 7], [11, 0, 19, 4, 5], [-1, -1, -1, -1, -1]],
            [[-1, -1, -1, -1, -1]] * 3,
        ],
        np.float32,
    )
    taken, overlap = (found.numpy() for found in match(objects, anchors))
    # The first overlaps 16/20; the second object has no anchor of 0.5, so the best one is its own.
    np.testing.assert_allclose(
        overlap[0], [2 + 16 / 20, 8 / 28, 2 + 12 / 36, 4 / 44 * 0], rtol=1e-6
    )
    assert taken[0].tolist() == [objects[0, 0].tolist(), [0] * 5, objects[0, 1].tolist(), [0] * 5]
    assert not taken[1].any()
    assert not overlap[1].any()
    near, _ = match(objects, anchors, least=0.25)
    assert near.numpy()[0, 1].tolist() == objects[0, 0].tolist()


def test_shapes_and_first_guesses(network: SingleShotDetector) -> None:
    output = network(np.zeros((2, 1, 24, 16), np.float32))
    assert output.shape == (2, 54, 7)
    probability = F.sigmoid(output[..., :3]).numpy()
    np.testing.assert_allclose(probability, 0.01, rtol=0.05)
    assert network.detect(np.zeros((2, 1, 24, 16), np.float32)).max() == -1
    assert network.training
    with pytest.raises(ShapeError, match=r"x \(2, 1, 16, 16\) must be \(batch, 1, 24, 16\)"):
        network(np.zeros((2, 1, 16, 16), np.float32))
    with pytest.raises(ArgumentError, match="multiples of 8"):
        SingleShotDetector(num_classes=3, image_size=(20, 16))


def test_perfect_outputs_are_found_again(network: SingleShotDetector) -> None:
    objects = np.array([[[1, 2, 8, 12, 2], [5, 9, 15, 23, 0]], [[-1] * 5] * 2], np.float32)
    output = np.full((2, 54, 7), -9.0)
    taken, overlap = (found.numpy() for found in match(objects, network.anchors))
    for picture, anchor in np.argwhere(overlap >= 0.5):
        output[picture, anchor, int(taken[picture, anchor, 4])] = 9
        box = encode(taken[picture, anchor, None, :4], network.anchors[anchor, None]).numpy()
        output[picture, anchor, 3:] = box[0]
    found = network.detections(output, most=5)
    assert found.shape == (2, 5, 6)
    assert (found[0, :2, 4].tolist(), found[0, 2:].max(), found[1].max()) == ([2, 0], -1, -1)
    np.testing.assert_allclose(found[0, :2, :4], objects[0, :, :4], atol=1e-4)
    assert train.measure(DetectorPrecision(network, "coco"), output, objects) == 1
    assert DetectionLoss(network)(ne.asarray(output), objects).item() < 1e-4


def test_loss_by_hand_and_its_gradient(
    network: SingleShotDetector, rng: np.random.Generator
) -> None:
    loss = DetectionLoss(network)
    output = rng.standard_normal((2, 54, 7))
    nothing = np.full((2, 3, 5), -1.0)
    none = np.zeros((2, 54, 3))
    expected = F.sigmoid_focal_loss(output[..., :3], none, reduction="sum").item()
    assert loss(output, nothing).item() == pytest.approx(expected)
    objects = nothing.copy()
    objects[:, 0] = [2, 1, 9, 12, 1], [0, 0, 10, 8, 0]
    objects[0, 1] = 4, 6, 14, 20, 2
    ne.check_gradients(lambda y: loss(y, objects), output, samples=10)
    compiled = ne.compile(lambda y, t: loss(y, t))
    for target in (objects, nothing):
        assert compiled(output, target).item() == pytest.approx(loss(output, target).item())


def test_is_saved_and_loaded(network: SingleShotDetector, tmp_path: Path) -> None:
    train.Model(network).save(tmp_path)
    again: Any = train.Model.load(tmp_path).network
    x = np.ones((1, 1, 24, 16), np.float32)
    network.eval()
    np.testing.assert_array_equal(again(x).numpy(), network(x).numpy())
    np.testing.assert_array_equal(again.anchors, network.anchors)
    network.train()
    assert isinstance(again.heads[0], nn.Conv2d)


@pytest.mark.slow
def test_the_example_finds_digits(tmp_path: Path) -> None:
    names = runpy.run_path(str(EXAMPLES / "detection.py"))
    precision = names["main"](str(tmp_path / "detection.png"))
    assert len(precision) == 3
    assert min(precision) >= 0.9, precision
    assert (tmp_path / "detection.png").stat().st_size > 10_000
