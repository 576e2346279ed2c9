"""How a file becomes samples for a trained model; kept in the model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, CheckpointError, nearest
from neurona.data import augmentation
from neurona.data.augmentation.transform import Augmentation
from neurona.data.images import LAYOUTS, RESIZES, prepare_digit, read_image
from neurona.data.table_reader import TableReader

Path = str | PathLike[str]


class Reader(Protocol):
    """Files to samples as they were in the data set that a model has learnt from."""

    def read(self, paths: Sequence[Path]) -> tuple[list[str], NDArray[Any]]:
        """Return a name for each sample and the inputs `(sample, …)`, before preprocessing.

        A file may hold several samples. Raises DataError that names the file.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Return what `from_state` needs, fit for JSON."""
        ...


class DigitReader:
    """Pictures of one digit each, put in the form of the data set `layout`, "mnist" or "digits".

    See `prepare_digit`. Raises ArgumentError for another layout.

    >>> DigitReader("digits").state()
    {'layout': 'digits'}
    """

    def __init__(self, layout: str) -> None:
        if layout not in LAYOUTS:
            raise ArgumentError(
                f"DigitReader: unknown layout {layout!r}{nearest(str(layout), LAYOUTS)} "
                f"(known: {', '.join(LAYOUTS)})"
            )
        self.layout = layout

    def read(self, paths: Sequence[Path]) -> tuple[list[str], NDArray[np.uint8]]:
        """Return the paths and the digits, uint8 `(sample, row, column)`.

        Raises DataError, naming the file, for what is no picture or blank.
        """
        if not paths:
            raise ArgumentError("DigitReader: no files to read")
        digits = [prepare_digit(read_image(path, grey=True), self.layout) for path in paths]
        return [str(path) for path in paths], np.stack(digits)

    def state(self) -> dict[str, Any]:
        """Return the layout by name."""
        return {"layout": self.layout}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> DigitReader:
        """Return the reader whose `state` this is. Raises CheckpointError if it is none."""
        if set(state) != {"layout"}:
            raise CheckpointError(f"DigitReader: state must hold 'layout', found {sorted(state)}")
        try:
            return cls(state["layout"])
        except (ArgumentError, TypeError) as error:
            raise CheckpointError(str(error)) from None


class ImageReader:
    """Pictures brought to the size of those that a model has learnt from.

    - `size`: (rows, columns). `grey`, `resize`: as for `ImageFolder`.
    - `then`: what is done to them after, with nothing random in it.

    >>> ImageReader((32, 32), grey=True).state()
    {'size': [32, 32], 'grey': True, 'resize': 'crop'}
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        grey: bool = False,
        resize: str = "crop",
        then: Augmentation | None = None,
    ) -> None:
        if len(size) != 2 or not all(isinstance(extent, int) and extent > 0 for extent in size):
            raise ArgumentError(f"ImageReader: size is (rows, columns), not {size!r}")
        if resize not in RESIZES:
            raise ArgumentError(
                f"ImageReader: unknown resize {resize!r}{nearest(str(resize), RESIZES)} "
                f"(known: {', '.join(RESIZES)})"
            )
        self.size = size
        self.grey = grey
        self.resize = resize
        self.then = Augmentation([]) if then is None else then.evaluation()

    def read(self, paths: Sequence[Path]) -> tuple[list[str], NDArray[np.uint8]]:
        """Return the paths and the pictures, uint8 `(sample, row, column)` or with a channel axis.

        Raises DataError, naming the file, for what is no picture.
        """
        if not paths:
            raise ArgumentError("ImageReader: no files to read")
        options: Any = {"grey": self.grey, "size": self.size, "resize": self.resize}
        pictures = np.stack([read_image(path, **options) for path in paths])
        nothing = [np.random.default_rng(0)] * len(paths)
        return [str(path) for path in paths], self.then.batch(pictures, nothing)

    def state(self) -> dict[str, Any]:
        """Return size, grey and resize by name, and `then` if there is anything."""
        then = [augmentation.describe(one) for one in self.then.transforms]
        state = {"size": list(self.size), "grey": self.grey, "resize": self.resize}
        return {**state, "then": then} if then else state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ImageReader:
        """Return the reader whose `state` this is. Raises CheckpointError if it is none."""
        wanted, then = {"size", "grey", "resize"}, state.get("then", [])
        known = set(state) - {"then"} == wanted and isinstance(then, list)
        if not known or not isinstance(state["grey"], bool):
            raise CheckpointError(
                f"ImageReader: state must hold size, grey and resize, found {dict(state)}"
            )
        try:
            steps: Any = [augmentation.make(table) for table in then]
            options = {"grey": state["grey"], "resize": state["resize"]}
            return cls(tuple(state["size"]), then=Augmentation(steps), **options)
        except (ArgumentError, TypeError, AttributeError) as error:
            raise CheckpointError(str(error)) from None


_KINDS: dict[str, Any] = {"digit": DigitReader, "image": ImageReader, "table": TableReader}


def reader_to_json(reader: Reader | None) -> dict[str, Any] | None:
    """Return a reader as plain data. Raises ArgumentError for one of a kind not known.

    >>> reader_to_json(DigitReader("mnist"))
    {'kind': 'digit', 'layout': 'mnist'}
    """
    if reader is None:
        return None
    for kind, cls in _KINDS.items():
        if type(reader) is cls:
            return {"kind": kind, **reader.state()}
    names = ", ".join(cls.__name__ for cls in _KINDS.values())
    raise ArgumentError(f"save: a reader {type(reader).__name__} cannot be kept; there are {names}")


def reader_from_json(description: Any) -> Reader | None:
    """Return what `reader_to_json` described. Raises CheckpointError when it is none."""
    if description is None:
        return None
    if not isinstance(description, Mapping) or not isinstance(description.get("kind"), str):
        raise CheckpointError("reader: a 'kind' with its state is needed")
    kind = description["kind"]
    if kind not in _KINDS:
        raise CheckpointError(f"reader: unknown kind {kind!r}{nearest(kind, _KINDS)}")
    made: Reader = _KINDS[kind].from_state(
        {name: value for name, value in description.items() if name != "kind"}
    )
    return made
