"""Rows of text files that memory does not hold: where each begins is found once, the rest later."""

from __future__ import annotations

import codecs
import io
import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, DataError
from neurona.data.columns import ColumnEncoder
from neurona.data.csv_file import (
    Dialect,
    check_columns,
    column_names,
    first_record,
    is_row,
    parse,
    table_of,
)
from neurona.data.files import read_at, reading, require_uncompressed
from neurona.data.source import Sample, Source
from neurona.data.table import Table


class CsvFile:
    """The rows of a text file by number; options as for `read_csv`.

    The file is read through once, to find where each row begins and that all have as many fields as
    there are columns; 24 bytes a row are kept. `table` then reads any rows. `columns` are the
    names, `lines` the line of each row.

    The file must not be compressed, and its encoding one in which a line ends in the byte 10.

    Raises what `read_csv` raises for the shape of a file, and DataError when it is compressed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "people.csv"
    ...     _ = path.write_text("age,job\\n31,cook\\n?,baker\\n52,?\\n")
    ...     people = CsvFile(path)
    ...     some = people.table([2, 0])
    >>> len(people), some["age"].tolist(), some["job"].tolist()
    (3, [52.0, 31.0], [None, 'cook'])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Sequence[str] | None = None,
        delimiter: str = ",",
        missing: Sequence[str] = ("", "?"),
        comment: str | None = None,
        skip: int = 0,
        encoding: str = "utf-8",
    ) -> None:
        self.path = Path(path)
        dialect = Dialect(delimiter, tuple(missing), comment, skip, encoding)
        if codecs.lookup(encoding).name == "utf-8-sig":
            dialect = replace(dialect, encoding="utf-8")
        self._dialect = dialect
        if "\n".encode(dialect.encoding) != b"\n":
            raise ArgumentError(
                f"CsvFile: rows cannot be found by position in {encoding}; convert the file to "
                "utf-8, or read it whole with read_csv"
            )
        starts, ends, lines = array("q"), array("q"), array("q")
        self.columns, self._size = self._scan(columns, starts, ends, lines)
        if not lines:
            raise DataError(f"{self.path}: holds the names of columns and no rows")
        self._starts, self._ends = np.array(starts), np.array(ends)
        self.lines: NDArray[np.int64] = np.array(lines)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def __repr__(self) -> str:
        return f"CsvFile {str(self.path)!r}: {len(self)} rows, {len(self.columns)} columns"

    def table(
        self,
        rows: ArrayLike,
        *,
        kinds: Mapping[str, str] | None = None,
        target: str | None = None,
    ) -> Table:
        """Return the rows with these numbers, in this order, as a table.

        `kinds`, `target`: as for `read_csv`; a kind that is not said follows from these rows alone.
        Raises what `read_csv` raises, and DataError when the file is not as it was.
        """
        chosen = np.asarray(rows)
        if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
            raise ArgumentError(
                f"CsvFile: table needs a list of row numbers, found {chosen.dtype} of shape "
                f"{chosen.shape}"
            )
        if chosen.size and not (chosen.min() >= 0 and chosen.max() < len(self)):
            raise ArgumentError(f"CsvFile: table: rows are 0…{len(self) - 1}, found {chosen}")
        kinds = dict(kinds or {})
        used = [*kinds, *([] if target is None else [target])]
        check_columns(self.path, int(self.lines[0]), self.columns, used)
        read = self._rows(chosen.astype(np.int64))
        return table_of(self.path, self._dialect, self.columns, read, kinds, target)

    def _scan(
        self, given: Sequence[str] | None, starts: array[int], ends: array[int], lines: array[int]
    ) -> tuple[tuple[str, ...], int]:
        """Note where each row is; return the names of the columns and the length of the file."""
        try:
            require_uncompressed(self.path)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        with reading(self.path) as stream:
            text = _Positions(stream, self._dialect.encoding)
            body = parse(text, self.path, self._dialect)
            line, first = first_record(self.path, body)
            names, has_header = column_names(self.path, line, first, given)
            record: list[str] | None = None if has_header else first
            while True:
                if record is not None and is_row(self.path, line, record, names, self._dialect):
                    starts.append(text.begins[line])
                    ends.append(text.position)
                    lines.append(line)
                text.begins.clear()
                try:
                    line, record = next(body)
                except StopIteration:
                    return tuple(names), text.position

    def _rows(self, chosen: NDArray[np.int64]) -> list[tuple[int, list[str]]]:
        pieces = []
        try:
            with self.path.open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size != self._size:
                    raise self._changed()
                runs = np.split(chosen, np.flatnonzero(np.diff(chosen) != 1) + 1)
                for run in runs if len(chosen) else []:  # rows that follow each other
                    offset = int(self._starts[run[0]])
                    size = int(self._ends[run[-1]]) - offset
                    piece = read_at(file.fileno(), size, offset)
                    if len(piece) < size:
                        raise self._changed()
                    pieces.append(piece if piece.endswith(b"\n") else piece + b"\n")
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        text = _Positions(io.BytesIO(b"".join(pieces)), self._dialect.encoding)
        try:
            body = parse(text, self.path, replace(self._dialect, skip=0))
            rows = [record for _, record in body if len(record) == len(self.columns)]
        except DataError:  # there was none when the file was read through
            raise self._changed() from None
        if len(rows) != len(chosen):
            raise self._changed()
        return list(zip(self.lines[chosen].tolist(), rows, strict=True))

    def _changed(self) -> DataError:
        return DataError(
            f"{self.path}: is not as it was when its {len(self)} rows were listed; keep files "
            "unchanged while they are read"
        )


class CsvSource(Source):
    """Rows of a `CsvFile` as samples: inputs by an encoder, and its target if it has one.

    An encoder is fitted to a table that memory holds, `file.table(…)` of some training rows.

    Raises in reading what `encoder.transform` and `encoder.targets` raise, with file and line.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "people.csv"
    ...     _ = path.write_text("age,rich\\n20,no\\n30,no\\n40,yes\\n")
    ...     people = CsvFile(path)
    ...     encoder = ColumnEncoder.fit(people.table(np.arange(3), target="rich"))
    ...     source = CsvSource(people, encoder)
    ...     source.read_batch(np.array([2, 1]))
    (array([[1.],
           [0.]], dtype=float32), array([1, 0]))
    """

    def __init__(self, file: CsvFile, encoder: ColumnEncoder) -> None:
        self.file = file
        self.encoder = encoder
        self.classes = encoder.classes
        kinds = encoder.kinds
        check_columns(file.path, int(file.lines[0]), file.columns, list(kinds))
        # what is not learnt from may be any text
        self._kinds = dict.fromkeys(file.columns, "categorical") | kinds

    def __len__(self) -> int:
        return len(self.file)

    def __repr__(self) -> str:
        return f"CsvSource {str(self.file.path)!r}: {len(self)} rows"

    def name(self, index: int) -> str:
        """Return "people.csv:17", file and line."""
        return f"{self.file.path.name}:{self.file.lines[index]}"

    def read(self, index: int, generator: np.random.Generator) -> Sample:
        return tuple(part[0] for part in self.read_batch(np.array([index])))

    def read_batch(
        self, indices: NDArray[np.int64], generators: Iterable[np.random.Generator] | None = None
    ) -> tuple[NDArray[Any], ...]:
        """Return the rows at `indices`, encoded; there is nothing random in them."""
        target = self.encoder.target
        table = self.file.table(indices, kinds=self._kinds, target=target)
        inputs = self.encoder.transform(table)
        return (inputs,) if target is None else (inputs, self.encoder.targets(table))


class _Positions:
    """The lines of a stream as text. begins: the offsets of those not cleared, by number."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._encoding = codecs.lookup(encoding).name
        self._number = 0
        self.position = 0
        self.begins: dict[int, int] = {}

    def __iter__(self) -> _Positions:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        self._number += 1
        self.begins[self._number] = self.position
        self.position += len(line)
        if self._number == 1 and self._encoding == "utf-8":
            line = line.removeprefix(codecs.BOM_UTF8)
        return line.decode(self._encoding)
