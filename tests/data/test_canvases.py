"""Canvases of several digits: what is on them, and that they depend on seed, epoch and number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data import Dataset, DigitCanvases, StreamLoader, digits
from neurona.nn.functional import box_iou


def read(canvases: DigitCanvases, samples: int = 40) -> tuple[Any, ...]:
    return canvases.read_batch(np.arange(samples))


def test_boxes_and_class_maps_agree() -> None:
    canvases = DigitCanvases(digits(), 40, count=(0, 4), side=(10, 24), overlap=0.0)
    images, maps, objects = read(canvases)
    assert images.shape == (40, 1, 64, 64)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() == 1
    numbers = (objects[..., 4] >= 0).sum(axis=1)
    assert set(numbers.tolist()) == {0, 1, 2, 3, 4}
    for image, classes, found in zip(images, maps, objects, strict=True):
        rest = classes.copy()
        for left, top, right, bottom, digit in found[found[:, 4] >= 0].astype(int):
            part = classes[top:bottom, left:right] == 1 + digit
            for edge in (part[0], part[-1], part[:, 0], part[:, -1]):  # just around the ink
                assert edge.any()
            assert 10 <= max(part.shape) + 2 <= 26  # faint margins are trimmed
            rest[top:bottom, left:right] = 0
        assert not rest.any()  # every inked pixel lies in a box
        assert (image[0][classes > 0] >= 0.3).all()
        assert (image[0][classes == 0] < 0.3).all()


def test_digits_keep_their_distance() -> None:
    objects = read(DigitCanvases(digits(), 40, task="detection", overlap=0.1))[1]
    overlaps = box_iou(objects[..., :4], objects[..., :4]).numpy()
    there = objects[..., 4] >= 0
    pairs = there[:, :, None] & there[:, None, :] & ~np.eye(5, dtype=bool)
    assert overlaps[pairs].max() <= 0.1
    assert overlaps[pairs].max() > 0


def test_tasks_are_parts_of_the_same_samples() -> None:
    whole = read(DigitCanvases(digits(), 8), 8)
    segmentation = DigitCanvases(digits(), 8, task="segmentation")
    detection = DigitCanvases(digits(), 8, task="detection")
    assert segmentation.classes[:2] == ("background", "0")
    assert detection.classes[:2] == ("0", "1")
    for part, wanted in ((segmentation, whole[:2]), (detection, whole[::2])):
        for one, other in zip(read(part, 8), wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    assert repr(detection) == "8 canvases of 'digits' for detection"


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_change_nothing_and_epochs_everything(kind: str) -> None:
    canvases = DigitCanvases(digits(), 12, size=(40, 48))
    plain = StreamLoader(canvases, batch_size=5, seed=3, workers=0)
    with StreamLoader(canvases, batch_size=5, seed=3, workers=2, kind=kind) as loader:
        for ours, theirs in zip(loader.epoch(1), plain.epoch(1), strict=True):
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)
    again = DigitCanvases(digits(), 12, size=(40, 48))
    first, second = (
        next(iter(StreamLoader(again, batch_size=12, shuffle=False, workers=0).epoch(epoch)))
        for epoch in (0, 1)
    )
    assert all((one != other).any() for one, other in zip(first[0], second[0], strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "detect"}, "unknown task 'detect'; did you mean 'detection'"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"count": (3, 2)}, "count is"),
        ({"count": (0, 0)}, "count is"),
        ({"side": (14, 80)}, "side is .* in 4…64"),
        ({"overlap": 1.5}, "overlap must be"),
    ],
)
def test_wrong_numbers(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        DigitCanvases(digits(), **{"samples": 3, **options})


def test_wrong_pictures() -> None:
    with pytest.raises(ShapeError, match="grey pictures"):
        DigitCanvases(Dataset(inputs=np.zeros((3, 4)), targets=np.zeros(3), name="numbers"), 3)
    blank = Dataset(
        inputs=np.zeros((2, 8, 8), np.uint8), targets=np.array([0, 1]), name="x", classes=("a", "b")
    )
    with pytest.raises(ArgumentError, match="picture 0 has no ink"):
        DigitCanvases(blank, 3)
