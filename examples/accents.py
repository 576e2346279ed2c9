"""Many to many, aligned: every letter of a Spanish sentence gets its accent back.

The letters of a sentence are given without accents, "si, el esta aqui", and an LSTM that reads it
in both directions labels each of them: nothing, ´, ~ or ¨. Many words are written with and without
(el and él, esta and está, que and qué), so the rest of the sentence must tell. Beside it there is
a dictionary that gives every word the accents it most often had in the same sentences.

The sentences are the Spanish ones of `spa-eng.txt` (Tatoeba). None that is held out stands among
those learnt, not even with other accents, capitals or signs.

python examples/accents.py [DATA_FOLDER]     (else the folder that NEURONA_DATA names)
"""

from __future__ import annotations

import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import data, models, optim, text, train
from neurona.core.config import data_folder

MARKS = ("", "\u0301", "\u0303", "\u0308")
"""What a label puts on its letter: nothing, acute, tilde, diaeresis."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """length: longer sentences are left out. sentences, held_out: to learn from and to test on."""

    length: int = 48
    sentences: int = 60_000
    held_out: int = 4_000
    embedding_size: int = 32
    hidden_size: int = 128
    batch_size: int = 64
    epochs: int = 3
    learning_rate: float = 0.004
    seeds: tuple[int, ...] = (0, 1, 2)


def taken_apart(sentence: str) -> tuple[str, list[int]]:
    """The letters of a sentence without accents, and the label of each.

    >>> taken_apart("¿Qué añoras?")
    ('¿Que anoras?', [0, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0])
    """
    letters, labels = [], []
    for character in unicodedata.normalize("NFD", sentence):
        if character in MARKS[1:]:
            labels[-1] = MARKS.index(character)
        else:
            letters.append(character)
            labels.append(0)
    return "".join(letters), labels


def put_together(letters: str, labels: Sequence[int]) -> str:
    """The sentence with the accents that the labels say.

    >>> put_together("el esta aqui", [1] + [0] * 5 + [1] + [0] * 5)
    'él está aqui'
    """
    marked = "".join(letter + MARKS[label] for letter, label in zip(letters, labels, strict=True))
    return unicodedata.normalize("NFC", marked)


def sentences_of(folder: Path, config: Config) -> tuple[list[str], list[str]]:
    """Spanish sentences to learn from, and others that share no letters in the same order."""
    pairs = text.read_pairs(folder / "spa-eng.txt")
    distinct = dict.fromkeys(spanish for _, spanish in pairs if len(spanish) <= config.length)
    order = np.random.default_rng(0).permutation(len(distinct))
    listed = list(distinct)
    chosen = [listed[i] for i in order[: config.sentences + config.held_out]]
    groups = [" ".join(text.word_tokens(taken_apart(sentence)[0])) for sentence in chosen]
    share = config.held_out / len(chosen)
    known, unseen = data.split_indices(len(chosen), (1 - share, share), groups=groups)
    return [chosen[i] for i in known], [chosen[i] for i in unseen]


class Dictionary:
    """Every word with the accents that it most often has."""

    def __init__(self, sentences: Sequence[str]) -> None:
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            for word in text.word_tokens(sentence):
                counts[taken_apart(word)[0]][word] += 1
        self.forms = {plain: forms.most_common(1)[0][0] for plain, forms in counts.items()}
        # Words of which the rarer spellings make up at least a tenth.
        self.doubtful = {
            plain
            for plain, forms in counts.items()
            if forms.total() - forms.most_common(1)[0][1] >= 0.1 * forms.total()
        }

    def restored(self, plain: str) -> list[str]:
        """The words of a sentence without accents, with those it knows."""
        return [self.forms.get(word, word) for word in text.word_tokens(plain)]

    def unsure(self, word: str) -> bool:
        """Whether it does not know the word, or more than one way to write it."""
        return word in self.doubtful or word not in self.forms


def measured(
    sentences: Sequence[str], restored: Sequence[Sequence[str]], doubtful: set[str]
) -> tuple[float, float]:
    """The share of right words, of all and of the doubtful ones."""
    right: list[bool] = []
    among: list[bool] = []
    for sentence, words in zip(sentences, restored, strict=True):
        for word, guess in zip(text.word_tokens(sentence), words, strict=True):
            right.append(word == guess)
            if taken_apart(word)[0] in doubtful:
                among.append(word == guess)
    return float(np.mean(right)), float(np.mean(among)) if among else float("nan")


def learn(
    x: NDArray[np.int64], y: NDArray[np.int64], characters: int, seed: int, config: Config
) -> train.Model:
    """An LSTM trained on characters (sentence, time) and their labels."""
    ne.random.seed(seed)
    network = models.SequenceLabeller(
        characters,
        len(MARKS),
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
    )
    model = train.Model(network)
    model.compile(
        optim.Adam(network.parameters(), config.learning_rate),
        "token_cross_entropy",
        schedule=optim.schedules.OneCycle(epochs=config.epochs),
        clip_norm=1.0,
    )
    size = config.batch_size
    model.fit(x, y, epochs=config.epochs, batch_size=size, seed=seed, verbose=False)
    return model


def main(folder: str | Path | None = None, config: Config | None = None) -> dict[str, list[float]]:
    """Print the shares of right words; returns those of all words, by method."""
    config = config or Config()
    known, unseen = sentences_of(Path(folder) if folder else data_folder(), config)
    apart = [taken_apart(sentence) for sentence in known]
    plain = [taken_apart(sentence)[0] for sentence in unseen]
    found: dict[str, list[float]] = {}

    def report(method: str, restored: list[list[str]], note: str = "") -> None:
        of_all, of_doubtful = measured(unseen, restored, dictionary.doubtful)
        print(
            f"{method:10}  {of_all:.4f} of the words right, {of_doubtful:.4f} of the doubtful{note}"
        )
        found.setdefault(method, []).append(of_all)

    dictionary = Dictionary(known)
    usual = [dictionary.restored(letters) for letters in plain]
    report("dictionary", usual)

    characters = text.Vocabulary.of_most_frequent(
        (character for letters, _ in apart for character in letters), minimum_count=10
    )
    x, _ = text.padded([characters.encode(list(s)) for s, _ in apart], config.length, -1, end=False)
    y, _ = text.padded([np.array(labels) for _, labels in apart], config.length, -100, end=False)
    test, _ = text.padded([characters.encode(list(s)) for s in plain], config.length, -1, end=False)
    for seed in config.seeds:
        start = time.perf_counter()
        labels = learn(x, y, len(characters), seed, config).predict(test).argmax(axis=2)
        seconds = time.perf_counter() - start
        restored = [put_together(s, row[: len(s)]) for s, row in zip(plain, labels, strict=True)]
        words = [text.word_tokens(sentence) for sentence in restored]
        report("LSTM", words, f", seed {seed}, in {seconds:.0f} s")
        both = [
            [mine if dictionary.unsure(word) else theirs for mine, word, theirs in of_sentence]
            for of_sentence in map(zip, words, map(text.word_tokens, plain), usual)
        ]
        report("both", both)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
