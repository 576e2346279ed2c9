"""Boxes against counted pixels, suppression against its definition, the focal loss by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurona as ne
from neurona.core.errors import ArgumentError, ShapeError
from neurona.nn import functional as F


@st.composite
def boxes(draw: Any, most: int = 6) -> Any:
    """Boxes with whole corners in 0…9, (box, 4), empty ones too."""
    corner = st.integers(0, 9)
    corners = st.tuples(corner, corner, corner, corner)
    found = draw(st.lists(corners, min_size=1, max_size=most))
    low_high = np.sort(np.array(found, np.float64).reshape(-1, 2, 2), axis=1)
    return low_high.reshape(-1, 4)


def pixels(box: Any) -> Any:
    """The pixels of a 9 × 9 grid that are in a box."""
    grid = np.zeros((9, 9), bool)
    left, top, right, bottom = box.astype(int)
    grid[top:bottom, left:right] = True
    return grid


@given(boxes(), boxes())
def test_areas_and_overlaps_are_counts_of_pixels(first: Any, second: Any) -> None:
    areas = F.box_area(first).numpy()
    overlaps = F.box_iou(first, second).numpy()
    for i, a in enumerate(first):
        assert areas[i] == pixels(a).sum()
        for j, b in enumerate(second):
            both, one = (pixels(a) & pixels(b)).sum(), (pixels(a) | pixels(b)).sum()
            assert overlaps[i, j] == (both / one if one else 0)


def test_axes_in_front_broadcast(rng: np.random.Generator) -> None:
    first, second = rng.random((2, 3, 4)), rng.random((5, 1, 7, 4))
    first[..., 2:] += first[..., :2]
    second[..., 2:] += second[..., :2]
    overlaps = F.box_iou(first, second).numpy()
    assert overlaps.shape == (5, 2, 3, 7)
    np.testing.assert_allclose(overlaps[4, 1], F.box_iou(first[1], second[4, 0]).numpy())
    assert F.box_iou(np.zeros((0, 4)), second[0, 0]).shape == (0, 7)


@given(boxes(8), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.data())
def test_suppression_is_what_it_is_defined_as(found: Any, threshold: float, data: Any) -> None:
    numbers = st.lists(st.integers(0, 3), min_size=len(found), max_size=len(found))
    scores, groups = np.array(data.draw(numbers)) / 4, np.array(data.draw(numbers))
    overlaps = F.box_iou(found, found).numpy()
    kept = F.batched_nms(found, scores, groups, threshold).tolist()
    expected: list[int] = []
    for place in sorted(range(len(found)), key=lambda i: (-scores[i], i)):
        mine = [k for k in expected if groups[k] == groups[place]]
        if all(overlaps[k, place] <= threshold for k in mine):
            expected.append(place)
    assert kept == expected
    same = F.nms(found, scores, threshold).tolist()
    assert same == F.batched_nms(found, scores, np.zeros(len(found)), threshold).tolist()
    again = F.nms(found[same], scores[same], threshold).tolist()
    assert again == list(range(len(same)))  # nothing is left to suppress


def test_wrong_boxes() -> None:
    with pytest.raises(ShapeError, match=r"boxes are \(…, box, 4\).*found \(2, 3\)"):
        F.box_iou(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(ShapeError, match=r"a number for each of them.*\(2, 4\) and \(3,\)"):
        F.nms(np.zeros((2, 4)), np.zeros(3), 0.5)
    with pytest.raises(ArgumentError, match=r"iou_threshold is in \[0, 1\], not 50"):
        F.nms(np.zeros((2, 4)), np.zeros(2), 50)


def test_focal_loss_by_hand() -> None:
    logits = np.array([math.log(3), math.log(3), -40.0, 40.0])  # p = 3/4, 3/4, 0, 1
    target = np.array([1, 0, 0, 1])
    loss = F.sigmoid_focal_loss(logits, target).numpy()
    expected = [0.25 * 0.25**2 * math.log(4 / 3), 0.75 * 0.75**2 * math.log(4), 0, 0]
    np.testing.assert_allclose(loss, expected, rtol=1e-12, atol=1e-30)
    plain = F.sigmoid_focal_loss(logits, target, alpha=-1, gamma=0, reduction="mean").item()
    assert plain == pytest.approx(F.binary_cross_entropy_with_logits(logits, target).item())


def test_gradient_of_the_focal_loss(rng: np.random.Generator) -> None:
    logits, target = rng.standard_normal((3, 4)), rng.random((3, 4))
    ne.check_gradients(lambda z: F.sigmoid_focal_loss(z, target, reduction="sum"), logits)
    sure = ne.asarray([60.0, -60.0]).requires_grad_()
    F.sigmoid_focal_loss(sure, [1.0, 0.0], reduction="sum").backward()
    assert sure.grad.tolist() == [0, 0]
