"""Reading and writing data sets as NPZ, NumPy's archive of named arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, nearest
from neurona.data.dataset import Dataset
from neurona.data.files import replacing

if TYPE_CHECKING:
    from zipfile import ZipFile

_MOST_CLASSES = 1000


def read_npz(
    path: str | os.PathLike[str],
    *,
    inputs: str | None = None,
    targets: str | None = None,
    classes: Sequence[str] | None = None,
) -> dict[str, Dataset]:
    """Return the parts of a data set in an NPZ file, by name.

    Arrays `x_train` and `y_train` make a part "train", `x_test` and `y_test` a part "test", and so
    on, as in Keras's `mnist.npz`; `inputs` and `targets` make one part "all". Nothing is unpickled.

    - `inputs`, `targets`: the names of two other arrays, which make one part "all".
    - `classes`: the names of the classes; () if the targets are numbers. By default the array
      `classes` of the file; else targets that are whole numbers in which all of 0…K−1 occur, K at
      least 2 and at most 1000, are classes named by their number.

    Raises DataError, naming the file, when it is missing, no NPZ, truncated or damaged, when an
    array is not there or holds Python objects, and what `Dataset` raises.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(f"{folder}/mine.npz", x_train=np.eye(3), y_train=[0, 1, 1])
    ...     read_npz(f"{folder}/mine.npz")
    {'train': Dataset 'mine-train': inputs (3, 3) float64, targets (3,) int64, 2 classes}
    """
    from zipfile import ZipFile

    path = Path(path)
    if (inputs is None) != (targets is None):
        raise ArgumentError("read_npz: give both inputs and targets, or neither")
    try:
        with ZipFile(path) as archive:
            names = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
            pairs = _pairs(path, names, inputs, targets)
            if classes is None and "classes" in names:
                classes = [str(name) for name in _array(archive, path, "classes").ravel()]
            arrays = {
                part: (_array(archive, path, x), _array(archive, path, y))
                for part, (x, y) in pairs.items()
            }
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except _damage() as error:
        raise DataError(
            f"{path}: not an NPZ file, or a truncated one: {error}; numpy.savez writes such files"
        ) from None
    if classes is None:
        classes = _class_numbers(next(iter(arrays.values()))[1])
    return {
        part: Dataset(
            inputs=x,
            targets=_flat(y) if classes else y,
            name=path.stem if part == "all" else f"{path.stem}-{part}",
            classes=tuple(classes),
        )
        for part, (x, y) in arrays.items()
    }


def write_npz(path: str | os.PathLike[str], parts: Dataset | Mapping[str, Dataset]) -> None:
    """Write a data set, or its parts by name, so that `read_npz` gives them back.

    Kept are inputs, targets and classes, which all parts must share. A file that exists is replaced
    only when the new one is complete. Raises ArgumentError when there are no parts or their classes
    differ.
    """
    if isinstance(parts, Dataset):
        parts = {"all": parts}
    classes = {part.classes for part in parts.values()}
    if len(classes) != 1:
        raise ArgumentError(f"write_npz: needs parts with the same classes, found {len(classes)}")
    arrays: dict[str, NDArray[Any]] = {"classes": np.array(classes.pop(), dtype=np.str_)}
    for name, part in parts.items():
        x, y = ("inputs", "targets") if name == "all" else (f"x_{name}", f"y_{name}")
        arrays |= {x: part.inputs, y: part.targets}
    with replacing(Path(path)) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _pairs(
    path: Path, names: Sequence[str], inputs: str | None, targets: str | None
) -> dict[str, tuple[str, str]]:
    """The names of inputs and targets of each part."""
    if inputs is not None and targets is not None:
        pairs = {"all": (inputs, targets)}
    elif "inputs" in names:
        pairs = {"all": ("inputs", "targets")}
    else:
        pairs = {name[2:]: (name, f"y_{name[2:]}") for name in names if name.startswith("x_")}
    if not pairs:
        raise DataError(
            f"{path}: holds neither inputs and targets nor x_train and y_train; say which of its "
            f"arrays are meant, as in inputs={next(iter(names), 'x')!r}, targets=… "
            f"(arrays: {', '.join(names) or 'none'})"
        )
    for pair in pairs.values():
        for name in pair:
            if name not in names:
                raise DataError(
                    f"{path}: no array {name!r}{nearest(name, names)} (arrays: {', '.join(names)})"
                )
    return pairs


def _array(archive: ZipFile, path: Path, name: str) -> NDArray[Any]:
    try:
        with archive.open(f"{name}.npy") as file:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            if file.read(1):
                raise ValueError("it goes on after its last element")
            return array
    except _damage() as error:
        if "Object arrays" in str(error):
            raise DataError(
                f"{path}: array {name!r} holds Python objects, which are not read since that could "
                "run code; save it with a dtype of numbers or text"
            ) from None
        raise DataError(f"{path}: array {name!r} is truncated or damaged: {error}") from None


def _damage() -> tuple[type[Exception], ...]:
    """What zipfile and NumPy raise for bad files; found by flipping bits."""
    from struct import error as struct_error
    from tokenize import TokenError
    from zipfile import BadZipFile
    from zlib import error as zlib_error

    headers = (ValueError, SyntaxError, TokenError, KeyError, TypeError, struct_error, MemoryError)
    unknown = (NotImplementedError, RuntimeError)  # a newer version, a password
    return (BadZipFile, OSError, EOFError, zlib_error, *headers, *unknown)


def _flat(targets: NDArray[Any]) -> NDArray[Any]:
    """Class numbers `(sample, 1)`, as some files have them, as `(sample,)`."""
    return targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets


def _class_numbers(targets: NDArray[Any]) -> tuple[str, ...]:
    labels = _flat(targets)
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or not len(labels):
        return ()
    low, high = int(labels.min()), int(labels.max())
    if low != 0 or not 0 < high < _MOST_CLASSES or not np.bincount(labels).all():
        return ()
    return tuple(str(number) for number in range(high + 1))
