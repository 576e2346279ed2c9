"""A table in memory: named columns of numbers or of text, with gaps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, DTypeError, ShapeError, nearest

KINDS = ("numeric", "categorical")
_COMMONEST = 5


@dataclass(frozen=True, eq=False, slots=True)
class Categories:
    """A categorical column: its distinct values, and which of them each row has.

    - `names`: the distinct values, sorted; by size where all of them are numbers.
    - `codes`: int32 `(row,)`, places in `names`, −1 in a gap.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]

    def counts(self) -> NDArray[np.int64]:
        """Return the rows of each name, `(name,)`."""
        known = self.codes[self.codes >= 0]
        return np.bincount(known, minlength=len(self.names)).astype(np.int64)


class Table:
    """Columns of one length, by name: float64 with NaN in the gaps, or text.

    - `columns`: each column `(row,)` by name. Numbers and booleans make a numeric column, NaN being
      a gap; text makes a categorical one, None (or a NaN among text) being a gap.
    - `name`: for messages, e.g. the file.
    - `target`: the column that is to be predicted, if there is one.
    - `lines`: the line of each row in its file, `(row,)`, for messages.
    - `description`: a few sentences: what it is, origin, licence.

    `table[name]` gives the float64 values, or the text as an object array of str and None.

    Raises ShapeError for columns that are not `(row,)` of one length, DTypeError for other values,
    ArgumentError for an unknown target.

    >>> people = Table({"age": [31, 52, np.nan], "job": ["cook", None, "cook"]})
    >>> people
    Table 'table': 3 rows; 1 numeric column, 1 categorical
    >>> people["age"], people["job"] == "cook"
    (array([31., 52., nan]), array([ True, False,  True]))
    """

    def __init__(
        self,
        columns: Mapping[str, ArrayLike | Categories],
        *,
        name: str = "table",
        target: str | None = None,
        lines: ArrayLike | None = None,
        description: str = "",
    ) -> None:
        self.name = name
        self.description = description
        self._columns = {key: self._column(key, values) for key, values in columns.items()}
        self._lines = None if lines is None else np.asarray(lines, dtype=np.int64)
        if not self._columns:
            raise ShapeError(f"{self._who}: needs at least one column")
        lengths = {key: len(_rows(column)) for key, column in self._columns.items()}
        if self._lines is not None:
            lengths["lines"] = len(self._lines)
        if len(set(lengths.values())) != 1:
            raise ShapeError(f"{self._who}: needs columns of one length, found {lengths}")
        self._length = next(iter(lengths.values()))
        if target is not None:
            self.require([target])
        self.target = target

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(self._columns)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column, "numeric" or "categorical", by name."""
        return {
            name: "categorical" if isinstance(column, Categories) else "numeric"
            for name, column in self._columns.items()
        }

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a column `(row,)`: float64, or an object array of str and None. Read-only."""
        self.require([name])
        column = self._columns[name]
        if isinstance(column, Categories):
            texts = np.array([*column.names, None], dtype=object)[column.codes]
            texts.flags.writeable = False
            return texts
        return column

    def categories(self, name: str) -> Categories:
        """Return a categorical column by its distinct values.

        Raises ArgumentError for an unknown or a numeric column.

        >>> jobs = Table({"job": ["cook", None, "cook", "baker"]}).categories("job")
        >>> jobs.names, jobs.codes.tolist()
        (('baker', 'cook'), [1, -1, 1, 0])
        """
        self.require([name])
        column = self._columns[name]
        if isinstance(column, Categories):
            return column
        raise ArgumentError(
            f"{self._who}: column {name!r} is numeric; to read it as text say "
            f"kinds={{{name!r}: 'categorical'}}"
        )

    def missing(self, name: str) -> NDArray[np.bool_]:
        """Return where a column has gaps, bool `(row,)`.

        >>> table = Table({"age": [31, np.nan, 52]})
        >>> table.take(np.flatnonzero(~table.missing("age")))["age"]
        array([31., 52.])
        """
        self.require([name])
        column = self._columns[name]
        gaps: NDArray[np.bool_]
        gaps = column.codes < 0 if isinstance(column, Categories) else np.isnan(column)
        return gaps

    def take(self, indices: ArrayLike) -> Table:
        """Return the rows at `indices` (integers `(row,)`), in that order, as a table.

        Categories that no row has any more keep their names. Raises ArgumentError for anything
        else than row numbers in range.
        """
        chosen = np.asarray(indices)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise ArgumentError(
                f"{self._who}: take needs a list of row numbers, found {chosen.dtype} of shape "
                f"{chosen.shape}"
            )
        wrong = (chosen < 0) | (chosen >= len(self))
        if wrong.any():
            raise ArgumentError(
                f"{self._who}: take: row {chosen[wrong][0]} is not in 0…{len(self) - 1}"
            )
        return self._with(
            {
                name: Categories(column.names, column.codes[chosen])
                if isinstance(column, Categories)
                else column[chosen]
                for name, column in self._columns.items()
            },
            None if self._lines is None else self._lines[chosen],
        )

    def select(self, names: Sequence[str]) -> Table:
        """Return a table of these columns alone, in this order. Raises ArgumentError if unknown."""
        self.require(names)
        return self._with({name: self._columns[name] for name in names}, self._lines)

    def drop(self, names: Sequence[str]) -> Table:
        """Return a table without these columns. Raises ArgumentError for an unknown one.

        >>> Table({"id": [1, 2], "age": [31, 52]}).drop(["id"]).columns
        ('age',)
        """
        self.require(names)
        return self.select([name for name in self._columns if name not in names])

    def describe(self) -> list[dict[str, Any]]:
        """Return what is in each column, in order, as plain data.

        Each has "name", "kind", "count" (rows with a value), "missing" and "distinct"; a numeric
        one "mean", "std" (with N − 1), "min" and "max", None where there are too few values; a
        categorical one "commonest": up to five pairs of value and count.

        >>> Table({"job": ["cook", None, "cook", "baker"]}).describe()[0]["commonest"]
        [('cook', 2), ('baker', 1)]
        """
        return [
            _describe_text(name, column)
            if isinstance(column, Categories)
            else _describe_numbers(name, column)
            for name, column in self._columns.items()
        ]

    def place(self, row: int) -> str:
        """Return where a row is, for messages: "people.csv:17", or "table, row 15"."""
        if self._lines is None:
            return f"{self.name}, row {row}"
        return f"{self.name}:{self._lines[row]}"

    @property
    def lines(self) -> NDArray[np.int64] | None:
        """The line of each row in its file, `(row,)`; None if it was not read from one."""
        return self._lines

    def require(self, names: Iterable[str]) -> None:
        """Raise ArgumentError, with the nearest name, for the first column that is not there."""
        for name in names:
            if name not in self._columns:
                raise ArgumentError(
                    f"{self._who}: no column {name!r}{nearest(str(name), self._columns)} "
                    f"(columns: {', '.join(self._columns)})"
                )

    def __repr__(self) -> str:
        kinds = list(self.kinds.values())
        counts = [(kinds.count(kind), kind) for kind in KINDS if kind in kinds]
        first, *rest = [f"{count} {kind}" for count, kind in counts]
        first += " column" + ("s" if counts[0][0] > 1 else "")
        target = "" if self.target is None else f"; target {self.target!r}"
        return f"{self._who}: {len(self)} rows; {', '.join([first, *rest])}{target}"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise DTypeError(
            f"{self._who}: a table is not an array; make one of its columns with "
            "data.ColumnEncoder.fit(training_table).transform(table)"
        )

    @property
    def _who(self) -> str:
        return f"Table {self.name!r}"

    def _with(
        self, columns: Mapping[str, NDArray[Any] | Categories], lines: NDArray[np.int64] | None
    ) -> Table:
        return Table(
            columns,
            name=self.name,
            target=self.target if self.target in columns else None,
            lines=lines,
            description=self.description,
        )

    def _column(
        self, name: str, values: ArrayLike | Categories
    ) -> NDArray[np.float64] | Categories:
        if isinstance(values, Categories):
            return values
        array = np.asarray(values)
        if array.dtype.kind in "US" and not isinstance(values, np.ndarray):
            array = np.asarray(values, dtype=object)  # NumPy writes the gaps in a list as text
        if array.ndim != 1:
            raise ShapeError(f"{self._who}: column {name!r} must be (row,), found {array.shape}")
        if array.dtype.kind not in "biuf":
            found = [None if value is None or value != value else value for value in array.tolist()]
            types = {type(value) for value in found} - {type(None)}
            if types <= {str}:
                return categories_of(found)
            if not types <= {bool, int, float}:
                raise DTypeError(
                    f"{self._who}: column {name!r} must hold numbers or text, found "
                    f"{' and '.join(sorted(kind.__name__ for kind in types))}"
                )
            array = np.array([np.nan if value is None else value for value in found], np.float64)
        numbers = array.astype(np.float64, copy=False).view()
        if np.isinf(numbers).any():
            raise DTypeError(f"{self._who}: column {name!r} holds infinity; leave a gap (NaN)")
        numbers.flags.writeable = False
        return numbers


def categories_of(texts: Sequence[str | None]) -> Categories:
    """Return the categorical column of these values, None being a gap."""
    names = sorted_names({text for text in texts if text is not None})
    place: dict[str | None, int] = {name: k for k, name in enumerate(names)}
    place[None] = -1
    return Categories(names, np.array([place[text] for text in texts], dtype=np.int32))


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names sorted, by size if all are numbers: 2 before 10.

    >>> sorted_names(["10", "2"]), sorted_names(["b10", "b2"])
    (('2', '10'), ('b10', 'b2'))
    """
    names = list(names)
    try:
        sizes = {name: float(name) for name in names}
    except ValueError:
        return tuple(sorted(names))
    if not all(math.isfinite(size) for size in sizes.values()):
        return tuple(sorted(names))
    return tuple(sorted(names, key=lambda name: (sizes[name], name)))


def _rows(column: NDArray[np.float64] | Categories) -> NDArray[Any]:
    return column.codes if isinstance(column, Categories) else column


def _describe_text(name: str, column: Categories) -> dict[str, Any]:
    counts = Counter(
        {text: int(n) for text, n in zip(column.names, column.counts(), strict=True) if n}
    )
    known = counts.total()
    return {
        "name": name,
        "kind": "categorical",
        "count": known,
        "missing": len(column.codes) - known,
        "distinct": len(counts),
        "commonest": counts.most_common(_COMMONEST),
    }


def _describe_numbers(name: str, column: NDArray[np.float64]) -> dict[str, Any]:
    known = column[~np.isnan(column)]
    return {
        "name": name,
        "kind": "numeric",
        "count": len(known),
        "missing": len(column) - len(known),
        "distinct": len(np.unique(known)),
        "mean": float(known.mean()) if len(known) else None,
        "std": float(known.std(ddof=1)) if len(known) > 1 else None,
        "min": float(known.min()) if len(known) else None,
        "max": float(known.max()) if len(known) else None,
    }
