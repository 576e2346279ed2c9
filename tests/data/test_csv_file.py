"""Tables from text files: every way to write one, every kind of damage."""

from __future__ import annotations

import csv
import gzip
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, DataError
from neurona.data import Table, csv_file, read_csv


def read(folder: Path, text: str | bytes, **options: Any) -> Table:
    path = folder / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv(path, **options)


def content(table: Table) -> dict[str, list[Any]]:
    return {
        name: [
            None if gap else value
            for value, gap in zip(table[name], table.missing(name), strict=True)
        ]
        for name in table.columns
    }


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a,b\n1,x\n2.5,y\n", {}, {"a": [1, 2.5], "b": ["x", "y"]}),
        ("a, b\n 1 , x \n-2e3,\ty\n", {}, {"a": [1, -2000], "b": ["x", "y"]}),
        ("a,b\r\n1,x\r\n\r\n2,y", {}, {"a": [1, 2], "b": ["x", "y"]}),
        ("a,b\r1,x\r2,y\r", {}, {"a": [1, 2], "b": ["x", "y"]}),
        ("\ufeffa,b\n1,x\n", {}, {"a": [1], "b": ["x"]}),
        ("\n  \na,b\n1,x\n \n\n2,y\n\n\n", {}, {"a": [1, 2], "b": ["x", "y"]}),
        ('a,b\n"1", "x, ""y"""\n', {}, {"a": [1], "b": ['x, "y"']}),
        ('a,b\n1,"x\ny"\n2,5" pipe\n', {}, {"a": [1, 2], "b": ["x\ny", '5" pipe']}),
        ("a;b\n1;x,y\n", {"delimiter": ";"}, {"a": [1], "b": ["x,y"]}),
        ("a\tb\n1\tx y\n", {"delimiter": "\t"}, {"a": [1], "b": ["x y"]}),
        ("1,x\n2,y\n", {"columns": ["a", "b"]}, {"a": [1, 2], "b": ["x", "y"]}),
        ("a, b\n2,y\n", {"columns": ["a", "b"]}, {"a": [2], "b": ["y"]}),  # a header after all
        ("# hi\na,b\n# ,\n1,x\n", {"comment": "#"}, {"a": [1], "b": ["x"]}),
        ('a,b\n1,"x\n# y"\n', {"comment": "#"}, {"a": [1], "b": ["x\n# y"]}),
        ('"title\nrest"\na,b\n1,x\n', {"skip": 2}, {"a": [1], "b": ["x"]}),
        (
            "a,b\n1,x\n?,?\n ? ,\n,y\n",
            {},
            {"a": [1, None, None, None], "b": ["x", None, None, "y"]},
        ),
        ("a,b\n-9,x\n-9.0,-9\n", {"missing": ["-9"]}, {"a": [None, -9], "b": ["x", None]}),
        ("a,b\n?,\n1,x\n", {"missing": []}, {"a": ["?", "1"], "b": ["", "x"]}),
        ("a\nnan\n1\nNaN\n", {}, {"a": [None, 1, None]}),
        (
            "a,b\n1,NA\nNA,1\nn/a,-\n-,x\nnull,None\n",
            {},
            {"a": [1, *[None] * 4], "b": ["NA", "1", "-", "x", "None"]},
        ),
        ("a,b\nnone,-\n?,?\n", {}, {"a": ["none", None], "b": ["-", None]}),
        ("a,b\n?,?\n", {}, {"a": [None], "b": [None]}),
        ("a\n1\n\n \n2\n", {}, {"a": [1, None, 2]}),  # one column: a line of blanks is a gap
        ("a,\n1,2\n", {}, {"a": [1], "column 2": [2]}),
        ("zip\n01\n2\n", {"kinds": {"zip": "categorical"}}, {"zip": ["01", "2"]}),
        ("n\n1_000\n2\n", {}, {"n": ["1_000", "2"]}),
    ],
)
def test_what_is_written_is_read(
    tmp_path: Path, text: str, options: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    assert content(read(tmp_path, text, **options)) == expected


def test_encodings(tmp_path: Path) -> None:
    text = "straße,köln\n1,früh\n"
    for encoding in ("utf-8", "latin-1", "utf-16"):
        table = read(tmp_path, text.encode(encoding), encoding=encoding)
        assert content(table) == {"straße": [1], "köln": ["früh"]}


def test_compressed_whatever_its_name(tmp_path: Path) -> None:
    assert content(read(tmp_path, gzip.compress(b"a,b\n1,x\n"))) == {"a": [1], "b": ["x"]}


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    table = read(tmp_path, '# hi\na,b\n1,"x\n\ny"\n\n# no\n2,z\n', comment="#")
    assert table.lines is not None
    assert table.lines.tolist() == [3, 8]
    assert table.take([1]).place(0) == "people.csv:8"


TEXTS = st.text(
    st.one_of(
        st.sampled_from("\",;\n\r'#?-_ 0"), st.characters(codec="utf-8", exclude_characters="\0")
    ),
    max_size=8,
)
TEXTS = TEXTS.map(str.strip).filter(lambda text: not np.isinf(csv_file._number(text) or 0))
GAPS = st.just(None)
COLUMNS = st.one_of(
    st.just(st.one_of(GAPS, st.floats(allow_nan=False, allow_infinity=False))),
    st.just(st.one_of(GAPS, st.integers(-999, 999).map(float))),
    st.just(st.one_of(GAPS, TEXTS.filter(lambda text: text not in ("", "?")))),
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(st.integers(1, 12))
    names = draw(st.lists(TEXTS.filter(bool), min_size=1, max_size=4, unique=True))
    values = [draw(COLUMNS) for _ in names]
    return {
        name: draw(st.lists(value, min_size=rows, max_size=rows))
        for name, value in zip(names, values, strict=True)
    }


@given(tables(), st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_any_table_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    columns: dict[str, list[Any]],
    delimiter: str,
    end: str,
    small_blocks: bool,
) -> None:
    """Written by the standard library, read in whole and in blocks of two rows."""
    file = io.StringIO(newline="")
    # the writer leaves a "\r" without quotes where lines end in "\n" alone
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["?" if value is None else value for value in row])
    kinds = {
        name: "categorical" if any(isinstance(value, str) for value in values) else "numeric"
        for name, values in columns.items()
    }
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(file.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        if small_blocks:
            patch.setattr(csv_file, "_ROWS_AT_ONCE", 2)
        table = read_csv(path, kinds=kinds, delimiter=delimiter)
        inferred = read_csv(path, delimiter=delimiter)
    assert content(table) == columns
    assert table.kinds == kinds
    for name, kind in inferred.kinds.items():  # text that reads as numbers becomes numbers
        if kind != kinds[name]:
            numbers = [csv_file._number(text or "") for text in columns[name]]
            np.testing.assert_array_equal(inferred[name], np.array(numbers, np.float64))


def test_a_column_that_turns_into_text_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "_ROWS_AT_ONCE", 2)
    text = "a,b,c\n007,1,1\n1,2,?\n2,x,3\n3,1,4\ny,5,5\n"
    expected = {"a": ["007", "1", "2", "3", "y"], "b": ["1", "2", "x", "1", "5"]}
    assert content(read(tmp_path, text)) == {**expected, "c": [1, None, 3, 4, 5]}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, r"people\.csv: is empty"),
        ("\n \n# x\n", {"comment": "#"}, r"people\.csv: is empty"),
        ("a,b\n1,x\n", {"skip": 5}, r"people\.csv: is empty"),
        ("a,b\n\n", {}, r"people\.csv: holds the names of columns and no rows"),
        ("a,b\n1,x\n2\n", {}, r"people\.csv:3: expected 2 fields \(a, b\), found 1: 2; .* by ','"),
        ("a,b,c,d,e,f\n1,2\n", {}, r"csv:2: expected 6 fields \(a, b, …, f\), found 2: 1, 2"),
        ("a,b\n1,x\n\n2,y,z\n", {}, r"people\.csv:4: expected 2 fields .* found 3: 2, y, z"),
        ("1,2\n", {"columns": ["a", "b", "c"]}, r"people\.csv:1: expected 3 fields"),
        ("a,b,a\n1,2,3\n", {}, r"people\.csv:1: column 'a' comes twice, at places 1 and 3"),
        ('a\n1\n"2\n', {}, r"people\.csv:3: unexpected end of data; a field that holds quotes"),
        ('a,b\n"1"2,3\n', {}, r"people\.csv:2: ',' expected after"),
        (
            "a,b\n1,2\n1,many\n",
            {"kinds": {"b": "numeric"}},
            r"people\.csv:3: column 'b': 'many' is not a number; name it in missing=.*'categ",
        ),
        ("a\n1_0\n", {"kinds": {"a": "numeric"}}, "'1_0' is not a number"),
        ("a\n1\n1e999\n", {}, r"people\.csv:3: column 'a': '1e999' is not finite"),
        ("a\n-inf\n", {}, "'-inf' is not finite"),
        (b"a,b\n1,x\n2,\xe4\n", {}, r"people\.csv:3: holds characters that are not UTF-8; say whi"),
        (
            "ä,b\n1,x\n",
            {"encoding": "ascii"},
            r"people\.csv:1: holds characters that are not ASCII",
        ),
        (gzip.compress(b"a,b\n1,x\n" * 99, mtime=0)[:-9], {}, r"people\.csv: truncated gzip"),
    ],
)
def test_damage_is_named(
    tmp_path: Path, text: str | bytes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "jbo"}, r"csv:1: no column 'jbo'; did you mean 'job'\? \(columns: age, job\)"),
        ({"kinds": {"Age": "numeric"}}, r"no column 'Age'; did you mean 'age'"),
        ({"kinds": {"age": "number"}}, r"kinds: 'age' cannot be 'number'; did you mean 'numeric'"),
        ({"delimiter": ", "}, "delimiter must be one character"),
        ({"delimiter": '"'}, "delimiter must be one character"),
        ({"comment": " "}, "comment is a prefix"),
        ({"missing": "NA"}, "missing is a list of markers, not 'NA'"),
        ({"columns": "ab"}, "columns is a list of names, not 'ab'"),
        ({"skip": -1}, "skip must not be negative"),
        ({"encoding": "utf-9"}, "unknown encoding 'utf-9'"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        read(tmp_path, "age,job\n1,x\n", **options)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "a;y\n1;2\n",
            {"target": "y"},
            r":1: no column 'y'.*separated by ';': say delimiter = \";\"",
        ),
        ("a\ty\n1\t2\n", {"target": "y"}, r'say delimiter = "\\t"'),
        ("a;y\n1,5;2\n", {}, r":2: expected 1 fields.*say delimiter = \";\""),
        ("sep=;\na;y\n1;2\n", {"target": "y"}, r"skip = 1, delimiter = \";\""),
        ("a;y\n1;2\n3;4,5\n", {"delimiter": ";"}, r":3: column 'y': '4,5' is not a number.*0\.5"),
        ("a;y\n1;1.234,50\n3;\n", {"delimiter": ";"}, r":2: column 'y': '1.234,50' is not a"),
    ],
)
def test_tables_of_other_spreadsheets(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((ArgumentError, DataError), match=message):
        read(tmp_path, text, **options)


def test_a_little_text_among_the_numbers_of_the_target(tmp_path: Path) -> None:
    text = "y\n" + "".join(f"{k if k != 30 else 'about 30'}\n" for k in range(40))
    with pytest.raises(DataError, match=r":32: column 'y': 'about 30' is not a number; .*kinds="):
        read(tmp_path, text, target="y")
    read(tmp_path, text, target="y", kinds={"y": "categorical"})
    read(tmp_path, "y\n1\n2\n3\nother\n", target="y")  # these are classes


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder; name a file in it"):
        read_csv(tmp_path)


def test_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a\n" + "1\n" * 10)
    add = csv_file._Column.add

    def write_and_add(*arguments: Any) -> None:
        with path.open("a") as file:
            file.write("2\n")
        add(*arguments)

    monkeypatch.setattr(csv_file, "_ROWS_AT_ONCE", 4)
    monkeypatch.setattr(csv_file._Column, "add", write_and_add)
    with pytest.raises(DataError, match=r"log\.csv: changed its length while it was read"):
        read_csv(path)


def test_real_adult(data_folder: Path) -> None:
    path = data_folder / "adult" / "adult.data"
    if not path.is_file():
        pytest.skip(f"no {path}")
    start = time.perf_counter()
    table = read_csv(path, columns=[f"c{k}" for k in range(15)])
    seconds = time.perf_counter() - start
    assert len(table) == 32561
    assert list(table.kinds.values()).count("numeric") == 6
    gaps = np.any([table.missing(name) for name in table.columns], axis=0)
    assert gaps.sum() == 2399
    counts = dict(zip(table.categories("c9").names, table.categories("c9").counts(), strict=True))
    assert counts == {"Female": 10771, "Male": 21790}
    assert seconds < 10  # 0.2 s where nothing else runs
