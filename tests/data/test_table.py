"""Tables in memory: columns from Python and NumPy values, rows taken, summaries."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.data import Categories, Table


@pytest.fixture
def people() -> Table:
    return Table(
        {
            "age": [31, 52, np.nan, 40],
            "job": ["cook", None, "baker", "cook"],
            "shoe": ["43", "5", "43", "10.5"],
        },
        name="people",
        target="job",
        lines=[2, 3, 5, 6],
    )


def test_columns(people: Table) -> None:
    assert (len(people), people.columns) == (4, ("age", "job", "shoe"))
    assert people.kinds == {"age": "numeric", "job": "categorical", "shoe": "categorical"}
    assert people["age"].dtype == np.float64
    assert people["job"].tolist() == ["cook", None, "baker", "cook"]
    assert people.categories("shoe").names == ("5", "10.5", "43")  # by size
    assert people.missing("age").tolist() == [False, False, True, False]
    assert people.missing("job").tolist() == [False, True, False, False]
    assert "age" in people
    assert "hat" not in people
    for name in people.columns:
        with pytest.raises(ValueError, match="read-only"):
            people[name][0] = people[name][1]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], "numeric", [1.0, 2.0]),
        ([True, False], "numeric", [1.0, 0.0]),
        ([1, None], "numeric", [1.0, np.nan]),
        (np.array([1, 2], dtype=np.uint8), "numeric", [1.0, 2.0]),
        (["a", "b"], "categorical", ["a", "b"]),
        (["a", np.nan], "categorical", ["a", None]),
        (np.array(["a", "b"]), "categorical", ["a", "b"]),
        (np.array(["a", None], dtype=object), "categorical", ["a", None]),
        (np.array(["a", "b"], dtype=np.dtypes.StringDType()), "categorical", ["a", "b"]),
        ([None, None], "categorical", [None, None]),
        (["nan", "1"], "categorical", ["nan", "1"]),
    ],
)
def test_values_and_kinds(values: Any, kind: str, expected: list[Any]) -> None:
    table = Table({"x": values})
    assert table.kinds == {"x": kind}
    np.testing.assert_array_equal(table["x"], np.array(expected, dtype=table["x"].dtype))


def test_take_select_drop(people: Table) -> None:
    some = people.take([3, 0])
    assert some["age"].tolist() == [40, 31]
    assert some["job"].tolist() == ["cook", "cook"]
    assert (some.name, some.target, some.place(0)) == ("people", "job", "people:6")
    assert some.categories("job").names == ("baker", "cook")
    assert some.categories("job").counts().tolist() == [0, 2]
    assert len(people.take([])) == 0
    assert people.select(["shoe", "job"]).columns == ("shoe", "job")
    assert people.drop(["job"]).columns == ("age", "shoe")
    assert people.drop(["job"]).target is None
    assert Table({"a": [1]}).place(0) == "table, row 0"


def test_describe(people: Table) -> None:
    age, job, _ = people.describe()
    known = np.array([31, 52, 40])
    assert age == {
        "name": "age", "kind": "numeric", "count": 3, "missing": 1, "distinct": 3,
        "mean": known.mean(), "std": known.std(ddof=1), "min": 31.0, "max": 52.0,
    }  # fmt: skip
    assert job == {
        "name": "job", "kind": "categorical", "count": 3, "missing": 1, "distinct": 2,
        "commonest": [("cook", 2), ("baker", 1)],
    }  # fmt: skip
    json.dumps(people.describe(), allow_nan=False)
    assert people.take([1]).describe()[0]["std"] is None
    assert people.take([2]).describe()[0]["mean"] is None


def test_repr(people: Table) -> None:
    assert repr(people) == "Table 'people': 4 rows; 1 numeric column, 2 categorical; target 'job'"
    assert repr(people.drop(["age"])) == (
        "Table 'people': 4 rows; 2 categorical columns; target 'job'"
    )


def test_what_is_refused(people: Table) -> None:
    with pytest.raises(ArgumentError, match=r"'people': no column 'agee'; did you mean 'age'\?"):
        people["agee"]
    with pytest.raises(ArgumentError, match="column 'age' is numeric; to read it as text say kin"):
        people.categories("age")
    with pytest.raises(ArgumentError, match="no column 'jbo'; did you mean 'job'"):
        Table({"job": ["a"]}, target="jbo")
    for chosen, message in (([4], "row 4 is not in 0…3"), ([0.5], "float64"), ([[1]], r"\(1, 1\)")):
        with pytest.raises(ArgumentError, match=message):
            people.take(chosen)
    with pytest.raises(ShapeError, match=r"one length, found \{'a': 1, 'b': 2}"):
        Table({"a": [1], "b": [1, 2]})
    with pytest.raises(ShapeError, match="'lines': 2"):
        Table({"a": [1]}, lines=[1, 2])
    with pytest.raises(ShapeError, match="at least one column"):
        Table({})
    with pytest.raises(ShapeError, match=r"column 'a' must be \(row,\), found \(1, 1\)"):
        Table({"a": [[1]]})
    for values, found in (([1, "x"], "int and str"), ([object()], "object"), ([1j], "complex")):
        with pytest.raises(
            DTypeError, match=f"column 'a' must hold numbers or text, found {found}"
        ):
            Table({"a": values})
    with pytest.raises(DTypeError, match="holds infinity"):
        Table({"a": [np.inf]})
    with pytest.raises(DTypeError, match=r"not an array; .*ColumnEncoder"):
        np.asarray(people)


def test_categories_can_be_given() -> None:
    column = Categories(("x", "y"), np.array([1, -1, 0], dtype=np.int32))
    assert Table({"a": column})["a"].tolist() == ["y", None, "x"]
