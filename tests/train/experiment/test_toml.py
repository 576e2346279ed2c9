"""Places and text of TOML, against the standard library's reader."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError
from neurona.train.experiment.changes import change
from neurona.train.experiment.places import parse_place
from neurona.train.experiment.toml import lines_of, to_toml

TEXT = '''\
# a comment = 1 [with] { brackets
seed = 3  # = [x]

[data]
name = "di # gits"
"quoted key" = 'a \\'
columns = [
    "a", "b",  # c
    """three
lines, "quoted\\"""",
    ["x", { y = 1, z = [2,
        3] }],
]
a.b.c = 1e3
when = 2026-11-21 10:00:00

[network.weights]  # here
std = 0.1

[[layers]]
p = 1
[[layers]]
p = 2
[layers.inside]
q = true
'''


def test_lines() -> None:
    tomllib.loads(TEXT)
    lines = lines_of(TEXT)
    assert lines["seed",] == 2
    assert lines["data",] == 4
    assert lines["data", "name"] == 5
    assert lines["data", "quoted key"] == 6
    assert [lines["data", "columns", i] for i in range(4)] == [8, 8, 9, 11]
    assert lines["data", "columns", 3, 1, "y"] == 11
    assert lines["data", "columns", 3, 1, "z", 1] == 12
    assert lines["data", "a"] == lines["data", "a", "b", "c"] == 14
    assert lines["data", "when"] == 15
    assert lines["network", "weights", "std"] == 18
    assert lines["layers", 0, "p"] == 21
    assert lines["layers", 1, "p"] == 23
    assert lines["layers", 1, "inside", "q"] == 25


values = st.recursive(
    st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), values))
def test_what_is_written_is_read_again(tables: dict[str, object]) -> None:
    text = to_toml(tables)
    assert tomllib.loads(text) == tables
    if all(name.isascii() and name.isalnum() for name in tables):
        assert all((name,) in lines_of(text) for name in tables)


def test_changes() -> None:
    raw = {"training": {"optimizer": {"name": "Adam"}}, "network": {"layers": [{"p": 1}]}}
    changes = [
        "training.optimizer.learning_rate = 1e-2",
        "training.schedule={ name = 'Step', every = 2 }",
        "network.layers[0].p=0.5",
        "data.name=digits",
        "data.images=~/some/pictures.v2",
        "seed=4",
    ]
    changed, places = change(raw, changes)
    assert changed == {
        "training": {
            "optimizer": {"name": "Adam", "learning_rate": 0.01},
            "schedule": {"name": "Step", "every": 2},
        },
        "network": {"layers": [{"p": 0.5}]},
        "data": {"name": "digits", "images": "~/some/pictures.v2"},
        "seed": 4,
    }
    assert raw["network"] == {"layers": [{"p": 1}]}
    assert list(places.values()) == changes


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("epochs", "write the place and the value, as in --set training.epochs=3"),
        ("=3", "write the place and the value"),
        ("a..b=3", "write the place and the value"),
        ("seed=[1,", "'[1,' is no TOML value"),
        ("seed=two words", "'two words' is no TOML value"),
        ("seed.x=1", "seed is no table, so 'x' cannot be set in it"),
        ("layers[2]=1", "layers has 1 elements, so there is none with number 2"),
        ("seed[0]=1", "seed is no list"),
    ],
)
def test_changes_that_are_none(written: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        change({"seed": 1, "layers": [{}]}, [written])
    assert str(caught.value).startswith(f"--set {written}: ")
    assert message in str(caught.value)


def test_places() -> None:
    assert parse_place("a.b[0][12].c-d") == ("a", "b", 0, 12, "c-d")
    for text in ("", "a.", "a[x]", "[0]", "a b"):
        with pytest.raises(ArgumentError):
            parse_place(text)
