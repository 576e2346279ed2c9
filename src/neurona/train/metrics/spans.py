"""Entities that stand in tags, and how many of them were found: precision, recall and F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neurona.core.errors import ArgumentError, ShapeError


class Span(NamedTuple):
    """An entity: its label and its words, from `start` on and up to, without, `end`."""

    label: str
    start: int
    end: int


class SpanScores(NamedTuple):
    """precision = right/predicted, recall = right/actual, f1 = 2·right/(predicted + actual)."""

    precision: float
    recall: float
    f1: float


def entity_spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence's tags: B-PER begins one, I-PER goes on with it, O is outside.

    An I- tag behind another label, or behind none, begins an entity too. So both spellings are
    read, that of CoNLL-2002 (each entity begins with B-) and that of CoNLL-2003 (with I-, unless it
    follows one of the same label), and any tags that a network gives. Raises `ArgumentError` for a
    tag that is none of O, B-label and I-label, with its position.

    >>> entity_spans(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"])[1:]
    [Span(label='LOC', start=3, end=4), Span(label='LOC', start=4, end=5)]
    """
    spans: list[Span] = []
    label, start = "", 0
    for place, tag in enumerate((*tags, "O")):
        prefix, _, kind = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not kind):
            raise ArgumentError(
                f"entity_spans: tag {place} is {tag!r}; tags are O, B-label and I-label"
            )
        if prefix == "I" and kind == label:
            continue
        if label:
            spans.append(Span(label, start, place))
        label, start = kind, place
    return spans


def span_scores(
    predicted: Sequence[Sequence[str]], actual: Sequence[Sequence[str]], label: str | None = None
) -> SpanScores:
    """Precision, recall and F1 of entities: right is one with the same label, first and last word.

    As the shared tasks of CoNLL-2000 to CoNLL-2003 measure it (conlleval), over all sentences
    together; 0/0 is 0.

    - predicted, actual: the tags of each sentence; see `entity_spans`.
    - `label`: only entities of this label count; None: all.

    Raises `ShapeError` for sentences that do not have as many tags on both sides, and as
    `entity_spans`.

    >>> actual = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    >>> found = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    >>> span_scores(found, actual)
    SpanScores(precision=0.5, recall=0.5, f1=0.5)
    >>> span_scores(found, actual, "PER").f1
    1.0
    """
    if len(predicted) != len(actual):
        raise ShapeError(
            f"span_scores: predicted has {len(predicted)} sentences, actual has {len(actual)}"
        )
    right = found = there = 0
    for number, (ours, theirs) in enumerate(zip(predicted, actual, strict=True)):
        if len(ours) != len(theirs):
            raise ShapeError(
                f"span_scores: sentence {number} has {len(ours)} tags in predicted and "
                f"{len(theirs)} in actual"
            )
        both = [
            {span for span in entity_spans(tags) if label in (None, span.label)}
            for tags in (ours, theirs)
        ]
        right += len(both[0] & both[1])
        found += len(both[0])
        there += len(both[1])
    return SpanScores(
        right / found if found else 0.0,
        right / there if there else 0.0,
        2 * right / (found + there) if found + there else 0.0,
    )
