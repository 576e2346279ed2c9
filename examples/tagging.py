"""A tag for every word: its part of speech, or the entity to which it belongs.

An LSTM that reads the sentence in both directions labels its words. A word is the sum of several
vectors: its own, those of its last one, two and three letters, and that of its shape (Xx for
Madrid, 0 for 2024); so words never seen before still have an ending and a shape. Beside it there
is a dictionary that gives every word the tag it most often had, and unknown words the one that
words seen once most often had.

Files named *.conllu are read as CoNLL-U, and the tags are parts of speech (UPOS). All others are
columns, the first of which is the word and the last the entity in B- and I- tags, as those of
CoNLL-2002 and CoNLL-2003; for these precision, recall and F1 of whole entities are printed.

python examples/tagging.py FILE_TRAIN FILE_TEST
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import models, nn, optim, text, train
from neurona.core.errors import ArgumentError, DataError

Tags = list[tuple[str, ...]]
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Config:
    """length: sentences with more words are read in pieces of so many.

    minimum_count: rarer words, endings and shapes are unknown, all one.
    """

    length: int = 50
    minimum_count: int = 2
    embedding_size: int = 100
    hidden_size: int = 128
    dropout: float = 0.3
    batch_size: int = 32
    epochs: int = 8
    learning_rate: float = 0.004
    seed: int = 0


def parts_of(word: str) -> list[str]:
    """The word, its last letters, its shape.

    >>> parts_of("Madrid"), parts_of("2.024")[4]
    (['=madrid', '-d', '-id', '-rid', 'Xx'], '0.0')
    """
    small = word.lower()
    letters = "".join("X" if c.isupper() else "x" if c.isalpha() else c for c in word)
    shape = re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "0", letters))
    return ["=" + small, *("-" + small[-n:] for n in (1, 2, 3)), shape]


def read(path: Path) -> list[text.TaggedSentence]:
    """Words with their parts of speech, or with the tags of entities, by the file's name."""
    if path.name.endswith((".conllu", ".conllu.gz")):
        return text.read_conllu(path)
    sentences = text.read_conll(path)
    for number, sentence in enumerate(sentences, 1):
        try:
            train.entity_spans(sentence.tags)
        except ArgumentError as error:
            raise DataError(f"{path}: sentence {number}: {error}") from None
    return sentences


class Dictionary:
    """Every word's most frequent tag; for unknown words that of the words seen once."""

    def __init__(self, sentences: Sequence[text.TaggedSentence]) -> None:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for words, tags in sentences:
            for word, tag in zip(words, tags, strict=True):
                counts[word][tag] += 1
        once = Counter(next(iter(tags)) for tags in counts.values() if tags.total() == 1)
        every = once or sum(counts.values(), Counter())
        self.other = every.most_common(1)[0][0]
        self.tags = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}

    def tagged(self, words: Sequence[str]) -> tuple[str, ...]:
        """A tag for each word."""
        return tuple(self.tags.get(word, self.other) for word in words)


class Tagger:
    """The network with the numbers of its words and tags."""

    def __init__(self, sentences: Sequence[text.TaggedSentence], config: Config) -> None:
        self.config = config
        parts = (part for words, _ in sentences for word in words for part in parts_of(word))
        self.parts = text.Vocabulary.of_most_frequent(parts, minimum_count=config.minimum_count)
        self.tags = text.Vocabulary.of_most_frequent(
            chain.from_iterable(tags for _, tags in sentences), unknown=None
        )
        ne.random.seed(config.seed)
        network = models.SequenceLabeller(
            len(self.parts),
            len(self.tags),
            embedding_size=config.embedding_size,
            hidden_size=config.hidden_size,
            dropout=config.dropout,
        )
        # Parts seen twice or thrice stay near where they began, so that must be near 0.
        nn.init.normal(network.embedding.weight, std=0.1)
        self.model = train.Model(network)

    def pieces(self, words: Sequence[str]) -> list[NDArray[np.int64]]:
        """A sentence's numbers (word, part), at most `length` words each."""
        ids = np.array([self.parts.encode(parts_of(word)) for word in words])
        size = self.config.length
        return [ids[start : start + size] for start in range(0, len(ids), size)]

    def learn(self, sentences: Sequence[text.TaggedSentence]) -> None:
        """Train on tagged sentences."""
        config, size = self.config, self.config.length
        x = [piece for words, _ in sentences for piece in self.pieces(words)]
        ids = [self.tags.encode(tags) for _, tags in sentences]
        y = [one[start : start + size] for one in ids for start in range(0, len(one), size)]
        self.model.compile(
            optim.Adam(self.model.network.parameters(), config.learning_rate),
            "token_cross_entropy",
            schedule=optim.schedules.OneCycle(epochs=config.epochs),
            clip_norm=1.0,
        )
        self.model.fit(
            text.padded(x, size, -1, end=False)[0],
            text.padded(y, size, IGNORED, end=False)[0],
            epochs=config.epochs,
            batch_size=config.batch_size,
            seed=config.seed,
            verbose=False,
        )

    def tagged(self, sentences: Sequence[Sequence[str]]) -> Tags:
        """A tag for each word of each sentence."""
        pieces = [self.pieces(words) for words in sentences]
        x, lengths = text.padded(list(chain(*pieces)), self.config.length, -1, end=False)
        best = self.model.predict(x).argmax(axis=2)
        of_piece = iter([row[:n] for row, n in zip(best, lengths, strict=True)])
        return [
            tuple(self.tags.decode(np.concatenate([next(of_piece) for _ in parts])))
            for parts in pieces
        ]


def report(
    method: str, found: Tags, sentences: Sequence[text.TaggedSentence], known: Collection[str]
) -> float:
    """Print how many tags are right, and whole entities; returns the accuracy, or the F1."""
    words, actual = zip(*sentences, strict=True)
    right = np.array([a == b for a, b in zip(chain(*found), chain(*actual), strict=True)])
    unseen = np.array([word not in known for word in chain(*words)])
    of_unseen = f", {right[unseen].mean():.4f} of those never seen" if unseen.any() else ""
    print(f"{method:10}  {right.mean():.4f} of the words right{of_unseen}")
    if "O" not in chain(*actual):
        return float(right.mean())
    labels = sorted({span.label for tags in actual for span in train.entity_spans(tags)})
    for label in (*labels, None):
        precision, recall, f1 = train.span_scores(found, actual, label)
        name = label or "all"
        print(f"  {name:8}  precision {precision:.4f}  recall {recall:.4f}  F1 {f1:.4f}")
    return f1


def main(training: str | Path, test: str | Path, config: Config | None = None) -> dict[str, float]:
    """Print what is right on the test file; returns the accuracies, or the F1 of entities."""
    config = config or Config()
    sentences, unseen = read(Path(training)), read(Path(test))
    dictionary = Dictionary(sentences)
    start = time.perf_counter()
    tagger = Tagger(sentences, config)
    tagger.learn(sentences)
    print(f"{len(sentences)} sentences learnt in {time.perf_counter() - start:.0f} s")
    found = {
        "dictionary": [dictionary.tagged(words) for words, _ in unseen],
        "LSTM": tagger.tagged([words for words, _ in unseen]),
    }
    return {method: report(method, tags, unseen, dictionary.tags) for method, tags in found.items()}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("python examples/tagging.py FILE_TRAIN FILE_TEST")
    main(*sys.argv[1:])
