"""Nested containers taken apart and put together again."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest

from neurona.core.errors import ArgumentError
from neurona.core.tree import LEAF, Structure, flatten, paths, tree_map, unflatten

Pair = namedtuple("Pair", "left right")

TREES: list[Any] = [
    1,
    None,
    (),
    [],
    {},
    (1,),
    [1, (2, [3])],
    {"b": 1, "a": {"c": 2}},
    Pair(1, [2, Pair(3, ())]),
    {1: "x", "one": "y"},
]


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_there_and_back(tree: Any) -> None:
    leaves, structure = flatten(tree)
    again = unflatten(structure, leaves)
    assert again == tree
    assert type(again) is type(tree)
    assert flatten(again) == (leaves, structure)
    assert hash(flatten(again)[1]) == hash(structure)
    assert len(paths(structure)) == len(leaves)


def test_structures_tell_trees_apart() -> None:
    structures = {flatten(tree)[1] for tree in TREES}
    assert len(structures) == len(TREES) - 1  # None is a leaf as 1 is


def test_order_of_keys_does_not_matter() -> None:
    assert flatten({"a": 1, "b": 2}) == flatten({"b": 2, "a": 1})


def test_other_objects_are_leaves() -> None:
    class Mine(dict[str, int]):
        pass

    mine = Mine(a=1)
    assert flatten(mine) == ([mine], LEAF)
    assert flatten({1, 2}) == ([{1, 2}], LEAF)


def test_paths_lead_to_the_leaves() -> None:
    tree = {"w": [0, (1, 2)], "b": 3}
    leaves, structure = flatten(tree)
    assert [eval(f"tree{path}", {"tree": tree}) for path in paths(structure)] == leaves


def test_tree_map() -> None:
    assert tree_map(lambda x: x * 2, {"a": (1, [2])}) == {"a": (2, [4])}


def test_wrong_numbers_of_leaves() -> None:
    structure = flatten((1, [2]))[1]
    with pytest.raises(ArgumentError, match="too few"):
        unflatten(structure, [1])
    with pytest.raises(ArgumentError, match="too many"):
        unflatten(structure, [1, 2, 3])


def test_repr() -> None:
    assert repr(flatten(((0,), [0, {"a": 0}], Pair(0, 0)))[1]) == (
        "((*,), [*, {'a': *}], Pair(*, *))"
    )
    assert repr(Structure()) == "*"
