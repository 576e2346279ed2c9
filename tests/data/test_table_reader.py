"""Records of files as samples: with and without header and target, and kept with a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from neurona import nn, optim
from neurona.core.errors import ArgumentError, CheckpointError, DataError
from neurona.data import ColumnEncoder, TableReader, read_csv
from neurona.data.readers import reader_from_json, reader_to_json
from neurona.train import Model

TRAINING = "id; age; job; rich\n1; 20; cook; no\n2; 30; baker; yes\n3; ?; cook; no\n"
EXPECTED = [[0.70710677, 0, 1, 0], [0, 1, 0, 0]]  # a baker of 30, a judge of unknown age


@pytest.fixture
def reader(tmp_path: Path) -> TableReader:
    path = tmp_path / "training.csv"
    path.write_text(TRAINING)
    table = read_csv(path, delimiter=";", target="rich")
    encoder = ColumnEncoder.fit(table.drop(["id"]))
    assert encoder.feature_names == ("age", "age missing", "job=baker", "job=cook")
    return TableReader(encoder, columns=table.columns, delimiter=";", comment="#")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("id;age;job;rich\n9;30;baker;yes\n8;?;judge;no\n", [2, 3]),
        ("job;age\n\nbaker;30\njudge;?\n", [3, 4]),
        ("job;;hat;age;\n# no\nbaker;1;inf;30;1_0\njudge;?;?;;\n", [3, 4]),
        ("9;30;baker;yes\n8;?;judge;no\n", [1, 2]),
        ("9;30;baker\n8;;judge\n", [1, 2]),
        ("\n# no header\n9;30;baker;?\n8;;judge;?\n", [3, 4]),
    ],
)
def test_files_to_samples(tmp_path: Path, reader: TableReader, text: str, lines: list[int]) -> None:
    path = tmp_path / "new.csv"
    path.write_text(text)
    again = reader_from_json(json.loads(json.dumps(reader_to_json(reader))))
    assert isinstance(again, TableReader)
    for one in (reader, again):
        names, inputs = one.read([path, str(path)])
        assert names == [f"{path}:{line}" for line in lines] * 2
        np.testing.assert_allclose(inputs, EXPECTED * 2, rtol=1e-6)


def test_a_table_with_its_target(tmp_path: Path, reader: TableReader) -> None:
    path = tmp_path / "new.csv"
    path.write_text("rich;job;age\nyes;cook;20\n")
    table = reader.table(path)
    assert table.target == "rich"
    assert reader.encoder.targets(table).tolist() == [1]
    path.write_text("job;age\ncook;20\n")
    assert reader.table(path).target is None


def test_a_model_keeps_its_reader(tmp_path: Path, reader: TableReader) -> None:
    table = reader.table(tmp_path / "training.csv")
    network = nn.Linear(4, 2)
    model = Model(network, classes=reader.encoder.classes, reader=reader)
    model.compile(optim.SGD(network.parameters(), learning_rate=0.1))
    model.fit(*reader.encoder.dataset(table).arrays, epochs=1, verbose=False)
    model.save(tmp_path / "run")
    kept = Model.load(tmp_path / "run")

    def said(one: Model) -> NDArray[Any]:
        assert one.reader is not None
        return one.predict(one.reader.read([tmp_path / "training.csv"])[1], probabilities=True)

    np.testing.assert_array_equal(said(kept), said(model))
    assert isinstance(kept.reader, TableReader)
    assert kept.reader.encoder.classes == ("no", "yes")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age;jbo\n1;x\n", r"new\.csv:1: no column 'job'; did you mean 'jbo'"),
        ("Age;Job\n1;x\n", r"new\.csv:1: no column 'age'; did you mean 'Age'"),
        (
            "# 1\n1;2\n",
            r"csv:2: expected a header with the columns age, job, or 3 or 4 fields; fou",
        ),
        ("age;job\n1;x\nold;x\n", r"new\.csv:3: column 'age': 'old' is not a number"),
        ("", r"new\.csv: is empty"),
        ("age;job\n", r"new\.csv: holds the names of columns and no rows"),
    ],
)
def test_what_is_refused(tmp_path: Path, reader: TableReader, text: str, message: str) -> None:
    path = tmp_path / "new.csv"
    path.write_text(text)
    with pytest.raises((ArgumentError, DataError), match=message):
        reader.read([path])


def test_headers_are_needed_where_columns_are_not_known(
    tmp_path: Path, reader: TableReader
) -> None:
    path = tmp_path / "new.csv"
    path.write_text("30;baker\n")
    with pytest.raises(DataError, match="expected a header with the columns age, job; found 30"):
        TableReader(reader.encoder, delimiter=";").read([path])
    with pytest.raises(ArgumentError, match="no files to read"):
        reader.read([])


def test_damaged_states(reader: TableReader) -> None:
    state = reader.state()
    for change in (
        {"delimiter": "no"},
        {"delimiter": 3},
        {"missing": 3},
        {"missing": [3]},
        {"comment": 1},
        {"encoding": "utf-9"},
        {"encoding": 5},
        {"columns": "age"},
        {"encoder": {}},
        {"hat": 1},
    ):
        with pytest.raises(CheckpointError):
            TableReader.from_state({**state, **change})
    with pytest.raises(CheckpointError, match="state must hold"):
        TableReader.from_state({})
