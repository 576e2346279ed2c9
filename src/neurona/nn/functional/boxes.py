"""Boxes (left, top, right, bottom): area, intersection over union, non-maximum suppression.

Names and semantics are those of `torchvision.ops`; lengths are in any unit, right and bottom are
exclusive, so that a box is (right − left) wide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import float_input
from neurona.nn.running import who
from neurona.ops.arithmetic import clip, maximum, minimum
from neurona.ops.compare import where
from neurona.ops.operand import operand
from neurona.ops.shape import expand_dims


def box_area(boxes: Any) -> Tensor:
    """Width times height of boxes (…, 4); result (…).

    Raises `ShapeError` for a last axis other than 4.

    >>> from neurona.nn import functional as F
    >>> F.box_area([[0.0, 0.0, 4.0, 3.0], [1.0, 1.0, 2.0, 2.0]]).tolist()
    [12.0, 1.0]
    """
    return _area(_boxes("box_area", boxes))


def box_iou(boxes1: Any, boxes2: Any) -> Tensor:
    """|A ∩ B| / |A ∪ B| of every box of one set with every box of the other.

    boxes1: (…, first, 4). boxes2: (…, second, 4), the axes in front broadcast. Result
    (…, first, second) in [0, 1]; 0 where both boxes are empty. Raises `ShapeError`.
    Jaccard, "The distribution of the flora in the alpine zone" (1912).

    >>> from neurona.nn import functional as F
    >>> F.box_iou([[0.0, 0.0, 4.0, 4.0]], [[2.0, 0.0, 6.0, 3.0], [5.0, 5.0, 6.0, 6.0]])
    Tensor([[0.27272728, 0.        ]], dtype=float32)
    """
    a = expand_dims(_boxes("box_iou", boxes1, 2), axis=-2)
    b = expand_dims(_boxes("box_iou", boxes2, 2), axis=-3)
    width = minimum(a[..., 2], b[..., 2]) - maximum(a[..., 0], b[..., 0])
    height = minimum(a[..., 3], b[..., 3]) - maximum(a[..., 1], b[..., 1])
    common = clip(width, min=0) * clip(height, min=0)
    union = _area(a) + _area(b) - common
    return common / where(union > 0, union, 1)


def nms(boxes: Any, scores: Any, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: keep a box unless one with a larger score overlaps it.

    From the largest score down, a box is kept if its intersection over union with every box kept
    so far is at most `iou_threshold`; of equal scores the first goes first.

    boxes: (box, 4). scores: (box,). Result: the places of the boxes kept, int64, by falling score.
    How many there are depends on the values, so it cannot be recorded into a compiled function.
    Raises `ShapeError`, and `ArgumentError` for a threshold outside 0…1.

    >>> from neurona.nn import functional as F
    >>> boxes = [[0.0, 0.0, 4.0, 4.0], [0.0, 1.0, 4.0, 5.0], [8.0, 8.0, 9.0, 9.0]]
    >>> F.nms(boxes, [0.6, 0.9, 0.2], 0.5).tolist()
    [1, 2]
    """
    return _kept("nms", boxes, scores, None, iou_threshold)


def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> Tensor:
    """`nms` in which only boxes of the same group suppress each other.

    idxs: (box,), the group of each box, as its class. The rest as for `nms`.

    >>> from neurona.nn import functional as F
    >>> boxes = [[0.0, 0.0, 4.0, 4.0], [0.0, 1.0, 4.0, 5.0]]
    >>> F.batched_nms(boxes, [0.6, 0.9], [3, 5], 0.5).tolist()
    [1, 0]
    """
    return _kept("batched_nms", boxes, scores, operand(idxs).numpy(), iou_threshold)


def _kept(
    function: str, boxes: Any, scores: Any, groups: Array | None, iou_threshold: float
) -> Tensor:
    corners, values = _boxes(function, boxes, 2), float_input(function, scores)
    given = [values.shape] if groups is None else [values.shape, groups.shape]
    if corners.ndim != 2 or any(shape != corners.shape[:1] for shape in given):
        raise ShapeError(
            f"{who(function)}: boxes (box, 4) and a number for each of them are needed, found "
            f"{corners.shape} and {', '.join(map(str, given))}"
        )
    if not 0 <= iou_threshold <= 1:
        raise ArgumentError(f"{who(function)}: iou_threshold is in [0, 1], not {iou_threshold}")
    hidden = box_iou(corners, corners).numpy() > iou_threshold
    if groups is not None:
        hidden &= groups[:, None] == groups
    kept: list[int] = []
    free = np.ones(len(hidden), bool)
    for place in np.argsort(-values.numpy(), kind="stable").tolist():
        if free[place]:
            kept.append(place)
            free &= ~hidden[place]
    return operand(np.array(kept, np.int64))


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _boxes(function: str, given: Any, axes: int = 1) -> Tensor:
    boxes = float_input(function, given)
    if boxes.ndim < axes or boxes.shape[-1] != 4:
        wanted = "(…, 4)" if axes == 1 else "(…, box, 4)"
        raise ShapeError(
            f"{who(function)}: boxes are {wanted}: left, top, right, bottom; found {boxes.shape}"
        )
    return boxes
