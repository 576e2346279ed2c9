"""Average precision and intersection over union by hand, and what must not change them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona import train
from neurona.core.errors import ArgumentError, ShapeError
from neurona.train.metrics import MeanAveragePrecision, describe_metric, find_metric
from tests.train.test_metrics import in_batches


def picture(*rows: tuple[float, ...], length: int = 6, columns: int = 6) -> Any:
    """Boxes of a picture, padded with −1."""
    found = np.full((length, columns), -1.0)
    for place, row in enumerate(rows):
        found[place] = row
    return found


def objects(*rows: tuple[float, ...]) -> Any:
    return picture(*rows, columns=5)


def test_three_detections_by_hand() -> None:
    # right, wrong, right; two objects: precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1
    scores, right = np.array([0.7, 0.9, 0.8]), np.array([True, True, False])
    precision, recall = train.precision_recall(scores, right, 2)
    np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(recall, [1 / 2, 1 / 2, 1])
    area = {n: train.average_precision(scores, right, 2, n) for n in (None, 11, 101)}
    assert area[None] == pytest.approx((1 + 2 / 3) / 2)
    assert area[11] == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert area[101] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_twenty_four_detections_as_published() -> None:
    # Padilla et al., "A survey on performance metrics for object-detection algorithms" (2020)
    right = np.zeros(24, bool)
    right[[0, 2, 9, 11, 12, 13, 22]] = True
    scores = np.linspace(0.95, 0.14, 24)
    assert round(train.average_precision(scores, right, 15, 11), 4) == 0.2684
    assert round(train.average_precision(scores, right, 15, None), 4) == 0.2457


def test_nothing_found_and_nothing_there() -> None:
    assert train.average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0
    assert train.average_precision(np.zeros(0), np.zeros(0, bool), 3, None) == 0
    there, none = objects((0, 0, 4, 4, 1))[None], objects()[None]
    metric = train.MeanAveragePrecision()
    assert train.measure(metric, picture()[None], there) == 0
    assert train.measure(metric, np.zeros((1, 0, 6)), there) == 0
    assert math.isnan(train.measure(metric, picture((0, 0, 4, 4, 1, 0.5))[None], none))


def test_two_pictures_and_three_classes_by_hand() -> None:
    wanted = np.stack(
        [
            objects((0, 0, 10, 10, 0), (20, 0, 30, 10, 0), (40, 0, 50, 10, 2)),
            objects((0, 0, 10, 10, 0), (20, 20, 30, 30, 2)),
        ]
    )
    found = np.stack(
        [
            picture(
                (0, 0, 10, 8, 0, 0.9),  # IoU 0.8
                (0, 0, 10, 10, 0, 0.8),  # the object is taken: wrong, though it fits better
                (40, 0, 50, 10, 0, 0.3),  # an object of another class
                (40, 0, 50, 10, 2, 0.6),
            ),
            picture(
                (0, 0, 10, 6.2, 0, 0.7),  # IoU 0.62
                (0, 0, 10, 10, 1, 0.99),  # a class without objects
                (20, 24, 30, 34, 2, 0.9),  # IoU 6/14
            ),
        ]
    )
    # class 0: right, wrong, right, wrong of 3: p(r) = 1 to 1/3, 2/3 to 2/3, then 0
    # class 2: wrong, right of 2: 1/2 to 1/2
    each = train.measure(MeanAveragePrecision(points=None, average=None), found, wanted)
    assert math.isnan(each[1])
    np.testing.assert_allclose(each[[0, 2]], [1 / 3 + 2 / 9, 1 / 4])
    mean = train.measure(MeanAveragePrecision(points=None), found, wanted)
    assert mean == pytest.approx((5 / 9 + 1 / 4) / 2)
    # class 0 at 0.65 and above: the third is wrong; above 0.8: only the second of the first picture
    #                                                                   is right, behind a wrong one
    by_threshold = [5 / 9] * 3 + [1 / 3] * 4 + [1 / 6] * 3
    coco = MeanAveragePrecision("coco", points=None, average=None)
    np.testing.assert_allclose(train.measure(coco, found, wanted)[0], np.mean(by_threshold))
    assert in_batches(MeanAveragePrecision(points=None), found, wanted, 1) == pytest.approx(mean)


def test_a_detection_takes_the_object_it_overlaps_most() -> None:
    wanted = objects((0, 0, 10, 10, 0), (4, 0, 14, 10, 0))[None]
    found = picture((3, 0, 13, 10, 0, 0.9), (0, 0, 10, 9, 0, 0.5))[None]
    assert train.measure(MeanAveragePrecision(0.75, points=None), found, wanted) == 1
    assert train.measure(MeanAveragePrecision(0.85, points=None), found, wanted) == 0.25


@given(st.integers(0, 2**32 - 1))
def test_what_does_not_change_the_mean_and_what_lowers_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = np.stack([objects(*_random_boxes(rng, 3)) for _ in range(3)])
    found = np.full((3, 6, 6), -1.0)
    found[:, :3, :5] = wanted[:, :3]
    found[:, :3, :4] += rng.uniform(-2, 2, (3, 3, 4))
    found[:, :3, 5] = rng.permutation(9).reshape(3, 3) / 10 + 0.1
    metric = MeanAveragePrecision(points=None)
    mean = train.measure(metric, found, wanted)
    assert 0 <= mean <= 1
    perfect = np.concatenate([wanted, np.ones((3, 6, 1))], axis=2)
    assert train.measure(metric, perfect, wanted) == 1
    order, pictures = rng.permutation(6), rng.permutation(3)
    shuffled = train.measure(metric, found[pictures][:, order], wanted[pictures][:, ::-1])
    assert shuffled == pytest.approx(mean)
    squared = found.copy()
    squared[..., 5] **= 3  # only the order of the scores counts
    assert train.measure(metric, squared, wanted) == pytest.approx(mean)
    more = found.copy()
    more[0, 3] = 900, 900, 910, 910, wanted[0, 0, 4], 0.05  # wrong, and last
    assert train.measure(metric, more, wanted) == pytest.approx(mean)
    more[0, 3, 5] = 0.99  # wrong, and first
    assert train.measure(metric, more, wanted) <= mean


def _random_boxes(rng: np.random.Generator, number: int) -> list[tuple[float, ...]]:
    corner = rng.uniform(0, 20, (number, 2))
    side = rng.uniform(6, 12, (number, 2))
    classes = rng.integers(0, 2, (number, 1))
    return [tuple(row) for row in np.concatenate([corner, corner + side, classes], axis=1)]


def test_names_and_options() -> None:
    assert MeanAveragePrecision().name == "mean_average_precision"
    assert MeanAveragePrecision(0.75).name == "mean_average_precision_75"
    assert MeanAveragePrecision("coco").name == "mean_average_precision_50_95"
    assert MeanAveragePrecision(average=None).name == "average_precision_by_class"
    metric = find_metric({"name": "mean_average_precision", "iou": "coco", "points": 11})
    again = describe_metric(metric)
    assert again == {"name": "mean_average_precision", "iou": "coco", "points": 11}
    with pytest.raises(ArgumentError, match='several of them, or "coco", not 50'):
        MeanAveragePrecision(50)
    with pytest.raises(ArgumentError, match="points is a number of at least 2 or None"):
        MeanAveragePrecision(points=1)
    with pytest.raises(ShapeError, match=r"found \(2, 3, 5\) and \(2, 4, 5\)"):
        train.measure(MeanAveragePrecision(), np.zeros((2, 3, 5)), np.zeros((2, 4, 5)))


def test_intersection_over_union_of_pixels_by_hand() -> None:
    predicted = np.array([[[0, 0, 1], [2, 2, 1]]])
    actual = np.array([[[0, 1, 1], [2, 1, -100]]])
    scores = np.moveaxis(np.eye(4)[predicted], -1, 1)
    each = train.measure(train.IoU(average=None), scores, actual)
    assert each.tolist() == [1 / 2, 1 / 3, 1 / 2, 0]  # the last pixel does not count
    assert train.measure(train.IoU(), scores, actual) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3)
    assert train.measure(train.Accuracy(), scores, actual) == pytest.approx(3 / 5)
    assert train.IoU().name == "mean_iou"
    assert train.IoU("weighted").name == "weighted_iou"


def test_intersection_over_union_as_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    scores, labels = rng.standard_normal((40, 4)), rng.integers(0, 4, 40)
    for average in ("macro", "micro", "weighted", None):
        expected = metrics.jaccard_score(labels, scores.argmax(axis=1), average=average)
        np.testing.assert_allclose(train.measure(train.IoU(average), scores, labels), expected)
    yes = scores[:, 0] > 0.2
    expected = metrics.jaccard_score(labels > 1, yes)
    assert train.measure(train.IoU("auto", threshold=0.2), scores[:, 0], labels > 1) == expected
