"""Average precision of detected objects, as PASCAL VOC and COCO take it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.nn.functional import box_iou
from neurona.train.metrics.base import GatheringMetric
from neurona.train.metrics.counts import check_average, named

COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))


class MeanAveragePrecision(GatheringMetric):
    """mAP: the mean over the classes of the area under precision against recall.

    - output: detections (batch, detections, 6), each (left, top, right, bottom, class, score).
      target: objects (batch, objects, 5), each (left, top, right, bottom, class). Rows of a
      negative class stand for nothing.
    - `iou`: a detection is right if its intersection over union with an object of its class is at
      least this; or several thresholds, whose precisions are averaged; "coco" means 0.5, 0.55 …
      0.95. It is part of the name unless it is 0.5.
    - `points`: how many recalls the area is sampled at, 101 as for COCO or 11 as for VOC 2007; None
      takes the whole area under the steps, as VOC has since 2010.
    - `average`: "macro", or None for an array (classes,).

    Detections of a class, from the largest score down over all pictures: each takes that object of
    its picture not taken before which it overlaps most, and is right if there is one it overlaps
    enough; so a second detection of an object is wrong. With each detection precision and recall of
    those so far make a point; p(r) is the largest precision at a recall of at least r. Classes
    without objects have none and are left out of the mean; with no objects at all it is NaN.

    Everingham et al., "The PASCAL visual object classes challenge" (2010); Lin et al., "Microsoft
    COCO" (2014).

    >>> import numpy as np
    >>> from neurona import train
    >>> objects = np.array([[[0, 0, 4, 4, 7], [6, 6, 9, 9, 7]]], np.float32)
    >>> found = np.array([[[0, 0, 4, 4, 7, 0.9], [5, 0, 9, 4, 7, 0.8]]], np.float32)
    >>> round(train.measure(train.MeanAveragePrecision(points=None), found, objects), 3)
    0.5
    """

    def __init__(
        self,
        iou: float | Sequence[float] | str = 0.5,
        *,
        points: int | None = 101,
        average: str | None = "macro",
    ) -> None:
        self.iou = iou
        thresholds = _thresholds(iou)
        if points is not None and (not isinstance(points, int) or points < 2):
            raise ArgumentError(
                f"MeanAveragePrecision: points is a number of at least 2 or None, not {points!r}"
            )
        check_average("MeanAveragePrecision", average, ("macro",))
        self.points = points
        self.average = average
        ends = sorted({thresholds[0], thresholds[-1]})
        suffix = "" if ends == [0.5] else "_" + "_".join(f"{100 * end:.0f}" for end in ends)
        plain = f"mean_average_precision{suffix}"
        self.name = plain if average else named(plain.removeprefix("mean_"), average)

    def gathered(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        check_detections(self.name, output, target)
        return output, target

    @property
    def is_number(self) -> bool:
        return self.average is not None

    def value(self, gathered: Sequence[Array]) -> Any:
        """float, or (classes,) without an average."""
        found, objects = (np.asarray(part, np.float64) for part in gathered)
        overlaps = np.asarray(box_iou(found[..., :4], objects[..., :4]).numpy())
        classes = int(max(objects[..., 4].max(initial=-1), found[..., 4].max(initial=-1))) + 1
        each = np.array([self._of_class(c, found, objects, overlaps) for c in range(classes)])
        if self.average is None:
            return each
        there = ~np.isnan(each)
        return float(each[there].mean()) if there.any() else math.nan

    def _of_class(self, chosen: int, found: Array, objects: Array, overlaps: Array) -> float:
        """The mean over the thresholds; NaN without objects."""
        mine, wanted = found[..., 4] == chosen, objects[..., 4] == chosen
        number = int(wanted.sum())
        if not number:
            return math.nan
        scores = found[..., 5][mine]
        pictures = np.flatnonzero(mine.any(axis=1) & wanted.any(axis=1))
        areas = []
        for threshold in _thresholds(self.iou):
            right = np.zeros(mine.shape, bool)
            for i in pictures:
                of_picture = np.flatnonzero(mine[i])
                pairs = overlaps[i][of_picture][:, wanted[i]]
                right[i, of_picture] = matched(pairs, found[i, of_picture, 5], threshold)
            areas.append(average_precision(scores, right[mine], number, self.points))
        return float(np.mean(areas))


def matched(overlaps: Array, scores: Array, threshold: float) -> Array:
    """Which detections of one picture and class are right, bool (detection,).

    overlaps: intersection over union (detection, object). scores: (detection,). From the largest
    score down, each takes the object it overlaps most of those that are left.

    >>> matched(np.array([[0.9, 0.6], [0.8, 0.7], [0.7, 0.2]]), np.array([0.3, 0.2, 0.9]), 0.5)
    array([ True, False,  True])
    """
    right = np.zeros(len(scores), bool)
    left = np.array(overlaps)
    if not left.shape[1]:
        return right
    for detection in np.argsort(-scores, kind="stable").tolist():
        best = int(left[detection].argmax())
        if left[detection, best] >= threshold:
            right[detection] = True
            left[:, best] = -1
    return right


def precision_recall(scores: Array, right: Array, objects: int) -> tuple[Array, Array]:
    """Precision and recall after each detection, from the largest score down, (detection,) each.

    scores: (detection,). right: bool (detection,). objects: how many were to be found.

    >>> precision, recall = precision_recall(np.array([0.9, 0.7]), np.array([False, True]), 4)
    >>> precision.tolist(), recall.tolist()
    ([0.0, 0.5], [0.0, 0.25])
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    hits = np.cumsum(np.asarray(right, bool)[order])
    return hits / np.arange(1, len(hits) + 1), hits / objects


def average_precision(scores: Array, right: Array, objects: int, points: int | None = 101) -> float:
    """The area under p(r), the largest precision at a recall of at least r.

    Arguments as for `precision_recall`. points: how many recalls 0 … 1 p is averaged over, as COCO
    does (as pycocotools, with the recalls as rounded numbers); None takes the steps' exact area.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2, None)
    0.8333333333333333
    """
    precision, recall = precision_recall(scores, right, objects)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    if points is None:
        return float(np.sum(best * np.diff(recall, prepend=0.0)))
    place = np.searchsorted(recall, np.linspace(0, 1, points))
    return float(np.mean(np.append(best, 0.0)[place]))


def check_detections(name: str, output: Tensor, target: Tensor) -> None:
    """Raise `ShapeError` unless output and target are lists of boxes of the same pictures."""
    fits = output.ndim == target.ndim == 3 and output.shape[0] == target.shape[0]
    if not fits or (output.shape[2], target.shape[2]) != (6, 5):
        raise ShapeError(
            f"{name}: output must be detections (batch, detections, 6), target objects "
            f"(batch, objects, 5): left, top, right, bottom, class, and a score for the former; "
            f"found {output.shape} and {target.shape}"
        )


def _thresholds(iou: Any) -> tuple[float, ...]:
    given = COCO_THRESHOLDS if iou == "coco" else (iou,) if isinstance(iou, int | float) else iou
    numbers = isinstance(given, list | tuple) and len(given) > 0
    if not numbers or not all(isinstance(t, int | float) and 0 < t <= 1 for t in given):
        raise ArgumentError(
            f'MeanAveragePrecision: iou is a number in 0…1, several of them, or "coco", not {iou!r}'
        )
    return tuple(sorted(float(t) for t in given))
