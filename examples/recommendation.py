"""What somebody wants next: the items of a session are the words of a language model.

Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based recommendations with recurrent neural
networks" (2016): a GRU reads the items that somebody chose, and says after each what comes next.
The paper learns with rankings of few items; here it is cross-entropy over all of them. Beside it
there are the most popular items, and those that most often came right after the last one.

The file has a user, an item, a rating and a time in each line, between tabs, commas or "::", as
those of MovieLens (u.data, ratings.csv, ratings.dat). A session is what a user rated in the order
of time, whatever the rating, in pieces of at most `length` items. Sessions that end last are held
out, and of those every item but the first is foretold. Nobody is offered what the session has.

python examples/recommendation.py RATINGS
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import models, optim, text, train
from neurona.core.errors import DataError
from neurona.data.files import read_text

Ids = NDArray[np.int64]
Scores = Callable[[Sequence[Ids]], Sequence[NDArray[Any]]]
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Config:
    """items: so many of the most frequent are known, if rated at least `minimum_count` times.

    test: the share of sessions held out. top: how many items are offered.
    """

    length: int = 50
    items: int = 5000
    minimum_count: int = 5
    test: float = 0.1
    top: int = 20
    features: int = 100
    dropout: float = 0.2
    batch_size: int = 32
    epochs: int = 10
    learning_rate: float = 0.005
    seed: int = 0


def read_ratings(path: Path) -> list[tuple[str, str, float]]:
    """User, item and time of each line; a first line of names is left out."""
    lines = read_text(path).splitlines()
    found: list[tuple[str, str, float]] = []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in re.split("\t|::|,", line)]
        if not line.strip() or (number == 1 and cells[-1].lower() == "timestamp"):
            continue
        try:
            user, item, rating, moment = cells
            float(rating)
            found.append((user, item, float(moment)))
        except ValueError:
            raise DataError(
                f"{path}: line {number} must be a user, an item, a rating and a time between tabs, "
                f'commas or "::", found {line!r}'
            ) from None
    return found


def sessions_of(ratings: Sequence[tuple[str, str, float]], length: int) -> list[list[str]]:
    """The items of each session, at least two; those that end first come first."""
    of_user: dict[str, list[tuple[float, str]]] = {}
    for user, item, moment in ratings:
        of_user.setdefault(user, []).append((moment, item))
    pieces = []
    for rated in of_user.values():
        rated.sort(key=lambda pair: pair[0])  # of equal times, as in the file
        pieces += [rated[start : start + length] for start in range(0, len(rated), length)]
    pieces.sort(key=lambda piece: piece[-1][0])
    return [[item for _, item in piece] for piece in pieces if len(piece) > 1]


def known_items(sessions: Sequence[Sequence[str]], vocabulary: text.Vocabulary) -> list[Ids]:
    """The numbers of the known items of each session that has at least two."""
    kept = [[item for item in session if item in vocabulary] for session in sessions]
    return [vocabulary.encode(session) for session in kept if len(session) > 1]


# --- what is offered: scores (step, item) after each item of a session but the last ---


def most_popular(sessions: Sequence[Ids], items: int) -> Scores:
    """How often an item was rated, whatever came before."""
    counts = np.bincount(np.concatenate(sessions), minlength=items)
    return lambda some: [np.tile(counts, (len(session) - 1, 1)) for session in some]


def item_to_item(sessions: Sequence[Ids], items: int) -> Scores:
    """How often an item came right after the last one; of equals, the more popular."""
    counts = np.zeros((items, items), np.float32)
    for session in sessions:
        np.add.at(counts, (session[:-1], session[1:]), 1)
    popular = np.bincount(np.concatenate(sessions), minlength=items)
    share = (popular / (popular.sum() + 1)).astype(np.float32)
    return lambda some: [counts[session[:-1]] + share for session in some]


def recurrent(sessions: Sequence[Ids], items: int, config: Config) -> Scores:
    """A GRU that learnt to say what comes next."""
    ne.random.seed(config.seed)
    network = models.RecurrentLanguageModel(
        vocabulary_size=items, cell="GRU", features=config.features, dropout=config.dropout
    )
    model = train.Model(network)
    model.compile(
        optim.Adam(network.parameters(), config.learning_rate),
        "token_cross_entropy",
        schedule=optim.schedules.OneCycle(epochs=config.epochs),
        clip_norm=1.0,
    )

    def before(some: Sequence[Ids]) -> Ids:
        """All items but the last; what is behind the end is read after all that counts."""
        return text.padded([session[:-1] for session in some], config.length - 1, 0, end=False)[0]

    after = [session[1:] for session in sessions]
    targets, _ = text.padded(after, config.length - 1, IGNORED, end=False)
    size = config.batch_size
    model.fit(
        before(sessions), targets, epochs=config.epochs, batch_size=size, seed=config.seed,
        verbose=False,
    )  # fmt: skip
    return lambda some: [
        scores[: len(session) - 1]
        for session, scores in zip(some, model.predict(before(some)), strict=True)
    ]


# --- how good it is ---


def ranks(scores: NDArray[Any], session: Ids) -> Ids:
    """The place of each item that came, from 1, among all that the session has not had.

    scores: (step, item), after each item but the last. Equal scores count against it.
    """
    left = np.array(scores, np.float64)
    steps, had = np.tril_indices(len(session) - 1)
    left[steps, session[had]] = -np.inf
    wanted = left[np.arange(len(left)), session[1:]]
    return np.asarray((left >= wanted[:, None]).sum(axis=1), np.int64)


def measured(scores_of: Scores, sessions: Sequence[Ids], config: Config) -> tuple[float, float]:
    """recall@top: how often what came was offered; MRR@top: the mean of 1/place, 0 if not."""
    places = []
    for start in range(0, len(sessions), config.batch_size):
        some = sessions[start : start + config.batch_size]
        places += [ranks(*pair) for pair in zip(scores_of(some), some, strict=True)]
    place = np.concatenate(places)
    offered = place <= config.top
    return float(offered.mean()), float(np.where(offered, 1 / place, 0).mean())


def main(path: str | Path, config: Config | None = None) -> dict[str, tuple[float, float]]:
    """Print recall and MRR of what is offered; returns them by method."""
    config = config or Config()
    sessions = sessions_of(read_ratings(Path(path)), config.length)
    end = round(len(sessions) * (1 - config.test))
    counts = Counter(chain.from_iterable(sessions[:end]))
    frequent = [item for item, n in counts.most_common(config.items) if n >= config.minimum_count]
    if not frequent:
        raise DataError(
            f"{path}: of {len(sessions)} sessions, no item was rated {config.minimum_count} times"
        )
    vocabulary = text.Vocabulary(frequent)
    known, unseen = [known_items(some, vocabulary) for some in (sessions[:end], sessions[end:])]
    if not known or not unseen:
        raise DataError(
            f"{path}: {len(known)} sessions to learn from and {len(unseen)} to test on, with two "
            "known items each; more are needed"
        )
    items = len(vocabulary)
    print(f"{len(known)} sessions to learn from, {len(unseen)} to test on, {items} items")
    start = time.perf_counter()
    gru = recurrent(known, items, config)
    print(f"learnt in {time.perf_counter() - start:.0f} s")
    methods = {
        "most popular": most_popular(known, items),
        "item to item": item_to_item(known, items),
        "GRU": gru,
    }
    found = {name: measured(scores_of, unseen, config) for name, scores_of in methods.items()}
    for name, (recall, mrr) in found.items():
        print(f"{name:12}  recall@{config.top} {recall:.4f}  MRR@{config.top} {mrr:.4f}")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python examples/recommendation.py RATINGS")
    main(sys.argv[1])
