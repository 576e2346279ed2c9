"""Many to one: is a sentence of a film review praise? Is a sentence a question?

- sentiment: 10,662 sentences of film reviews, rt-polarity of Pang and Lee (2005).
- intent: English sentences of `spa-eng.txt` (Tatoeba) without capitals and signs, half of them
  questions: "is he at home", "he is at home".

The sentences are cut into ten parts, each with as many of either class. Five of them are held out
in turn, and the networks learn from the other nine. Beside an LSTM in both directions there is what
forgets the order of the words: a logistic discriminant of bags of words.

python examples/sentiment.py [sentiment | intent]     (data: the folder that NEURONA_DATA names)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import data, models, nn, optim, text, train
from neurona.core.config import data_folder


@dataclass(frozen=True, kw_only=True)
class Config:
    """length: words after so many are cut off. held_out: which tenths are held out in turn.

    task: "sentiment" or "intent". folder: with the data; None for the one that NEURONA_DATA names.
    sentences: how many of each class to take. minimum_count: rarer words are unknown.
    learning, bag: epochs and learning rate of the LSTM and of the bag of words.
    """

    task: str = "sentiment"
    folder: Path | None = None
    length: int = 40
    held_out: tuple[int, ...] = (0, 1, 2, 3, 4)
    sentences: int = 5331
    minimum_count: int = 2
    cell: str = "LSTM"
    pooling: str = "max"
    embedding_size: int = 100
    hidden_size: int = 64
    dropout: float = 0.5
    batch_size: int = 50
    learning: tuple[int, float] = (5, 0.001)
    bag: tuple[int, float] = (8, 0.003)


@train.register
class BagOfWords(nn.Module):
    """scores_c = b_c + Σ_w W_wc over the words of a sentence: the order does not matter."""

    def __init__(self, vocabulary_size: int, classes: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.classes = classes
        self.weight = nn.Embedding(vocabulary_size + 1, classes)  # the last row is of padding
        self.bias = ne.Variable(np.zeros(classes, np.float32))
        nn.init.zeros(self.weight.weight)

    def forward(self, tokens: Any) -> ne.Tensor:
        there = tokens != -1
        rows = self.weight(ne.where(there, tokens, self.vocabulary_size))  # (batch, time, classes)
        return ne.sum(ne.where(ne.expand_dims(there, axis=2), rows, 0), axis=1) + self.bias


def intents(folder: Path) -> tuple[list[str], NDArray[np.int64]]:
    """English sentences in small letters, without their signs, and whether they ask: 0 or 1."""
    label_of: dict[str, int | None] = {}
    for english, _ in text.read_pairs(folder / "spa-eng.txt"):
        words, label = " ".join(text.word_tokens(english)), ".?".find(english[-1])
        if words and label >= 0:
            # What is written in both ways says nothing.
            label_of[words] = label if label_of.get(words, label) == label else None
    found = {words: label for words, label in label_of.items() if label is not None}
    return list(found), np.array(list(found.values()), np.int64)


def sentences_of(config: Config) -> tuple[list[str], NDArray[np.int64], tuple[str, ...]]:
    """Sentences, their classes (sentence,), and the names of the classes."""
    if config.task == "sentiment":
        sentences, labels = data.rt_polarity(config.folder)
        names = data.RT_POLARITY_CLASSES
    else:
        sentences, labels = intents(config.folder or data_folder())
        names = ("says", "asks")
    order = np.random.default_rng(0).permutation(len(labels))
    few = np.concatenate([order[labels[order] == c][: config.sentences] for c in (0, 1)])
    return [sentences[i] for i in few], labels[few], names


def encoded(
    sentences: Sequence[str], vocabulary: text.Vocabulary, length: int
) -> NDArray[np.int64]:
    """The words' numbers (sentence, word), −1 behind the end."""
    ids = [vocabulary.encode(sentence.split()[:length]) for sentence in sentences]
    return text.padded(ids, length, -1, end=False)[0]


def learn(model: train.Model, x: Any, y: Any, learning: tuple[int, float], config: Config) -> None:
    """Train for so many epochs at such a rate."""
    epochs, learning_rate = learning
    network = model.network
    model.compile(optim.Adam(network.parameters(), learning_rate), metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=config.batch_size, verbose=False)


def networks(words: int, config: Config) -> dict[str, tuple[nn.Module, tuple[int, float]]]:
    """What is compared, and how each learns."""
    lstm = models.SequenceClassifier(
        words,
        2,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        cell=config.cell,
        pooling=config.pooling,
        dropout=config.dropout,
    )
    return {
        config.cell: (lstm, config.learning),
        "bag of words": (BagOfWords(words, 2), config.bag),
    }


def main(config: Config | None = None) -> dict[str, list[float]]:
    """Print the accuracy of both networks on each held-out tenth; returns them."""
    config = config or Config()
    sentences, labels, names = sentences_of(config)
    parts = data.split_indices(len(labels), (0.1,) * 10, stratify=labels)
    found: dict[str, list[float]] = {}
    for k in config.held_out:
        rest = np.concatenate([part for j, part in enumerate(parts) if j != k])
        known = (word for i in rest for word in sentences[i].split())
        vocabulary = text.Vocabulary.of_most_frequent(known, minimum_count=config.minimum_count)
        x = encoded(sentences, vocabulary, config.length)
        ne.random.seed(k)
        for name, (network, learning) in networks(len(vocabulary), config).items():
            start = time.perf_counter()
            model = train.Model(network, classes=names)
            learn(model, x[rest], labels[rest], learning, config)
            seconds = time.perf_counter() - start
            accuracy = model.evaluate(x[parts[k]], labels[parts[k]])["accuracy"]
            print(f"tenth {k}  {name:12}  {accuracy:.4f}  in {seconds:.0f} s", flush=True)
            found.setdefault(name, []).append(accuracy)
    for name, each in found.items():
        print(f"{name:12}  {np.mean(each):.4f} ± {np.std(each):.4f}, at least {min(each):.4f}")
    return found


TASKS = {
    "sentiment": Config(),
    "intent": Config(task="intent", sentences=4000, length=12, learning=(3, 0.003), bag=(8, 0.01)),
}

if __name__ == "__main__":
    main(TASKS[(sys.argv[1:] or ["sentiment"])[0]])
