"""Entities in tags, and the F1 of whole ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona import train
from neurona.core.errors import ArgumentError, ShapeError


def spans(tags: str) -> list[tuple[str, int, int]]:
    return [tuple(span) for span in train.entity_spans(tags.split())]


def test_entities_of_both_spellings() -> None:
    assert spans("B-PER I-PER O B-LOC B-LOC") == [("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 5)]
    assert spans("I-PER I-PER O I-LOC B-LOC") == [("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 5)]


def test_entities_of_tags_that_do_not_fit() -> None:
    """As conlleval reads them: another label begins another entity."""
    assert spans("B-PER I-LOC I-LOC") == [("PER", 0, 1), ("LOC", 1, 3)]
    assert spans("O I-LOC I-PER") == [("LOC", 1, 2), ("PER", 2, 3)]
    assert spans("B-A-B I-A-B O") == [("A-B", 0, 2)]
    assert spans("") == spans("O O") == []
    for tag in ("NOUN", "B", "B-", "E-PER", ""):
        with pytest.raises(ArgumentError, match=f"tag 1 is '{tag}'; tags are O, B-label"):
            train.entity_spans(["O", tag])


@given(st.lists(st.tuples(st.sampled_from(["", "PER", "LOC"]), st.integers(1, 3)), max_size=8))
def test_what_is_written_is_read(parts: list[tuple[str, int]]) -> None:
    tags: list[str] = []
    wanted = []
    for label, length in parts:
        if label:
            wanted.append((label, len(tags), len(tags) + length))
        tags += [f"B-{label}"] + [f"I-{label}"] * (length - 1) if label else ["O"] * length
    assert spans(" ".join(tags)) == wanted


def test_scores_by_hand() -> None:
    """Three entities, four found: one whole, one cut short, one of another label, one not there."""
    actual = [["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O", "B-ORG", "O"]]
    found = [["B-PER", "I-PER", "O", "B-LOC", "O", "O", "B-PER", "B-LOC"]]
    assert train.span_scores(found, actual) == pytest.approx((1 / 4, 1 / 3, 2 / 7))
    assert train.span_scores(found, actual, "PER") == pytest.approx((1 / 2, 1, 2 / 3))
    assert train.span_scores(found, actual, "ORG") == (0, 0, 0)
    assert train.span_scores(actual, actual) == (1, 1, 1)
    assert train.span_scores([], []) == (0, 0, 0)


def test_scores_do_not_cross_sentences() -> None:
    actual = [["O", "B-PER"], ["I-PER", "O"]]
    assert train.span_scores(actual, actual) == (1, 1, 1)
    assert train.span_scores([["O", "B-PER"], ["O", "O"]], actual) == pytest.approx((1, 0.5, 2 / 3))


def test_sentences_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match="predicted has 1 sentences, actual has 2"):
        train.span_scores([["O"]], [["O"], ["O"]])
    with pytest.raises(ShapeError, match="sentence 1 has 1 tags in predicted and 2 in actual"):
        train.span_scores([["O"], ["O"]], [["O"], ["O", "O"]])
