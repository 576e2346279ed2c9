"""Checks of values in compiled functions: they say what eager ones say, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, NeuronaError

F = nn.functional
rng = np.random.default_rng(0)


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 3))

    def forward(self, x: Any) -> Any:
        return self.words(x)


LOGITS = ne.asarray(rng.normal(size=(200, 5, 4)).astype(np.float32))
TAGGER, CRITERION = Tagger(), nn.CrossEntropyLoss(ignore_index=-1)

LABELLED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "embedding": (lambda i: F.embedding(i, np.ones((4, 3), np.float32)), "embedding: x"),
    "a layer in a layer": (TAGGER, "Embedding 'words.0': x"),
    "cross_entropy": (
        lambda i: F.cross_entropy(LOGITS[: len(i), 0], i), "cross_entropy: target"
    ),
    "cross_entropy of a loss": (
        lambda i: CRITERION(LOGITS[: len(i), 0], i), "CrossEntropyLoss: target"
    ),
    "nll_loss": (lambda i: F.nll_loss(LOGITS[: len(i), 0], i), "nll_loss: target"),
    "as many classes as samples": (
        lambda i: F.cross_entropy(ne.ones((len(i), len(i))) * i, ne.where(i > 3, i * 300, 0)),
        "cross_entropy: target",
    ),
    "one_hot": (lambda i: ne.one_hot(i, 4), "one_hot: indices"),
    "one_hot of depth n": (
        lambda i: ne.one_hot(ne.where(i > 3, i * 300, 0), len(i)), "one_hot: indices"
    ),
    "computed": (lambda i: F.embedding(i * 2 - i, LOGITS[0]), "embedding: x"),
    "in a branch": (
        lambda i: ne.cond(ne.max(i) > 3, lambda: ne.one_hot(i, 4), lambda: ne.one_hot(i * 0, 4)),
        "one_hot: indices",
    ),
    "in a loop": (
        lambda i: ne.fori_loop(0, 3, lambda k, s: s + ne.sum(ne.one_hot(i + k, 6)), 0.0),
        "one_hot: indices",
    ),
    "computed again": (
        lambda i: ne.checkpoint(lambda z: ne.one_hot(z, 4))(i), "one_hot: indices"
    ),
}  # fmt: skip
"""Functions of n indices in 0…3, and who complains of one that is 9."""


def message(function: Callable[[Any], Any], indices: Any) -> str:
    with pytest.raises(NeuronaError) as caught:
        function(indices)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("name", LABELLED)
def test_an_index_is_named_as_in_eager_mode_at_every_size(name: str) -> None:
    function, subject = LABELLED[name]
    counter = ne.Variable(0.0)

    @ne.compile
    def step(i: Any) -> Any:
        counter.assign(counter + 1)
        return function(i)

    for n in (6, 9, 4, 30, 1):
        indices = rng.integers(0, 4, n)
        step(indices)
        before = counter.item(), counter.version
        indices[n - 1] = 9
        found = message(step, indices)
        assert found == message(function, ne.asarray(indices))
        assert found.startswith(f"IndexOutOfRangeError: {subject}[{n - 1}] is ")
        assert (counter.item(), counter.version) == before


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint64])
def test_indices_of_every_dtype(dtype: Any) -> None:
    """Neither the number of classes nor the ignored one need fit it."""
    logits = np.zeros((3, 300), np.float32)
    table = np.ones((300, 2), np.float32)
    for wrap in (lambda f: f, ne.compile):
        labels = np.array([0, 1, 100], dtype)
        loss = wrap(lambda i: F.cross_entropy(logits, i))(labels)
        np.testing.assert_allclose(loss.numpy(), np.log(300), rtol=1e-6)
        assert wrap(lambda i: F.embedding(i, table))(labels).shape == (3, 2)
        with pytest.raises(IndexOutOfRangeError, match=r"x\[2\] is 100; the rows are 0…99"):
            wrap(lambda i: F.embedding(i, table[:100]))(labels)


def test_other_values_are_named_too() -> None:
    checks: list[tuple[Callable[[Any], Any], list[float], str]] = [
        (lambda p: F.binary_cross_entropy(p, [0, 1]), [0.5, 1.5], "input[1] is 1.5; it must lie"),
        (lambda t: F.hinge_loss([0.5, 1.5], t), [1.0, 0.0], "target[1] is 0.0; it must be −1 or 1"),
    ]
    for function, values, text in checks:
        array = np.array(values, np.float32)
        found = message(ne.compile(function), array)
        assert text in found
        assert found.startswith(ArgumentError.__name__)
        assert found == message(function, ne.asarray(array))


def test_the_first_of_several_mistakes_is_named() -> None:
    """What was looked up out of range is no index for the next look-up."""

    def twice(i: Any, table: Any) -> Any:
        return F.embedding(ne.take(table, i, axis=0), LOGITS[0])

    with pytest.raises(IndexOutOfRangeError, match=r"take at .* index 8 at position \(1,\)"):
        ne.compile(twice)(np.array([0, 8]), np.array([1, 2, 3]))


def test_a_branch_not_taken_does_not_complain() -> None:
    @ne.compile
    def pick(i: Any, wanted: Any) -> Any:
        return ne.cond(wanted, lambda: ne.one_hot(i, 4), lambda: ne.one_hot(ne.asarray(2), 4) + i)

    assert pick(np.array(7), np.array(False)).tolist() == [7, 7, 8, 7]
    with pytest.raises(IndexOutOfRangeError, match="one_hot: indices is 7; the places are 0…3"):
        pick(np.array(7), np.array(True))
