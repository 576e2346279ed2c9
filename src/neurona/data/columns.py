"""The columns of a table as the inputs of a network: standardised numbers, one-hot categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, CheckpointError, DataError
from neurona.data.dataset import Dataset
from neurona.data.standardize import Standardizer
from neurona.data.table import Table


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """z = (x − mean) / scale; with `gaps`, a second feature is 1 where the value is missing."""

    name: str
    mean: float
    scale: float
    gaps: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its features."""
        return (self.name, f"{self.name} missing") if self.gaps else (self.name,)

    def write(self, table: Table, out: NDArray[np.float32]) -> None:
        """Put the features of each row into `out`, zeros `(row, feature)`."""
        missing = table.missing(self.name)
        with np.errstate(over="ignore"):
            out[:, 0] = np.where(missing, 0.0, (table[self.name] - self.mean) / self.scale)
        if not np.isfinite(out[:, 0]).all():
            row = int(np.argmin(np.isfinite(out[:, 0])))
            raise DataError(
                f"{table.place(row)}: column {self.name!r}: {table[self.name][row]} is too far "
                f"from the training part's mean {self.mean:.6g}"
            )
        if self.gaps:
            out[:, 1] = missing


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """1 at the place of the row's category; with `gaps`, a last place stands for a missing one."""

    name: str
    categories: tuple[str, ...]
    gaps: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its features."""
        known = [f"{self.name}={category}" for category in self.categories]
        return (*known, f"{self.name} missing") if self.gaps else tuple(known)

    def write(self, table: Table, out: NDArray[np.float32]) -> None:
        """Put the features of each row into `out`, zeros `(row, feature)`."""
        places = self.places(table)
        rows = np.flatnonzero(places >= 0)
        out[rows, places[rows]] = 1.0

    def places(self, table: Table) -> NDArray[np.int64]:
        """The feature that is 1 in each row, `(row,)`; −1 if none is."""
        column = table.categories(self.name)
        known = {category: k for k, category in enumerate(self.categories)}
        gap = len(known) if self.gaps else -1
        places = np.array([*(known.get(name, -1) for name in column.names), gap], dtype=np.int64)
        return places[column.codes]


@dataclass(frozen=True, eq=False, slots=True)
class ColumnEncoder:
    """Tables to float32 inputs `(sample, feature)`, by what was learnt from the training part.

    - A numeric column becomes (x − μ)/σ with mean and standard deviation (N − 1) of its values in
      the training part. A gap becomes 0, the mean; if the training part had gaps, a feature
      "… missing" is 1 there.
    - A categorical column becomes one feature a category, 1 in the rows that have it, else 0
      (one-hot). If the training part had gaps, they are a category "… missing" of their own. A
      category, or a gap, that the training part did not have is 0 everywhere: see `unknown`.
    - The target column is left out; `targets` gives it: class numbers in the order of `classes` for
      a categorical target, the numbers themselves otherwise.

    Make one with `fit`, from the training part only: the other parts must not be looked at. `state`
    is plain data and goes into the model file, so that training and use are the same code.

    >>> people = Table(
    ...     {"age": [20.0, 30.0, 40.0, np.nan], "job": ["cook", "baker", None, "cook"],
    ...      "rich": ["no", "no", "yes", "no"]}, target="rich")
    >>> encoder = ColumnEncoder.fit(people)
    >>> encoder.feature_names
    ('age', 'age missing', 'job=baker', 'job=cook', 'job missing')
    >>> encoder.transform(people).tolist()[2:]
    [[1.0, 0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0, 0.0]]
    >>> encoder.classes, encoder.targets(people).tolist()
    (('no', 'yes'), [0, 0, 1, 0])
    >>> encoder.unknown(Table({"age": [50], "job": ["judge"]}))
    {'job': {'judge': 1}}
    """

    columns: tuple[NumericColumn | CategoricalColumn, ...]
    target: str | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, table: Table, *, max_categories: int = 100, min_count: int = 1) -> ColumnEncoder:
        """Learn from all columns of the training part; `table.target` becomes the target.

        - `max_categories`: more in a column are refused, since each is a feature.
        - `min_count`: categories that fewer rows have are treated as unknown ones.

        Raises DataError for a column without a value, or with too many categories.
        """
        if min_count < 1:
            raise ArgumentError(f"ColumnEncoder: min_count must be at least 1, found {min_count}")
        kinds = table.kinds
        names = [name for name in table.columns if name != table.target]
        for name in names:
            if table.missing(name).all():
                raise DataError(
                    f"ColumnEncoder: {table.name}: column {name!r} holds no value in the training "
                    f"part; leave it out: table.drop([{name!r}]), or ignore = [{name!r}] in a "
                    "configuration"
                )
        columns = [
            _numeric(table, name)
            if kinds[name] == "numeric"
            else _categorical(table, name, max_categories, min_count)
            for name in names
        ]
        if not columns:
            raise DataError(f"ColumnEncoder: {table!r} has no column to learn from")
        classes: tuple[str, ...] = ()
        if table.target is not None and kinds[table.target] == "categorical":
            classes = _present(table, table.target, 1)
            if len(classes) < 2:
                raise DataError(
                    f"ColumnEncoder: {table.name}: the target {table.target!r} has "
                    f"{len(classes)} class in the training part; at least 2 are needed"
                )
        return cls(tuple(columns), table.target, classes)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature: "age", "job=cook", "job missing"."""
        return tuple(feature for column in self.columns for feature in column.features)

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column it reads, the target too, as `read_csv` takes them."""
        kinds = {
            column.name: "numeric" if isinstance(column, NumericColumn) else "categorical"
            for column in self.columns
        }
        if self.target is not None:
            kinds[self.target] = "categorical" if self.classes else "numeric"
        return kinds

    def transform(self, table: Table) -> NDArray[np.float32]:
        """Return the inputs of each row, float32 `(sample, feature)`.

        Other columns of the table are not looked at. Raises ArgumentError for a column that is
        missing or of the other kind.
        """
        self._check(table, [column.name for column in self.columns])
        result = np.zeros((len(table), len(self.feature_names)), dtype=np.float32)
        start = 0
        for column in self.columns:
            stop = start + len(column.features)
            column.write(table, result[:, start:stop])
            start = stop
        return result

    def targets(self, table: Table) -> NDArray[Any]:
        """Return class numbers, int64 `(sample,)`, or values, float64 `(sample, 1)`.

        Raises ArgumentError if there is no such column, DataError with its place for the first gap
        and the first class that the training part did not have.
        """
        if self.target is None:
            raise ArgumentError("ColumnEncoder: was fitted without a target")
        self._check(table, [self.target])
        gaps = table.missing(self.target)
        if gaps.any():
            raise DataError(
                f"{table.place(int(gaps.argmax()))}: the target {self.target!r} is missing, in "
                f"{int(gaps.sum())} of {len(table)} rows; leave these out with "
                f"table.take(np.flatnonzero(~table.missing({self.target!r})))"
            )
        if not self.classes:
            return table[self.target][:, None]
        numbers = CategoricalColumn(self.target, self.classes, gaps=False).places(table)
        if (numbers < 0).any():
            row = int((numbers < 0).argmax())
            raise DataError(
                f"{table.place(row)}: the class {table[self.target][row]!r} of {self.target!r} is "
                f"not one of the training part's: {', '.join(self.classes)}"
            )
        return numbers

    def dataset(self, table: Table) -> Dataset:
        """Return inputs and targets of a table with their names, for `fit` and reports."""
        return Dataset(
            inputs=self.transform(table),
            targets=self.targets(table),
            name=table.name,
            axes={"sample": None, "feature": self.feature_names},
            classes=self.classes,
            target_name=self.target or "target",
            description=table.description,
        )

    def unknown(self, table: Table) -> dict[str, dict[str, int]]:
        """Return, by column, the categories that have no feature and the number of their rows."""
        self._check(table, [column.name for column in self.columns])
        found = {}
        for column in self.columns:
            if isinstance(column, CategoricalColumn):
                there = table.categories(column.name)
                counts = zip(there.names, there.counts().tolist(), strict=True)
                found[column.name] = {
                    name: n for name, n in counts if n and name not in column.categories
                }
        return {name: counts for name, counts in found.items() if counts}

    def state(self) -> dict[str, Any]:
        """Return what `from_state` needs, as JSON-able data."""
        return {
            "columns": [
                {"name": c.name, "mean": c.mean, "scale": c.scale, "gaps": c.gaps}
                if isinstance(c, NumericColumn)
                else {"name": c.name, "categories": list(c.categories), "gaps": c.gaps}
                for c in self.columns
            ],
            "target": self.target,
            "classes": list(self.classes),
        }

    @classmethod
    def from_state(cls, state: Any) -> ColumnEncoder:
        """Return the ColumnEncoder whose `state` this is. Raises CheckpointError if it is none."""
        try:
            columns = tuple(_column_of(one) for one in state["columns"])
            target, classes = state["target"], tuple(state["classes"])
        except (TypeError, KeyError, ValueError) as error:
            raise CheckpointError(f"ColumnEncoder: not a state: {error!r}") from None
        names = [column.name for column in columns]
        if (
            not columns
            or len({*names, target}) != len(names) + 1
            or not (target is None or isinstance(target, str))
            or not all(isinstance(one, str) for one in classes)
        ):
            raise CheckpointError("ColumnEncoder: not a state: names must be distinct texts")
        return cls(columns, target, classes)

    def _check(self, table: Table, names: list[str]) -> None:
        table.require(names)
        wanted, found = self.kinds, table.kinds
        for name in names:
            if found[name] != wanted[name]:
                raise ArgumentError(
                    f"{table.name}: column {name!r} is {found[name]}, in the training part it was "
                    f"{wanted[name]}; read the file with kinds=encoder.kinds"
                )


def _numeric(table: Table, name: str) -> NumericColumn:
    missing = table.missing(name)
    known = table[name][~missing]
    try:
        learnt = Standardizer.fit(known[:, None])
    except DataError as error:
        raise DataError(f"ColumnEncoder: {table.name}: column {name!r}: {error}") from None
    return NumericColumn(name, float(learnt.mean[0]), float(learnt.scale[0]), bool(missing.any()))


def _categorical(table: Table, name: str, max_categories: int, min_count: int) -> CategoricalColumn:
    present = _present(table, name, min_count)
    if len(present) > max_categories:
        others = [category for category in present if not _is_number(category)]
        hint = f"table.drop([{name!r}]) (ignore = [{name!r}] in a configuration), "
        if 0 < len(others) < len(present) / 2:
            hint = f"name {others[0]!r} in missing=… if it marks a gap, {hint}"
        raise DataError(
            f"ColumnEncoder: {table.name}: column {name!r} has {len(present)} categories, "
            f"max_categories is {max_categories}; {hint}a larger max_categories, or min_count to "
            "keep the common ones"
        )
    gaps = bool(table.missing(name).any())
    if not present and not gaps:
        raise DataError(
            f"ColumnEncoder: {table.name}: no category of column {name!r} is in {min_count} rows "
            "of the training part"
        )
    return CategoricalColumn(name, present, gaps)


def _present(table: Table, name: str, min_count: int) -> tuple[str, ...]:
    column = table.categories(name)
    counts = zip(column.names, column.counts().tolist(), strict=True)
    return tuple(category for category, count in counts if count >= min_count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column_of(state: Mapping[str, Any]) -> NumericColumn | CategoricalColumn:
    name, gaps = state["name"], state["gaps"]
    if not isinstance(name, str) or not isinstance(gaps, bool):
        raise ValueError("a column needs a name and whether it had gaps")
    if "categories" in state:
        categories = tuple(state["categories"])
        if not all(isinstance(one, str) for one in categories) or len(set(categories)) < len(
            categories
        ):
            raise ValueError(f"{name!r}: the categories must be distinct texts")
        return CategoricalColumn(name, categories, gaps)
    mean, scale = float(state["mean"]), float(state["scale"])
    if not (np.isfinite(mean) and np.isfinite(scale) and scale > 0):
        raise ValueError(f"{name!r}: mean and scale must be finite, the scale above 0")
    return NumericColumn(name, mean, scale, gaps)
