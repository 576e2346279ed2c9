"""Sources with transformed pictures: seeded by sample, whoever reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from neurona import data
from neurona.core.errors import ArgumentError
from neurona.data import augmentation as aug
from neurona.data import sample_generator

STEPS = [aug.Rotate(20), aug.Crop(8, 1), aug.Contrast(0.3), aug.Noise(0.1, p=0.5), aug.Erase()]


def served(source: data.Source, **options: Any) -> list[Any]:
    with data.StreamLoader(source, batch_size=7, seed=5, **options) as loader:
        return [batch for epoch in (0, 1) for batch in loader.epoch(epoch)]


def same(first: list[Any], second: list[Any]) -> bool:
    return all(
        np.array_equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("kind", ["arrays", "part of arrays", "folder", "mixup", "cutmix"])
def test_workers_do_not_matter(kind: str, tmp_path: Path) -> None:
    few = data.digits().take(np.arange(20))
    steps: list[Any] = list(STEPS)
    source: Any = few
    if kind == "part of arrays":
        whole = data.ArraySource(*data.digits().arrays)
        source = whole.take(np.arange(20))
    elif kind == "folder":
        for number, picture in enumerate(few.inputs):
            path = tmp_path / str(number % 2) / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture * 15).save(path)
        source = data.ImageFolder(tmp_path, grey=True)
    elif kind in ("mixup", "cutmix"):
        steps.append(aug.KINDS[kind]())
    varied = data.augment(source, steps, white=None if kind == "folder" else 16)
    alone = served(varied, workers=0)
    assert same(alone, served(varied, workers=3))
    inputs = np.concatenate([x for x, _ in alone])
    assert inputs.shape == (40, 8, 8)
    assert inputs.max() <= (255 if kind == "folder" else 16)
    # A sample looks another way in each epoch, the same way to whoever reads it.
    assert not same(alone[:3], alone[3:])
    one = varied.read(3, sample_generator(5, 1, 3))
    batch = varied.read_batch(np.array([8, 3]), iter([sample_generator(5, 1, n) for n in (8, 3)]))
    np.testing.assert_array_equal(one[0], batch[0][1])
    np.testing.assert_array_equal(one[1], batch[1][1])


def test_what_a_source_says_of_itself() -> None:
    digits = data.digits()
    varied = data.augment(digits, [aug.Rotate(3), aug.Noise()], white=16)
    assert len(varied) == 1797
    assert varied.classes == digits.classes
    np.testing.assert_array_equal(varied.targets, digits.targets)  # type: ignore[arg-type]
    assert repr(varied) == "ArraySource: 1797 samples, augmented by Rotate, Noise"
    assert varied.name(3) == "sample 3"
    parts = data.split(varied, (0.5, 0.5), stratify=varied.targets)
    assert [len(part) for part in parts] == [899, 898]
    plain = data.augment(digits, [])
    np.testing.assert_array_equal(plain.read_batch(np.arange(4))[0], digits.inputs[:4])


def test_mixtures() -> None:
    """Targets tell how much of which class is in a picture."""
    flat = np.array([np.full((10, 10), 100 * k, np.uint8) for k in range(3)])
    few = data.Dataset(inputs=flat, targets=np.arange(3), classes=("a", "b", "c"))
    for mixing in (aug.MixUp(1.0), aug.CutMix(1.0)):
        varied = data.augment(few, [mixing])
        samples = [varied.read(n % 3, sample_generator(0, n // 3, n % 3)) for n in range(60)]
        shares = np.array([target for _, target in samples])
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
        assert shares.dtype == np.float32
        for picture, share in samples:
            assert abs(picture.mean() - share @ [0, 100, 200]) < 0.6
        assert 0 < shares.max(axis=1).min() < 0.7
        assert (shares.argmax(axis=1) == np.arange(60) % 3).mean() > 0.5
    vectors = data.ArraySource(flat, np.eye(3, dtype=np.float64))
    vectors.targets = np.eye(3)
    assert data.augment(vectors, [aug.MixUp()]).read(0, sample_generator(0, 0, 0))[1].shape == (3,)


def test_what_is_refused() -> None:
    digits = data.digits()
    with pytest.raises(ArgumentError, match=r"needs a data\.Source or a Dataset, found list"):
        data.augment([1, 2], [])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="MixUp or CutMix is the last transformation"):
        data.augment(digits, [aug.MixUp(), aug.Rotate()])
    with pytest.raises(ArgumentError, match="MixUp has no meaning for maps"):
        data.augment(digits, [aug.MixUp()], maps=True)
    with pytest.raises(ArgumentError, match="CutMix needs to know all targets"):
        data.augment(data.ArraySource(*digits.arrays), [aug.CutMix()])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"degrees": 3}, "'kind' is missing"),
        ({"kind": "rotat"}, r"unknown kind 'rotat'; did you mean 'rotate'\?"),
        ({"kind": "rotate", "degres": 3}, "rotate has no option 'degres'; did you mean 'degrees'"),
        ({"kind": "crop"}, "crop: missing 1 required positional argument: 'size'"),
        ({"kind": "rotate", "degrees": [5, 3]}, "degrees must be"),
    ],
)
def test_names(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        aug.make(table)


def test_every_kind_has_a_name() -> None:
    made = {aug.KINDS[kind] for kind in aug.KINDS}
    public = [getattr(aug, name) for name in aug.__all__]
    kinds = {one for one in public if isinstance(one, type)}
    assert made == kinds - {aug.Augmentation, aug.Augmented, aug.Transform, aug.Mixing}
    assert aug.make({"kind": "resized_crop", "size": [8, 9]}) == aug.ResizedCrop((8, 9))
