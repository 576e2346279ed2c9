"""Records of text files as samples for a model that learnt from a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, CheckpointError, DataError
from neurona.data.columns import ColumnEncoder
from neurona.data.csv_file import (
    Dialect,
    first_record,
    other_delimiter,
    read_csv,
    records,
    shortened,
)
from neurona.data.table import Table

_KEPT = ("delimiter", "missing", "comment", "encoding")


class TableReader:
    """Records of CSV files, encoded as the training part was.

    - `encoder`: fitted to the training part.
    - `columns`: all columns of the training file, in order, also those that were not learnt from,
      for files without a header.
    - `delimiter`, `missing`, `comment`, `encoding`: as for `read_csv`.

    A file either has a header, in any order and with any more columns, or as many fields as
    `columns`, with or without the target.

    >>> people = Table({"age": [20, 30], "job": ["cook", "baker"], "rich": ["no", "yes"]},
    ...                target="rich")
    >>> reader = TableReader(ColumnEncoder.fit(people), columns=people.columns)
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "new.csv"
    ...     _ = path.write_text("job,age\\nbaker,25\\ncook,?\\n")
    ...     names, inputs = reader.read([path])
    >>> [Path(name).name for name in names], inputs.tolist()
    (['new.csv:2', 'new.csv:3'], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """

    def __init__(
        self,
        encoder: ColumnEncoder,
        *,
        columns: Sequence[str] = (),
        delimiter: str = ",",
        missing: Sequence[str] = ("", "?"),
        comment: str | None = None,
        encoding: str = "utf-8",
    ) -> None:
        self.encoder = encoder
        self.columns = tuple(columns)
        self._dialect = Dialect(delimiter, missing, comment, encoding=encoding)

    def read(
        self, paths: Sequence[str | os.PathLike[str]]
    ) -> tuple[list[str], NDArray[np.float32]]:
        """Return "file:line" for each record and the inputs, float32 `(sample, feature)`.

        Raises what `table` raises.
        """
        if not paths:
            raise ArgumentError("TableReader: no files to read")
        names: list[str] = []
        inputs = []
        for path in paths:
            table = self._read(Path(path), None)
            lines = [] if table.lines is None else table.lines.tolist()
            names += [f"{path}:{line}" for line in lines]
            inputs.append(self.encoder.transform(table))
        return names, np.concatenate(inputs)

    def unknown(self, paths: Sequence[str | os.PathLike[str]]) -> dict[str, dict[str, int]]:
        """Return, by column, the categories that the training part did not have, with their rows.

        Raises what `read` raises.
        """
        found: dict[str, dict[str, int]] = {}
        for path in paths:
            for column, counts in self.encoder.unknown(self._read(Path(path), None)).items():
                known = found.setdefault(column, {})
                for category, rows in counts.items():
                    known[category] = known.get(category, 0) + rows
        return found

    def table(self, path: str | os.PathLike[str]) -> Table:
        """Return the table in a file, with its target if it has that column.

        Raises ArgumentError for a header without a column that was learnt from, DataError for other
        files than those above, and what `read_csv` raises.
        """
        return self._read(Path(path), self.encoder.target)

    def _read(self, path: Path, target: str | None) -> Table:
        encoder = self.encoder
        needed = {column.name: encoder.kinds[column.name] for column in encoder.columns}
        names, has_header = self._names(path, list(needed))
        kinds = dict.fromkeys(filter(None, names), "categorical")  # the rest may be any text
        kinds |= needed
        if target is not None and target in names:
            kinds[target] = encoder.kinds[target]
        else:
            target = None
        columns = None if has_header else names
        return read_csv(path, columns=columns, kinds=kinds, target=target, **self._options())

    def _names(self, path: Path, needed: list[str]) -> tuple[list[str], bool]:
        """The columns of a file, and whether it has a header that says so."""
        line, first = first_record(path, records(path, self._dialect))
        fields = [field.strip() for field in first]
        if {field.casefold() for field in fields} & {name.casefold() for name in needed}:
            return fields, True
        without = [name for name in self.columns if name != self.encoder.target]
        for names in (list(self.columns), without):
            if names and len(names) == len(fields):
                return names, False
        hint = ""
        if other_delimiter(fields):
            hint = f"; separate fields by {self._dialect.delimiter!r}, as the training file does"
        counts = " or ".join(str(n) for n in sorted({len(without), len(self.columns)}))
        raise DataError(
            f"{path}:{line}: expected a header with the columns {', '.join(needed)}"
            + (f", or {counts} fields" if self.columns else "")
            + f"; found {shortened(fields)}{hint}"
        )

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self._dialect, name) for name in _KEPT}

    def state(self) -> dict[str, Any]:
        """Return encoder, columns and options as plain data."""
        options = {**self._options(), "missing": list(self._dialect.missing)}
        return {"encoder": self.encoder.state(), "columns": list(self.columns), **options}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TableReader:
        """Return the reader whose `state` this is. Raises CheckpointError if it is none."""
        expected = {"encoder", "columns", *_KEPT}
        if set(state) != expected:
            raise CheckpointError(
                f"TableReader: state must hold {sorted(expected)}, found {sorted(state)}"
            )
        encoder = ColumnEncoder.from_state(state["encoder"])
        columns = state["columns"]
        if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
            raise CheckpointError(f"TableReader: columns must be a list of names, not {columns!r}")
        try:
            options = {name: state[name] for name in _KEPT}
            return cls(encoder, columns=columns, **options)
        except (ArgumentError, TypeError, AttributeError) as error:
            raise CheckpointError(f"TableReader: {error}") from None
