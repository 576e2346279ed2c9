"""A single-shot detector: one network gives classes and places of all objects at once.

Boxes are tried at every cell of two feature maps; each is scored for every class and moved and
stretched to fit. Redmon, Divvala, Girshick and Farhadi, "You only look once" (2016); Liu et al.,
"SSD: single shot multibox detector" (2016); the loss of the classes from Lin et al., "Focal loss
for dense object detection" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neurona import nn
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.nn import functional as F
from neurona.nn.module import Module
from neurona.ops.arithmetic import clip
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.create import arange
from neurona.ops.join import concat
from neurona.ops.matmul import matmul
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import argmax, max
from neurona.ops.shape import expand_dims, permute_dims
from neurona.ops.softmax import one_hot
from neurona.ops.transcendental import exp, log
from neurona.train.architecture import register
from neurona.train.metrics import MeanAveragePrecision

Sides = Sequence[Sequence[int]]

STRIDES = (4, 8)
"""Pixels between the cells of the fine and of the coarse map."""
CENTRE, SIZE = 0.1, 0.2
"""What offsets are divided by, so that they are about 1 (SSD's variances)."""
PRIOR = 0.01
"""The probability of a class at a cell before anything is learnt (focal loss, section 4.1)."""


@register
class SingleShotDetector(Module):
    """Convolutions down to two feature maps, and one more on each that predicts at every cell.

    - x: (batch, in_channels, height, width). Result: (batch, anchor, num_classes + 4): the logits
      of the classes, then the offsets of the box from its anchor, see `decode`.
    - `image_size`: height and width, multiples of 8.
    - `widths`: channels at strides 1 and 2, at stride 2 and 4, and of the two maps.
    - `sides`: of the fine and of the coarse map the (height, width) of each cell's anchors.

    `anchors`: (anchor, 4), left, top, right, bottom in pixels. `detect` gives boxes.

    >>> import neurona as ne
    >>> network = SingleShotDetector(num_classes=10, image_size=(32, 32))
    >>> network(ne.zeros((2, 1, 32, 32))).shape, network.anchors.shape
    ((2, 80, 14), (80, 4))
    """

    def __init__(
        self,
        *,
        num_classes: int,
        image_size: tuple[int, int] = (64, 64),
        in_channels: int = 1,
        widths: tuple[int, int, int] = (16, 32, 64),
        sides: tuple[Sides, Sides] = (((15, 11),), ((24, 17),)),
    ) -> None:
        if image_size[0] % STRIDES[-1] or image_size[1] % STRIDES[-1]:
            raise ArgumentError(
                f"SingleShotDetector: image_size must be multiples of {STRIDES[-1]}, "
                f"found {image_size}"
            )
        self.num_classes = num_classes
        self.image_size = tuple(image_size)
        self.in_channels = in_channels
        self.widths = tuple(widths)
        self.sides = tuple(tuple(tuple(side) for side in of_map) for of_map in sides)
        first, second, third = widths
        self.fine = nn.Sequential(
            *_block(in_channels, first),
            *_block(first, first, stride=2),
            *_block(first, second),
            *_block(second, second, stride=2),
            *_block(second, third),
            *_block(third, third),
        )
        self.coarse = nn.Sequential(*_block(third, third, stride=2), *_block(third, third))
        self.heads = nn.ModuleList([self._head(len(of_map)) for of_map in self.sides])
        self.anchors = anchor_boxes(self.image_size, STRIDES, self.sides)

    def _head(self, anchors: int) -> nn.Conv2d:
        head = nn.Conv2d(self.widths[-1], anchors * (self.num_classes + 4), 3, padding=1)
        bias = np.zeros((anchors, self.num_classes + 4), np.float32)
        bias[:, : self.num_classes] = math.log(PRIOR / (1 - PRIOR))
        nn.init.normal(head.weight, std=0.01)
        if head.bias is not None:
            head.bias.assign(bias.reshape(-1))
        return head

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        if z.shape[1:] != (self.in_channels, *self.image_size):
            raise ShapeError(
                f"SingleShotDetector: x {z.shape} must be (batch, {self.in_channels}, "
                f"{self.image_size[0]}, {self.image_size[1]})"
            )
        fine = self.fine(z)
        maps = fine, self.coarse(fine)
        found = []
        for head, features in zip(self.heads, maps, strict=True):
            y = permute_dims(head(features), (0, 2, 3, 1))  # (batch, row, column, anchor·values)
            found.append(reshape(y, (z.shape[0], -1, self.num_classes + 4)))
        return concat(found, axis=1)

    def detections(
        self, output: Any, *, score: float = 0.05, overlap: float = 0.5, most: int = 50
    ) -> Array:
        """Boxes from outputs (batch, anchor, num_classes + 4), for `MeanAveragePrecision`.

        Result: (batch, most, 6), of each (left, top, right, bottom, class, score) by falling score,
        clipped to the image; rows of −1 stand for none. A box is left out if its score is below
        `score`, or if a better one of its class overlaps it by more than `overlap` (see
        `functional.batched_nms`).
        """
        y = np.asarray(operand(output).numpy())
        scores = F.sigmoid(y[..., : self.num_classes]).numpy()
        boxes = decode(y[..., self.num_classes :], self.anchors).numpy()
        height, width = self.image_size
        boxes = np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))
        found = np.full((len(y), most, 6), -1, np.float32)
        for picture, (of_anchor, box) in enumerate(zip(scores, boxes, strict=True)):
            anchor, label = np.nonzero(of_anchor >= score)
            best = np.argsort(-of_anchor[anchor, label], kind="stable")[: 4 * most]
            anchor, label = anchor[best], label[best]
            value = of_anchor[anchor, label]
            kept = F.batched_nms(box[anchor], value, label, overlap).numpy()[:most]
            rows = found[picture, : len(kept)]
            rows[:, :4], rows[:, 4], rows[:, 5] = box[anchor[kept]], label[kept], value[kept]
        return found

    def detect(self, images: Any, **options: Any) -> Array:
        """`detections` of images (batch, in_channels, height, width), in evaluation mode."""
        before = self.training
        self.eval()
        try:
            with no_grad():
                return self.detections(self(operand(images)), **options)
        finally:
            self.train(before)


def _block(in_channels: int, out_channels: int, stride: int = 1) -> list[Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    ]


def anchor_boxes(
    image_size: Sequence[int], strides: Sequence[int], sides: Sequence[Sides]
) -> Array:
    """Boxes around the centres of all cells, float32 (anchor, 4): left, top, right, bottom.

    In the order map, row, column, side; sides: (height, width) in pixels.

    >>> anchor_boxes((8, 8), (8,), [[(4, 2)]]).tolist()
    [[3.0, 2.0, 5.0, 6.0]]
    """
    found = []
    for stride, of_map in zip(strides, sides, strict=True):
        y = (np.arange(image_size[0] // stride) + 0.5) * stride
        x = (np.arange(image_size[1] // stride) + 0.5) * stride
        half = np.array(of_map, np.float32) / 2
        y, x, side = np.meshgrid(y, x, np.arange(len(half)), indexing="ij")
        height, width = half[side, 0], half[side, 1]
        found.append(np.stack([x - width, y - height, x + width, y + height], -1).reshape(-1, 4))
    return np.concatenate(found).astype(np.float32)


def encode(boxes: Any, anchors: Any) -> Tensor:
    """Offsets that make boxes of anchors, both (…, anchor, 4); result likewise.

    ((c − cᴬ)/(0.1·sᴬ), log(s/sᴬ)/0.2) with centres c and sizes s of box and anchor, horizontally
    and vertically. Liu et al. (2016), equation 2. The boxes must not be empty.
    """
    centre, size = _centred(operand(boxes))
    origin, unit = _centred(operand(anchors))
    return concat([(centre - origin) / (CENTRE * unit), log(size / unit) / SIZE], axis=-1)


def decode(offsets: Any, anchors: Any) -> Tensor:
    """The boxes of offsets, the inverse of `encode`.

    >>> anchors = anchor_boxes((16, 16), (8,), [[(8, 8)]])
    >>> decode(encode([[[2.0, 1.0, 6.0, 9.0]]], anchors[:1]), anchors[:1]).tolist()
    [[[2.0, 1.0, 6.0, 9.0]]]
    """
    t = operand(offsets)
    origin, unit = _centred(operand(anchors))
    centre = origin + CENTRE * t[..., :2] * unit
    # Beyond e⁴ times the anchor no box is meant, and e^x would overflow.
    half = unit * exp(clip(SIZE * t[..., 2:], max=4.0)) / 2
    return concat([centre - half, centre + half], axis=-1)


def _centred(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and size (…, 2) each."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low


def match(objects: Any, anchors: Any, *, least: float = 0.5) -> tuple[Tensor, Tensor]:
    """Which object each anchor is to find.

    An anchor takes the object that it overlaps most, if their intersection over union is at least
    `least`; besides, each object gets the anchor that overlaps it most.

    objects: (batch, object, 5) as `data.DigitCanvases` gives them. anchors: (anchor, 4).
    Result: the objects taken (batch, anchor, 5), 0 where there is none, and the largest
    intersection over union of each anchor (batch, anchor), above 1 for the objects' best.
    """
    wanted = operand(objects)
    overlaps = F.box_iou(operand(anchors), wanted[..., :4])  # (batch, anchor, object)
    best = expand_dims(argmax(overlaps, axis=1), axis=1)  # (batch, 1, object)
    numbers = reshape(arange(overlaps.shape[1], dtype=best.dtype), (-1, 1))
    there = expand_dims(wanted[..., 4] >= 0, axis=1)
    overlaps = where((numbers == best) & there, 2 + overlaps, overlaps)
    greatest = max(overlaps, axis=2)
    taken = one_hot(argmax(overlaps, axis=2), wanted.shape[1], dtype=wanted.dtype)
    taken = taken * expand_dims(cast(greatest >= least, wanted.dtype), axis=2)
    return matmul(taken, wanted), greatest


class DetectionLoss:
    """The focal loss of the classes and the smooth L1 loss of the offsets, per matched anchor.

        (Σ_anchors focal(logits, class) + box_weight·Σ_matched smooth_L1(offsets, encode(box))) / M

    with M matched anchors in the batch, at least 1. An anchor that overlaps an object by `least` or
    more is matched, one from `most_background` up to that does not count.

    output: (batch, anchor, num_classes + 4). target: objects (batch, object, 5).
    """

    def __init__(
        self,
        network: SingleShotDetector,
        *,
        least: float = 0.5,
        most_background: float = 0.4,
        box_weight: float = 1.0,
    ) -> None:
        self.classes = network.num_classes
        self.anchors = network.anchors
        self.least = least
        self.most_background = most_background
        self.box_weight = box_weight

    def __call__(self, output: Any, target: Any) -> Tensor:
        y, k = operand(output), self.classes
        with no_grad():
            objects, overlap = match(cast(operand(target), y.dtype), self.anchors, least=self.least)
            matched = overlap >= self.least
            weight = cast(matched, y.dtype)
            number = clip(sum(weight), min=1)
            classes = cast(objects[..., 4], dtypes.int64)
            codes = one_hot(classes, k, dtype=y.dtype) * expand_dims(weight, axis=2)
            counted = cast(matched | (overlap < self.most_background), y.dtype)
            # Where nothing is matched the anchor itself stands in, since log 0 is no offset.
            boxes = where(expand_dims(matched, axis=2), objects[..., :4], self.anchors)
            offsets = encode(boxes, self.anchors)
        of_class = sum(F.sigmoid_focal_loss(y[..., :k], codes), axis=2)
        of_box = sum(F.smooth_l1_loss(y[..., k:], offsets, reduction="none"), axis=2)
        return sum(of_class * counted + self.box_weight * of_box * weight) / number


class DetectorPrecision(MeanAveragePrecision):
    """`MeanAveragePrecision` of a detector's outputs, for `Model.compile`.

    target: objects (batch, object, 5). The other arguments are those of `MeanAveragePrecision`.
    """

    def __init__(self, network: SingleShotDetector, iou: Any = 0.5, **options: Any) -> None:
        super().__init__(iou, **options)
        self.network = network

    def gathered(self, output: Tensor, target: Tensor) -> Sequence[Tensor]:
        return output, target

    def value(self, gathered: Sequence[Array]) -> Any:
        output, target = gathered
        return super().value([self.network.detections(output), target])
