"""Text files read row by row: the same rows as the whole table's, and files that change."""

from __future__ import annotations

import csv
import gzip
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError
from neurona.data import (
    ColumnEncoder,
    CsvFile,
    CsvSource,
    Loader,
    StreamLoader,
    Table,
    read_csv,
    split,
)

FIELDS = st.sampled_from(["", "?", "a", "b, c", 'say "d"', "two\nlines", "é", " x ", "1", "nan"])
ROWS = st.lists(st.tuples(st.integers(-5, 99).map(str), FIELDS), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv")


def same(one: Table, other: Table) -> bool:
    assert one.lines is not None
    assert other.lines is not None
    return one.lines.tolist() == other.lines.tolist() and all(
        one[name].tolist() == other[name].tolist() for name in other.columns
    )


@given(
    ROWS,
    st.data(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "latin-1"]),
    st.booleans(),
)
def test_the_rows_of_the_table(
    folder: Path, rows: Any, data: Any, ending: str, encoding: str, header: bool
) -> None:
    path = folder / "x.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator=ending, quoting=csv.QUOTE_MINIMAL)
        file.write(f"skipped{ending}# a comment{ending}{ending}")
        if header:
            writer.writerow(["number", "text"])
        for k, row in enumerate(rows):
            writer.writerow(row)
            if k % 4 == 1:
                file.write(data.draw(st.sampled_from(["", ending, f"# no, row{ending}", "  \n"])))
    options: dict[str, Any] = {
        "columns": None if header else ["number", "text"],
        "skip": 1,
        "comment": "#",
        "encoding": encoding.removesuffix("-sig") if data.draw(st.booleans()) else encoding,
    }
    kinds = {"text": "categorical"}
    whole = read_csv(path, kinds=kinds, **options)
    listed = CsvFile(path, **options)
    assert len(listed) == len(whole) == len(rows)
    assert listed.columns == ("number", "text")
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
    assert same(listed.table(chosen, kinds=kinds), whole.take(chosen))
    assert same(listed.table(np.arange(len(rows)), kinds=kinds), whole)


def test_census_income_streams_as_it_loads(data_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "adult.data"
    with (data_folder / "adult" / "adult.data").open() as file:
        path.write_text("".join(file.readline() for _ in range(2000)))
    options: dict[str, Any] = {"columns": [*(f"field {k}" for k in range(14)), "income"]}
    listed = CsvFile(path, **options)
    whole = read_csv(path, target="income", **options)
    assert len(listed) == len(whole) == 2000
    training, _ = split(whole, (0.9, 0.1))
    encoder = ColumnEncoder.fit(training)
    source = CsvSource(listed, encoder)
    assert source.classes == ("<=50K", ">50K")
    x, y = encoder.transform(whole), encoder.targets(whole)
    plain = Loader(x, y, batch_size=100, seed=3)
    with StreamLoader(source, batch_size=100, seed=3, workers=2) as loader:
        for number, batch in zip(range(5), loader.epoch(1), strict=False):
            chosen = plain.order(1)[number * 100 :][:100]
            np.testing.assert_array_equal(batch[0], x[chosen])
            np.testing.assert_array_equal(batch[1], y[chosen])
    assert source.name(3) == "adult.data:4"
    one = source.read(0, np.random.default_rng())
    assert (one[0].tolist(), int(one[1])) == (x[0].tolist(), int(y[0]))


@pytest.fixture
def people(tmp_path: Path) -> CsvFile:
    path = tmp_path / "people.csv"
    path.write_text("age,job,rich\n" + "".join(f"{k},cook,{k % 2}\n" for k in range(10, 60)))
    return CsvFile(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-30],
        lambda text: text + "60,cook,1\n",
        lambda text: text.replace("20,cook", "20,c,ok"),
        lambda text: text.replace("20,cook", "20,c\nok"),
        lambda text: text.replace("20,cook", '20,"ook'),
    ],
)
def test_a_file_that_changes(people: CsvFile, change: Any) -> None:
    text = people.path.read_text()
    assert len(people.table(np.arange(50))) == 50
    people.path.write_text(change(text))
    where = re.escape(str(people.path))
    with pytest.raises(DataError, match=f"{where}: is not as it was when its 50 rows were listed"):
        people.table(np.arange(50))
    people.path.unlink()
    with pytest.raises(DataError, match=f"{where}: cannot be read: No such file"):
        people.table([0])


def test_a_file_that_shrinks_while_it_is_read(
    people: CsvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.pread

    def shrinking(descriptor: int, count: int, offset: int) -> bytes:
        os.truncate(people.path, 100)
        return read(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", shrinking)
    with pytest.raises(DataError, match="is not as it was"):
        people.table([3, 40])


def test_errors_name_file_and_line(people: CsvFile) -> None:
    encoder = ColumnEncoder.fit(people.table(np.arange(20), target="rich"))
    text = people.path.read_text()
    people.path.write_text(text.replace("29,cook,1", "29,cook,?").replace("40,cook", "4x,cook"))
    source = CsvSource(CsvFile(people.path), encoder)
    with pytest.raises(DataError, match=r"people.csv:21: the target 'rich' is missing"):
        source.read_batch(np.array([3, 19]))
    with pytest.raises(DataError, match=r"people.csv:32: column 'age': '4x' is not a number"):
        source.read_batch(np.array([30, 3]))
    assert repr(source) == f"CsvSource {str(people.path)!r}: 50 rows"
    without = ColumnEncoder.fit(people.table(np.arange(20)).drop(["rich"]))
    assert len(CsvSource(people, without).read_batch(np.array([1, 2]))) == 1


def test_what_is_refused(tmp_path: Path, people: CsvFile) -> None:
    path = tmp_path / "x.csv"
    for content, text in (
        (b"", "is empty"),
        (b"a,b\n", "names of columns and no rows"),
        (b"a,b\n1,2\n3\n", "x.csv:3: expected 2 fields"),
        (b"a,a\n1,2\n", "'a' comes twice"),
        (b"a,b\n1,\xff\n", "x.csv:2: holds characters that are not UTF-8"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "decompress it first"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=text):
            CsvFile(path)
    with pytest.raises(DataError, match="No such file"):
        CsvFile(tmp_path / "none.csv")
    with pytest.raises(ArgumentError, match="rows cannot be found by position in utf-16"):
        CsvFile(path, encoding="utf-16")
    with pytest.raises(ArgumentError, match="rows are 0…49, found"):
        people.table([50])
    with pytest.raises(ArgumentError, match=r"found float64 of shape \(1,\)"):
        people.table([0.5])
    with pytest.raises(ArgumentError, match="no column 'jop'; did you mean 'job'"):
        people.table([0], target="jop")
    encoder = ColumnEncoder.fit(Table({"height": [1.0, 2.0]}))
    with pytest.raises(ArgumentError, match="no column 'height'"):
        CsvSource(people, encoder)
