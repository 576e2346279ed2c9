"""Pictures in folders named after their classes, as ImageNet is stored."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, nearest
from neurona.data.dataset import Dataset
from neurona.data.images import RESIZES, read_image
from neurona.data.source import Sample, Source

ENDINGS = (".png", ".jpg", ".jpeg")
_PARTS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


class ImageFolder(Source):
    """Samples (picture, class index) from `folder/CLASS/….png` and `.jpg`.

    Classes are the subfolders sorted by name, pictures the PNG and JPEG files in and below each,
    sorted by folder and name, like torchvision's ImageFolder. Names that begin with a dot are
    passed over. A picture is read when it is wanted: uint8 0…255, `(row, column, 3)`, or
    `(row, column)` if `grey`; see `read_image`.

    - `size`: (rows, columns), or one number for both, to which all are brought as `resize` says:
      "crop" or "stretch", see `read_image`. None: all must have the size of the first.
    - `classes`: the classes' names in the order of their indices, for a part that may lack some.

    `files` holds the pictures' paths below `folder`, `targets` the class indices `(sample,)`.

    Raises DataError when there is no such folder, no class, or a class without a picture, and in
    reading for a damaged picture or one of another size, with its path.

    >>> from PIL import Image
    >>> for name in ("cat/1.png", "cat/2.png", "dog/1.jpg"):
    ...     path = Path("pets", name)
    ...     path.parent.mkdir(parents=True, exist_ok=True)
    ...     Image.new("RGB", (40, 30)).save(path)
    >>> pets = ImageFolder("pets", 16, grey=True)
    >>> pets, pets.classes, pets.files[2]
    (ImageFolder 'pets': 3 pictures, 2 classes, ('cat', 'dog'), 'dog/1.jpg')
    >>> pictures, targets = pets.read_batch(np.array([2, 0]))
    >>> pictures.shape, targets
    ((2, 16, 16), array([1, 0]))
    """

    targets: NDArray[np.int64]

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size: tuple[int, int] | int | None = None,
        *,
        grey: bool = False,
        resize: str = "crop",
        classes: Sequence[str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.size = _checked_size(size)
        self.grey = grey
        if resize not in RESIZES:
            raise ArgumentError(
                f"ImageFolder: unknown resize {resize!r}{nearest(str(resize), RESIZES)} "
                f"(known: {', '.join(RESIZES)})"
            )
        self.resize = resize
        found = _subfolders(self.folder)
        if classes is None and _are_parts(found):
            raise DataError(
                f"{self.folder}: holds parts of a data set ({', '.join(found)}), not classes; use "
                "ImageFolder.parts(folder), or one of them as the folder"
            )
        self.classes = tuple(found if classes is None else classes)
        if len(set(self.classes)) < len(self.classes):
            raise ArgumentError(f"ImageFolder: classes names one twice: {', '.join(self.classes)}")
        for name in found:
            if name not in self.classes:
                raise DataError(
                    f"{self.folder}: {name!r} is not one of the {len(self.classes)} classes"
                    f"{nearest(name, self.classes)}"
                )
        self.files: list[str] = []
        counts = [0] * len(self.classes)
        for index, name in enumerate(self.classes):
            if name in found:
                files = list(_pictures(self.folder, name))
                counts[index] = len(files)
                self.files += files
        self.targets = np.repeat(np.arange(len(self.classes), dtype=np.int64), counts)

    @classmethod
    def parts(cls, folder: str | os.PathLike[str], **options: Any) -> dict[str, ImageFolder]:
        """Return the parts of a data set by name, as `data.load` does.

        `folder/train/CLASS/…` with `val`, `valid` or `validation`, and `test` beside `train`
        gives "train", "validation" and "test", all with the classes of "train"; `folder/CLASS/…`
        gives "all". `options` are those of `ImageFolder`. Raises DataError as it does.
        """
        folder = Path(folder)
        names = _subfolders(folder)
        if not _are_parts(names):
            return {"all": cls(folder, **options)}
        first = next(name for name in names if _PARTS[name] == "train")
        train = cls(folder / first, **options)
        parts = {"train": train}
        for name in sorted(names, key=lambda name: _PARTS[name] == "test"):
            if name == first:
                continue
            if _PARTS[name] in parts:
                raise DataError(f"{folder}: has two {_PARTS[name]} parts: {', '.join(names)}")
            parts[_PARTS[name]] = cls(folder / name, **{**options, "classes": train.classes})
        return parts

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        return (
            f"ImageFolder {str(self.folder)!r}: {len(self)} pictures, {len(self.classes)} classes"
        )

    def name(self, index: int) -> str:
        """Return the picture's path below the folder."""
        return self.files[index]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape of every picture, `(row, column)` or `(row, column, 3)`."""
        if self.size is not None:
            return self.size if self.grey else (*self.size, 3)
        return read_image(self.folder / self.files[0], grey=self.grey).shape

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        path = self.folder / self.files[index]
        picture = read_image(path, grey=self.grey, size=self.size, resize=self.resize)
        if picture.shape != self.shape:
            raise DataError(
                f"{path}: has {picture.shape[0]} rows and {picture.shape[1]} columns, "
                f"{self.files[0]} has {self.shape[0]} and {self.shape[1]}; give a size to bring "
                "all pictures to"
            )
        return picture, self.targets[index]

    def load(self) -> Dataset:
        """Read all pictures into memory, as a Dataset whose samples are labelled by their files."""
        pictures = np.empty((len(self), *self.shape), dtype=np.uint8)
        generator = np.random.default_rng(0)  # unused: nothing is random here
        for index in range(len(self)):
            pictures[index] = self.read(index, generator)[0]
        axes: dict[str, Sequence[str] | None] = {"sample": self.files, "row": None, "column": None}
        if not self.grey:
            axes["channel"] = ("red", "green", "blue")
        return Dataset(
            inputs=pictures,
            targets=self.targets,
            name=self.folder.resolve().name,
            axes=axes,
            classes=self.classes,
            target_name="class",
        )


def _checked_size(size: tuple[int, int] | int | None) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(pair) != 2 or not all(isinstance(n, int) and n >= 1 for n in pair):
        raise ArgumentError(
            f"ImageFolder: size must be a number of pixels or (rows, columns), found {size!r}"
        )
    return pair[0], pair[1]


def _subfolders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except FileNotFoundError:
        raise DataError(f"{folder}: no such folder") from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be read as a folder: {error.strerror}") from None
    if not found:
        raise DataError(
            f"{folder}: has no subfolders; expected one for each class, with its pictures inside"
        )
    return found


def _are_parts(names: Sequence[str]) -> bool:
    return len(names) > 1 and set(names) <= _PARTS.keys() and "train" in map(_PARTS.get, names)


def _pictures(folder: Path, name: str) -> Iterator[str]:
    """The pictures of a class as paths below `folder`, sorted by folder and name."""
    others: Counter[str] = Counter()
    count = 0
    for place, files in sorted(_walk(folder / name)):
        for file in sorted(files):
            if file.lower().endswith(ENDINGS):
                count += 1
                yield f"{Path(place).relative_to(folder).as_posix()}/{file}"
            else:
                others[Path(file).suffix or file] += 1
    if not count:
        held = ", ".join(f"{number} {ending}" for ending, number in others.most_common(3))
        raise DataError(
            f"{folder / name}: no PNG or JPEG pictures in this class"
            f"{f' (found {held}; convert them)' if held else '; delete the folder or fill it'}"
        )


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    def give_up(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read as a folder: {error.strerror}")

    seen = set()
    for place, below, files in os.walk(folder, onerror=give_up, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            raise DataError(f"{place}: a link leads back to a folder that holds it or is read")
        seen.add((status.st_dev, status.st_ino))
        below[:] = [name for name in below if not name.startswith(".")]
        yield place, [name for name in files if not name.startswith(".")]
