"""Reading tables from text files: one record a line, fields between delimiters (RFC 4180)."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, nearest
from neurona.data.files import reading
from neurona.data.table import KINDS, Categories, Table, sorted_names

_ROWS_AT_ONCE = 4096
# Among numbers these can mean nothing else; among texts, NA may be Namibia.
_WITH_COMMAS = re.compile(r"[+-]?\d[\d.]*(,\d+)+(\.\d+)?")  # 0,5 and 1.234,50 and 1,234.5
_NUMBERS_AT_LEAST = 20
"""From so many distinct numbers on, a little text among them is taken for a mistake."""
_GAPS_AMONG_NUMBERS = frozenset({"na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "."})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the records of a file are written; see `read_csv`."""

    delimiter: str = ","
    missing: Sequence[str] = ("", "?")
    comment: str | None = None
    skip: int = 0
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ArgumentError(
                f"read_csv: delimiter must be one character such as ',' ';' or '\\t', found "
                f"{self.delimiter!r}"
            )
        if self.comment is not None and not self.comment.strip():
            raise ArgumentError(f"read_csv: comment is a prefix such as '#', not {self.comment!r}")
        if isinstance(self.missing, str) or not all(isinstance(one, str) for one in self.missing):
            raise ArgumentError(f"read_csv: missing is a list of markers, not {self.missing!r}")
        if self.skip < 0:
            raise ArgumentError(f"read_csv: skip must not be negative, found {self.skip}")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ArgumentError(f"read_csv: unknown encoding {self.encoding!r}") from None


def read_csv(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    target: str | None = None,
    delimiter: str = ",",
    missing: Sequence[str] = ("", "?"),
    comment: str | None = None,
    skip: int = 0,
    encoding: str = "utf-8",
) -> Table:
    """Return the table in a text file, gzip-compressed or not.

    - `columns`: the names, where the file has no header; otherwise its first record holds them. A
      first record that repeats exactly these names is a header too.
    - `kinds`: "numeric" or "categorical" for columns by name; the others are numeric when all their
      values are numbers.
    - `target`: the column that is to be predicted.
    - `delimiter`: between two fields. Fields may be quoted ("a, b", with "" for a quote); blanks
      around a field do not count.
    - `missing`: what stands in a gap, compared without the blanks around it. Among numbers NA, N/A,
      #N/A, <NA>, NaN, null, none, a lone "-" and "." are gaps as well, in capitals or not.
    - `comment`: lines that begin with this prefix are left out, as empty lines are.
    - `skip`: lines before the first record.
    - `encoding`: of the characters.

    The file is read a second time if a column that began with numbers turns out to hold text;
    memory is that of the table and of a few thousand records.

    Raises DataError with file and line for records of another length, a value that is no number or
    infinite in a numeric column, numbers with decimal commas, a target of numbers with a little
    text among them (unless `kinds` has the column), names that come twice, characters of another
    encoding, a file that is empty, damaged or missing; ArgumentError for unknown columns and
    options out of range.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "people.csv"
    ...     _ = path.write_text('age, job\\n31, cook\\n?, "baker, self-employed"\\n52, ?\\n')
    ...     people = read_csv(path)
    >>> people
    Table 'people.csv': 3 rows; 1 numeric column, 1 categorical
    >>> people["age"].tolist(), people["job"].tolist()
    ([31.0, nan, 52.0], ['cook', 'baker, self-employed', None])
    """
    path = Path(path)
    if isinstance(columns, str):
        raise ArgumentError(f"read_csv: columns is a list of names, not {columns!r}")
    dialect = Dialect(delimiter, missing, comment, skip, encoding)
    given = dict(kinds or {})
    for name, kind in given.items():
        if kind not in KINDS:
            raise ArgumentError(
                f"read_csv: kinds: {name!r} cannot be {kind!r}{nearest(str(kind), KINDS)} "
                f"(known: {', '.join(KINDS)})"
            )
    while True:
        lines, found = _read(path, dialect, columns, given, target)
        late = [column.name for column in found if column.is_text_after_all]
        if not late:
            break
        given |= dict.fromkeys(late, "categorical")
    values = {column.name: column.values() for column in found}
    for name, column in values.items():
        if isinstance(column, Categories) and name not in (kinds or {}):
            _refuse_written_numbers(path, lines, name, column, is_target=name == target)
    return Table(
        values,
        name=path.name,
        target=target,
        lines=lines,
    )


def records(path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each record of a file, the header first if it has one."""
    with reading(path) as stream:
        encoding = (
            "utf-8-sig" if dialect.encoding.lower() in ("utf-8", "utf8") else dialect.encoding
        )
        text = io.TextIOWrapper(stream, encoding, newline="")
        try:
            yield from parse(text, path, dialect)
        finally:
            text.detach()


def parse(text: Iterator[str], path: Path, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield number of the first line, from 1 on, and fields of each record of these lines."""
    lines = _Lines(text, dialect)
    reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=True, strict=True)
    try:
        while True:
            lines.between = True
            try:
                record = next(reader)
            except StopIteration:
                break
            if record:
                yield lines.start, record
    except csv.Error as error:
        raise DataError(
            f"{path}:{lines.start}: {error}; a field that holds quotes or the delimiter is "
            'written "…", with "" for each quote inside'
        ) from None
    except UnicodeError:
        _refuse_characters(path, dialect.encoding)


def first_record(path: Path, body: Iterator[tuple[int, list[str]]]) -> tuple[int, list[str]]:
    """Return line and fields of the first record that is not blank; DataError if there is none."""
    for line, record in body:
        if any(map(str.strip, record)):
            return line, record
    raise DataError(f"{path}: is empty, expected a table")


class _Lines:
    """The lines of a file for the csv reader, without comments between records, and their count."""

    def __init__(self, text: Iterator[str], dialect: Dialect) -> None:
        self._text = text
        self._comment = dialect.comment
        self._skip = dialect.skip
        self._number = 0
        self.between = True  # no record is open: a comment may stand here
        self.start = 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while True:
            line = next(self._text)
            self._number += 1
            if self._number <= self._skip:
                continue
            if self.between:
                if self._comment is not None and line.lstrip().startswith(self._comment):
                    continue
                self.start = self._number
                self.between = False
            return line


class _Column:
    """What has been read of a column."""

    def __init__(self, name: str, kind: str | None, missing: tuple[str, ...]) -> None:
        self.name = name
        self._kind = kind
        self._missing = frozenset(marker.strip() for marker in missing)
        self._marked_by_numbers = any(_number(marker) is not None for marker in self._missing)
        self._numbers: list[NDArray[np.float64]] = []
        self._words = False  # a gap that is one among numbers only was read
        self._codes: list[NDArray[np.int32]] = []
        self._code_of = _Codes(self._missing)

    def add(self, texts: Sequence[str], path: Path, lines: Sequence[int]) -> None:
        """Take the fields of a few thousand records, which begin at these lines."""
        if self._kind != "categorical":
            numbers = self._as_numbers(texts, path, lines)
            if numbers is not None:
                self._numbers.append(numbers)
                return
            self._kind = "categorical"
        self._codes.append(np.array([self._code_of[text] for text in texts], dtype=np.int32))

    @property
    def is_text_after_all(self) -> bool:
        """Whether it was taken for numbers, and text came later or no number ever did."""
        if self._kind is None and self._words:
            return all(np.isnan(numbers).all() for numbers in self._numbers)
        return self._kind == "categorical" and bool(self._numbers)

    def values(self) -> NDArray[np.float64] | Categories:
        """The whole column."""
        if self._kind != "categorical":
            return np.concatenate(self._numbers)
        names = self._code_of.names
        ordered = sorted_names(names)
        rank = {name: k for k, name in enumerate(ordered)}
        places = np.array([*(rank[name] for name in names), -1], dtype=np.int32)
        return Categories(ordered, places[np.concatenate(self._codes)])

    def _as_numbers(
        self, texts: Sequence[str], path: Path, lines: Sequence[int]
    ) -> NDArray[np.float64] | None:
        """The fields as numbers, or None if the kind is not said and one of them is none."""
        if not self._marked_by_numbers and "_" not in "".join(texts):  # float("1_0") is 10.0
            try:
                numbers = np.array(list(map(float, texts)))
            except ValueError:
                pass
            else:
                if np.isfinite(numbers).all():
                    return numbers
        values: dict[str, float] = {}
        for text in dict.fromkeys(texts):
            field = text.strip()
            word = field.lower() in _GAPS_AMONG_NUMBERS
            value = math.nan if word or field in self._missing else _number(field)
            if value is None and self._kind is None:
                return None
            if value is None or math.isinf(value):
                raise DataError(
                    f"{path}:{lines[texts.index(text)]}: column {self.name!r}: {field[:40]!r} is "
                    f"not {'a number' if value is None else 'finite'}; name it in missing=… if it "
                    f"marks a gap, or say kinds={{{self.name!r}: 'categorical'}}"
                )
            values[text] = value
            self._words |= word and field not in self._missing
        return np.array([values[text] for text in texts])


class _Codes(dict[str, int]):
    """The code of each field as it stands in the file, made when it first comes; −1 for a gap."""

    def __init__(self, missing: frozenset[str]) -> None:
        self._missing = missing
        self._code_of: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return list(self._code_of)

    def __missing__(self, text: str) -> int:
        field = text.strip()
        code = -1 if field in self._missing else self._code_of.setdefault(field, len(self._code_of))
        self[text] = code
        return code


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _read(
    path: Path,
    dialect: Dialect,
    names: Sequence[str] | None,
    kinds: Mapping[str, str],
    target: str | None,
) -> tuple[list[int], list[_Column]]:
    """Read the file once: the line of each row, and the columns."""
    body: Iterator[tuple[int, list[str]]] = records(path, dialect)
    line, first = first_record(path, body)
    names, has_header = column_names(path, line, first, names)
    if not has_header:
        body = chain([(line, first)], body)
    check_columns(path, line, names, [*kinds, *([] if target is None else [target])])
    columns = [_Column(name, kinds.get(name), tuple(dialect.missing)) for name in names]
    lines: list[int] = []
    while block := list(islice(body, _ROWS_AT_ONCE)):
        block = [(line, row) for line, row in block if is_row(path, line, row, names, dialect)]
        starts = [line for line, _ in block]
        for k, column in enumerate(columns):
            column.add([row[k] for _, row in block], path, starts)
        lines += starts
    if not lines:
        raise DataError(f"{path}: holds the names of columns and no rows")
    return lines, columns


def column_names(
    path: Path, line: int, first: Sequence[str], given: Sequence[str] | None
) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether the first record is a header.

    `given`: the names, if the file need not say them. Raises DataError for one that comes twice.
    """
    fields = [field.strip() for field in first]
    has_header = given is None or fields == list(given)
    names = [field or f"column {k}" for k, field in enumerate(fields, start=1)]
    names = names if given is None else list(given)
    for k, name in enumerate(names):
        if name in names[:k]:
            raise DataError(
                f"{path}:{line}: column {name!r} comes twice, at places {names.index(name) + 1} "
                f"and {k + 1}; name the columns with columns=[…] and leave out the header"
            )
    return names, has_header


def is_row(
    path: Path, line: int, record: Sequence[str], names: Sequence[str], dialect: Dialect
) -> bool:
    """Whether a record is a row: a line of blanks is none, but in one column it is a gap.

    Raises DataError when it has another number of fields than there are columns.
    """
    if len(names) > 1 and len(record) == 1 and not record[0].strip():
        return False
    if len(record) != len(names):
        raise DataError(
            f"{path}:{line}: expected {len(names)} fields ({shortened(names)}), found "
            f"{len(record)}: {shortened(record)}; fields are separated by {dialect.delimiter!r}"
            f"{other_delimiter(names)}"
        )
    return True


def table_of(
    path: Path,
    dialect: Dialect,
    names: Sequence[str],
    rows: Sequence[tuple[int, Sequence[str]]],
    kinds: Mapping[str, str],
    target: str | None,
) -> Table:
    """Return the table of some rows of a file, each with its line; see `read_csv`."""
    lines = [line for line, _ in rows]
    columns = [_Column(name, kinds.get(name), tuple(dialect.missing)) for name in names]
    for k, column in enumerate(columns):
        column.add([row[k] for _, row in rows], path, lines)
    return Table(
        {column.name: column.values() for column in columns},
        name=path.name,
        target=target,
        lines=lines,
    )


def shortened(fields: Sequence[str]) -> str:
    """Return the first and last of these fields, for messages."""
    if len(fields) > 4:
        fields = [*fields[:2], "…", fields[-1]]
    return ", ".join(field[:24] for field in fields)


def other_delimiter(fields: Sequence[str]) -> str:
    """Return what to say of a first record that was written with another delimiter; else ""."""
    first = fields[0].lower()
    used = [one for one in ";\t|," if one in first] if len(fields) == 1 else []
    if first.startswith("sep="):
        return (
            f'; the first line is a note for Excel: say skip = 1, delimiter = "{first[4:5] or ";"}"'
        )
    if used:
        say = f"say delimiter = {json.dumps(used[0])}"
        return f"; it looks as if fields were separated by {used[0]!r}: {say}"
    return ""


def _refuse_written_numbers(
    path: Path, lines: Sequence[int], name: str, column: Categories, *, is_target: bool
) -> None:
    """Raise DataError for a column of text that was meant to be one of numbers."""
    is_text = [_number(text) is None for text in column.names]
    commas = [bool(_WITH_COMMAS.fullmatch(text)) for text in column.names]
    numbers = len(is_text) - sum(is_text)
    if any(commas) and sum(commas) + numbers == len(is_text):
        what = "numbers are written with a point and no other marks (0.5, not 0,5)"
        row = int(np.isin(column.codes, np.flatnonzero(commas)).argmax())
    elif is_target and any(is_text) and numbers >= max(_NUMBERS_AT_LEAST, 10 * sum(is_text)):
        what = "the other values of the target are numbers; name it in missing=… if it marks a gap"
        row = int(np.isin(column.codes, np.flatnonzero(is_text)).argmax())
    else:
        return
    raise DataError(
        f"{path}:{lines[row]}: column {name!r}: {column.names[column.codes[row]][:40]!r} is not a "
        f"number; {what}, or say kinds={{{name!r}: 'categorical'}}"
    )


def check_columns(path: Path, line: int, names: Sequence[str], used: Sequence[str]) -> None:
    """Raise ArgumentError, with the nearest name, for the first that is no column."""
    for name in used:
        if name not in names:
            raise ArgumentError(
                f"{path}:{line}: no column {name!r}{nearest(name, names)} "
                f"(columns: {', '.join(names)}){other_delimiter(names)}"
            )


def _refuse_characters(path: Path, encoding: str) -> NoReturn:
    """Name the first line that is not in the encoding, where lines can be told apart."""
    where = f"{path}"
    with reading(path) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode(encoding)
            except UnicodeError:
                where += f":{number}"
                break
    raise DataError(
        f"{where}: holds characters that are not {encoding.upper()}; say which encoding the file "
        "has, as in encoding='latin-1' or 'utf-16'"
    )
