"""Transformations of pictures: what each does, and that it depends on nothing but its generator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from neurona import data
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.data import augmentation as aug
from neurona.data import sample_generator
from neurona.data.source import SampleGenerators

ALL: dict[str, Any] = {
    "mirror": aug.Mirror(),
    "mirror, vertical": aug.Mirror("vertical"),
    "rotate": aug.Rotate(30),
    "rotate, edge": aug.Rotate((20, 40), fill="edge"),
    "rotate, reflect": aug.Rotate(30, fill="reflect", interpolation="bicubic"),
    "translate": aug.Translate((0.2, 0.1), fill=1.0),
    "stretch": aug.Stretch(0.3, 0.2, interpolation="nearest"),
    "shear": aug.Shear(20, p=0.5),
    "crop": aug.Crop(12, padding=1),
    "crop, reflect": aug.Crop((16, 10), 3, fill="reflect"),
    "resized_crop": aug.ResizedCrop((8, 9)),
    "centre_crop": aug.CentreCrop((7, 11)),
    "resize": aug.Resize(20),
    "resize, stretch": aug.Resize((5, 20), "stretch"),
    "brightness": aug.Brightness(0.5),
    "contrast": aug.Contrast(0.5),
    "saturation": aug.Saturation(1.0),
    "hue": aug.Hue(90),
    "noise": aug.Noise(0.2, p=0.7),
    "salt_and_pepper": aug.SaltAndPepper(0.2),
    "erase": aug.Erase((0.1, 0.4)),
    "erase, noise": aug.Erase((0.1, 0.4), fill="noise"),
    "blur": aug.Blur(2),
    "normalise": aug.Normalise(0.3, 0.2),
    "colour_noise": aug.ColourNoise(0.5, components=((0.3, 0.3, 0.3), (0.1, 0, -0.1), (0, 0.1, 0))),
}


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.uint8]:
    """(5, 14, 13, 3)"""
    return np.random.default_rng(3).integers(0, 256, (5, 14, 13, 3), dtype=np.uint8)


def of_sample(number: int) -> np.random.Generator:
    return sample_generator(1, 2, number)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("form", ["uint8 colour", "float32 colour", "uint8 grey", "float32 grey"])
def test_a_sample_does_not_depend_on_its_batch(
    name: str, form: str, pictures: NDArray[np.uint8]
) -> None:
    """One by one and all at once give the same bits, in the dtype given, and change no input."""
    images = pictures if form.endswith("colour") else pictures[..., 0]
    if name == "colour_noise" and images.ndim == 3:
        pytest.skip("needs colours")
    images = images if form.startswith("uint8") else (images / np.float32(255))
    before = images.copy()
    whole = aug.Augmentation([ALL[name]])
    together = whole.batch(images, [of_sample(n) for n in range(5)])
    reused = whole.batch(images, SampleGenerators(1, 2, np.arange(5)).in_turn())
    alone = [ALL[name](image, of_sample(n)) for n, image in enumerate(images)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, reused)
    np.testing.assert_array_equal(images, before)
    assert together.dtype == (np.float32 if name == "normalise" else images.dtype)
    assert together.shape[1:] == whole.shape(images.shape[1:])
    if name != "normalise":
        assert together.min() >= 0
        assert together.max() <= (255 if images.dtype == np.uint8 else 1)
    # uint8 and float32 are the same but for roundings, and what Pillow's bytes cannot hold.
    if images.dtype == np.float32 and name != "normalise":
        bytes_ = whole.batch(
            np.rint(images * 255).astype(np.uint8), SampleGenerators(1, 2, np.arange(5))
        )
        assert np.abs(together * 255 - bytes_).max() <= 1.1


def test_everything_in_a_row(pictures: NDArray[np.uint8]) -> None:
    several = [one for name, one in ALL.items() if name not in ("normalise", "centre_crop")]
    whole = aug.Augmentation(several)
    together = whole.batch(pictures, SampleGenerators(1, 2, np.arange(5)))
    alone = [whole(image, of_sample(n)) for n, image in enumerate(pictures)]
    np.testing.assert_array_equal(together, alone)
    assert together.shape == (5, *whole.shape((14, 13, 3)))


def test_mirrors_are_exact(pictures: NDArray[np.uint8]) -> None:
    one = pictures[0]
    np.testing.assert_array_equal(aug.Mirror(p=1)(one, of_sample(0)), one[:, ::-1])
    np.testing.assert_array_equal(aug.Mirror("vertical", p=1)(one, of_sample(0)), one[::-1])
    both = aug.Augmentation([aug.Mirror(p=1), aug.Mirror("vertical", p=1)])
    np.testing.assert_array_equal(both(one, of_sample(0)), one[::-1, ::-1])
    turned = sum((aug.Mirror()(one, of_sample(n)) != one).any() for n in range(200))
    assert 70 < turned < 130


def test_right_angles_and_whole_pixels_are_exact() -> None:
    square = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    for degrees, turns in ((90, 1), (180, 2), (-90, 3)):
        turned = aug.Rotate((degrees, degrees))(square, of_sample(0))
        np.testing.assert_array_equal(turned, np.rot90(square, turns))  # anticlockwise
    wide = np.arange(40, dtype=np.uint8).reshape(4, 10)
    for n in range(20):
        moved = aug.Translate((0, 0.5), interpolation="nearest")(wide, of_sample(n))
        shift = np.flatnonzero((moved == wide[:, :1]).all(axis=0) & (moved[1] > 0))
        if shift.size:
            np.testing.assert_array_equal(moved[:, shift[0] :], wide[:, : 10 - shift[0]])
            assert not moved[:, : shift[0]].any()


def test_neighbours_are_resampled_once() -> None:
    """A turn there and back loses nothing when both are one step, and much when they are two."""
    picture = np.random.default_rng(0).integers(0, 256, (15, 15), dtype=np.uint8)
    there, back = aug.Rotate((30, 30), fill="edge"), aug.Rotate((-30, -30), fill="edge")
    once = aug.Augmentation([there, back])(picture, of_sample(0))
    np.testing.assert_array_equal(once, picture)
    other = aug.Rotate((-30, -30), fill="reflect")
    assert (aug.Augmentation([there, other])(picture, of_sample(0)) != picture).mean() > 0.5


def test_affine_against_a_picture_computed_by_hand() -> None:
    """Bilinear values at the places that the matrix names, inside."""
    picture = np.random.default_rng(0).random((12, 12), dtype=np.float32)
    turned = aug.Rotate((10, 10))(picture, of_sample(0))
    angle = np.radians(10)
    y, x = np.mgrid[3:9, 3:9] + 0.5 - 6
    column = np.cos(angle) * x - np.sin(angle) * y + 6 - 0.5
    row = np.sin(angle) * x + np.cos(angle) * y + 6 - 0.5
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    s, t = column - left, row - top
    expected = (1 - t) * ((1 - s) * picture[top, left] + s * picture[top, left + 1]) + t * (
        (1 - s) * picture[top + 1, left] + s * picture[top + 1, left + 1]
    )
    np.testing.assert_allclose(turned[3:9, 3:9], expected, atol=1e-5)


def test_small_and_large_pictures_are_moved_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's arithmetic for many small ones, and Pillow's for large ones."""
    rng = np.random.default_rng(0)
    for dtype in (np.uint8, np.float32):
        images = rng.integers(0, 256, (6, 20, 17, 3)).astype(dtype)
        whole = aug.Augmentation([aug.Rotate(40, fill=0.4), aug.Stretch(0.3, fill=0.4)], white=255)
        small = whole.batch(images, SampleGenerators(0, 0, np.arange(6)))
        with monkeypatch.context() as patch:
            patch.setattr("neurona.data.augmentation.warp._SMALL", 0)
            large = whole.batch(images, SampleGenerators(0, 0, np.arange(6)))
        assert np.abs(small.astype(float) - large).max() <= (1 if dtype == np.uint8 else 0.01)


def test_what_comes_into_view() -> None:
    picture = np.full((10, 10), 100, np.uint8)
    for fill, corner in ((0.0, 0), (1.0, 255), (0.5, 128), ("edge", 100), ("reflect", 100)):
        assert aug.Rotate((45, 45), fill=fill)(picture, of_sample(0))[0, 0] == corner
    ramp = np.tile(np.arange(10, dtype=np.uint8), (10, 1))
    moved = aug.Stretch((0.5, 0.5), fill="reflect", interpolation="nearest")(ramp, of_sample(0))
    assert moved[0].tolist() == moved[0][::-1].tolist()[::-1]
    assert moved[0, 0] > moved[0, 2]  # mirrored at the left border
    darker = aug.Augmentation([aug.Rotate((45, 45), fill=1.0)], white=16)
    assert darker(picture // 10, of_sample(0))[0, 0] == 16


def test_crops(pictures: NDArray[np.uint8]) -> None:
    one = pictures[0]
    seen = {aug.Crop(13)(one, of_sample(n)).tobytes() for n in range(50)}
    assert seen == {one[top : top + 13].tobytes() for top in (0, 1)}
    padded = aug.Crop((14, 13), 2)
    corners = {int(padded(np.full((14, 13), 9, np.uint8), of_sample(n)).sum()) for n in range(300)}
    assert min(corners) == 9 * 12 * 11
    assert corners == {9 * rows * columns for rows in (12, 13, 14) for columns in (11, 12, 13)}
    np.testing.assert_array_equal(aug.CentreCrop((10, 9))(one, of_sample(0)), one[2:12, 2:11])
    with pytest.raises(ShapeError, match=r"Crop: \(20, 20\) does not fit into"):
        aug.Crop(20)(one, of_sample(0))
    with pytest.raises(ShapeError, match=r"CentreCrop: \(15, 15\) does not fit"):
        aug.CentreCrop(15)(one, of_sample(0))


def test_resized_crops_have_the_areas_asked_for() -> None:
    """A ramp shows which part was taken."""
    ramp = np.tile(np.arange(100, dtype=np.float32) / 99, (100, 1))
    widths = []
    for n in range(300):
        part = aug.ResizedCrop(8, area=(0.2, 0.5), aspect=(0.5, 2.0))(ramp, of_sample(n))
        widths.append((part[0, -1] - part[0, 0]) * 99 / 7 * 8)
    assert 0.99 * np.sqrt(0.2 * 0.5) * 100 < min(widths)
    assert max(widths) < 1.01 * np.sqrt(0.5 * 2) * 100
    assert max(widths) > 80
    assert min(widths) < 45


def test_resize_is_that_of_read_image(pictures: NDArray[np.uint8]) -> None:
    for mode in ("crop", "stretch"):
        found = aug.Resize((6, 9), mode)(pictures[0], of_sample(0))
        np.testing.assert_array_equal(found, data.resize_image(pictures[0], (6, 9), resize=mode))


def test_evaluation_keeps_sizes_and_drops_chance() -> None:
    whole = aug.Augmentation(
        [aug.ResizedCrop(24), aug.Mirror(), aug.Crop(20), aug.Noise(), aug.Normalise(0.5, 0.2)]
    )
    names = [type(one).__name__ for one in whole.evaluation().transforms]
    assert names == ["Resize", "CentreCrop", "Normalise"]


def test_colours_in_words() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = (200, 40, 40)
    picture[2:] = (40, 200, 40)
    grey = aug.Saturation((0, 0))(picture, of_sample(0))
    assert (grey == grey[..., :1]).all()
    assert grey[0, 0, 0] == round(0.299 * 200 + 0.701 * 40)
    assert (aug.Brightness((0.5, 0.5))(picture, of_sample(0)) == picture // 2).all()
    flat = aug.Contrast((0, 0))(picture, of_sample(0))
    assert len(np.unique(flat)) == 1
    steep = aug.Contrast((9, 9))(picture, of_sample(0))
    assert steep.min() == 0
    assert steep.max() == 255
    # Turned by 120 degrees red is mostly green or blue, of the same luma as far as it can be.
    turned = aug.Hue((120, 120))(picture[:1], of_sample(0))[0, 0].astype(int)
    assert turned[0] < 60
    assert max(turned[1:]) > 70
    full = aug.Hue((-180, -180))(aug.Hue((180, 180))(picture // 4 + 90, of_sample(0)), of_sample(0))
    assert np.abs(full.astype(int) - (picture // 4 + 90)).max() <= 2


def test_noise_has_its_size() -> None:
    grey = np.full((200, 200), 128, np.uint8)
    assert abs(np.std(aug.Noise(0.1)(grey, of_sample(0)).astype(float)) - 25.5) < 0.5
    dots = aug.SaltAndPepper(0.2)(grey, of_sample(0))
    assert abs((dots == 255).mean() - 0.1) < 0.01
    assert abs((dots == 0).mean() - 0.1) < 0.01
    colour = aug.SaltAndPepper(0.5)(np.full((50, 50, 3), 9, np.uint8), of_sample(0))
    assert (colour == colour[..., :1]).all()
    covered = [(aug.Erase((0.1, 0.3), p=1)(grey, of_sample(n)) == 0).mean() for n in range(100)]
    assert 0.095 < min(covered) < 0.13
    assert 0.25 < max(covered) < 0.305


def test_blur_is_a_gaussian_average() -> None:
    dot = np.zeros((21, 21), np.float32)
    dot[10, 10] = 1
    spread = aug.Blur((1.5, 1.5))(dot, of_sample(0))
    assert abs(spread.sum() - 1) < 1e-5
    variance = (spread.sum(axis=0) * (np.arange(21) - 10) ** 2).sum()
    assert abs(variance - 1.5**2) < 0.1
    flat = np.full((8, 8), 77, np.uint8)
    assert (aug.Blur((2, 2))(flat, of_sample(0)) == 77).all()
    assert (aug.Blur((0, 0))(flat, of_sample(0)) == 77).all()


def test_colour_noise_follows_the_data() -> None:
    rng = np.random.default_rng(0)
    level, tint = rng.normal(0.5, 0.1, (100, 8, 8, 1)), rng.normal(0, 0.02, (100, 8, 8, 1))
    colours = level * [1, 1, 1] + tint * [1, 0, -1]
    source = data.ArraySource((colours.clip(0, 1) * 255).astype(np.uint8), np.zeros(100))
    varied = data.augment(source, [aug.ColourNoise(1.0)])
    (fitted,) = varied.augmentation.transforms
    components = np.array(fitted.components)
    np.testing.assert_allclose(components[0], [0.1, 0.1, 0.1], atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(components[1]), 0.02 * np.sqrt(2), atol=0.004)
    with pytest.raises(ShapeError, match="needs pictures in colour, found grey ones"):
        data.augment(data.digits(), [aug.ColourNoise()])
    with pytest.raises(ArgumentError, match="components are not known"):
        aug.ColourNoise()(np.zeros((2, 2, 3), np.uint8), of_sample(0))


REFUSED: list[tuple[Any, str]] = [
    (lambda: aug.Rotate(-3), "Rotate: degrees must be at least 0, found -3"),
    (lambda: aug.Rotate((3, -3)), r"Rotate: degrees must be \(low, high\) in this order"),
    (
        lambda: aug.Rotate("much"),
        r"Rotate: degrees must be a number or \(low, high\)",
    ),
    (lambda: aug.Rotate(float("nan")), "Rotate: degrees must be finite"),
    (lambda: aug.Rotate(3, fill="egde"), r"unknown fill 'egde'; did you mean 'edge'\?"),
    (lambda: aug.Rotate(3, fill=2.0), "fill must be in 0…1, a share of white"),
    (lambda: aug.Rotate(3, interpolation="cubic"), "unknown interpolation 'cubic'"),
    (lambda: aug.Mirror("horizontl"), r"unknown axis 'horizontl'; did you mean 'horizontal'\?"),
    (lambda: aug.Mirror(p=2), r"Mirror: p must be in 0…1, found 2"),
    (lambda: aug.Translate(2), "Translate: share must be in 0…1"),
    (lambda: aug.Stretch((0, 2)), "Stretch: scale must be within 0.01…100"),
    (lambda: aug.Shear(89), "Shear: degrees must be within -80…80"),
    (lambda: aug.Crop(0), r"Crop: size must be a number of pixels, or \(rows, columns\), found 0"),
    (lambda: aug.Crop(3, -1), "Crop: padding must be a whole number of at least 0"),
    (lambda: aug.Crop(3, p=0.5), "Crop: p must be 1: all pictures of a batch have one size"),
    (lambda: aug.ResizedCrop(3, area=0.5), r"ResizedCrop: area must be \(low, high\), found 0.5"),
    (lambda: aug.Resize(3, "cut"), r"Resize: unknown mode 'cut'"),
    (lambda: aug.Noise(-1), "Noise: std must be at least 0"),
    (lambda: aug.SaltAndPepper(2), "SaltAndPepper: share must be in 0…1"),
    (lambda: aug.Erase(fill="nois"), 'Erase: fill must be in 0…1, a share of white, or "noise"'),
    (lambda: aug.Blur(100), "Blur: sigma must be in 0…50 pixels"),
    (lambda: aug.Normalise(0, 0), "Normalise: std must be above 0"),
    (lambda: aug.MixUp(0), "MixUp: alpha must be above 0"),
    (lambda: aug.Augmentation([3]), "transforms are objects of neurona.data.augmentation, found 3"),  # type: ignore[list-item]
    (lambda: aug.Augmentation([], white=0), "white must be above 0"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_what_is_no_picture() -> None:
    rotate = aug.Rotate(3)
    for shape in ((3, 28, 28), (28,), (0, 4), (2, 2, 2, 2)):
        with pytest.raises(ShapeError, match="channels, which stand last; found"):
            rotate(np.zeros(shape, np.uint8), of_sample(0))
    with pytest.raises(DTypeError, match="pictures are uint8 or float32, found float64"):
        rotate(np.zeros((4, 4)), of_sample(0))


def test_a_map_of_labels_follows_its_picture() -> None:
    """A picture whose grey levels are its labels stays so, exactly, without interpolation."""
    rng = np.random.default_rng(0)
    labels = np.asarray(
        Image.fromarray(rng.integers(1, 5, (6, 6), dtype=np.uint8)).resize((24, 24), 0)
    )
    options: Any = {"interpolation": "nearest"}
    for fill in (0.0, "edge", "reflect"):
        steps = [
            aug.Mirror(fill=fill, **options),
            aug.Rotate(40, fill=fill, **options),
            aug.Stretch(0.3, p=0.5, fill=fill, **options),
            aug.Crop(22, 1),
        ]
        source = data.ArraySource(np.stack([labels] * 8), np.stack([labels.astype(np.int64)] * 8))
        moved, maps = data.augment(source, steps, maps=True).read_batch(np.arange(8))
        assert maps.dtype == np.int64
        assert (moved == maps).mean() > 0.97  # rounding at borders of labels
        assert len(np.unique(moved)) <= 5
    resized = data.augment(source, [aug.ResizedCrop(12)], maps=True, fill=-1)
    moved, maps = resized.read_batch(np.arange(8))
    assert (np.abs(moved - maps.astype(float)) < 0.6).mean() > 0.6
    alone = resized.read(3, sample_generator(0, 0, 3))
    np.testing.assert_array_equal(alone[1], maps[3])
    bright = data.augment(source, [aug.Brightness(0.5), aug.Noise()], maps=True)
    np.testing.assert_array_equal(bright.read_batch(np.arange(8))[1][0], labels)
    far = data.augment(source, [aug.Translate(1.0)], maps=True, fill=-1)
    assert -1 in far.read_batch(np.arange(8))[1]
