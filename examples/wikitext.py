"""Words of Wikipedia: an LSTM, the same LSTM in PyTorch, and counts of five words in a row.

WikiText-2 (Merity, Xiong, Bradbury and Socher, 2016), its 10,000 most frequent words; the others
are <unk>. Two layers of 200 units learn by truncated backpropagation through time: 20 places of the
text are read side by side, 35 words a step, each step going on from the state of the one before.
PyTorch's network begins with the same weights, reads the same words in the same order, and dropout
leaves out the same units. The 5-gram model is smoothed after Kneser and Ney.

python examples/wikitext.py [DATA_FOLDER]     (else the folder that NEURONA_DATA names)
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import data, models, nn, optim, text
from neurona.data.fetch import folder_of


@dataclass(frozen=True, kw_only=True)
class Config:
    """batch_size: places of the text read side by side. length: words a step, of each.

    order: of the n-gram model. characters: so many of each text are read, None for all.
    """

    vocabulary_size: int = 10_000
    features: int = 200
    layers: int = 2
    dropout: float = 0.2
    batch_size: int = 20
    length: int = 35
    steps: int = 3_000
    learning_rate: float = 0.002
    max_norm: float = 0.5
    order: int = 5
    characters: int | None = None
    seed: int = 0


Step = Callable[[np.ndarray, np.ndarray, Any], tuple[Any, Any]]
"""Inputs and targets (batch, time) and the state before → the mean loss and the state after."""


def read_texts(folder: Path, config: Config) -> tuple[text.WordTokenizer, list[np.ndarray]]:
    """The tokeniser, and the numbers of the words to learn from and to test on."""
    texts = [
        (folder / f"{name}.txt").read_text("utf-8")[: config.characters]
        for name in ("train", "test")
    ]
    tokenizer = text.WordTokenizer.train(texts[0], config.vocabulary_size, cut="spaces")
    return tokenizer, [tokenizer.encode(one) for one in texts]


def neurona_steps(network: models.RecurrentLanguageModel, config: Config) -> tuple[Step, Step]:
    """A step of learning and one of measuring."""
    optimizer = optim.Adam(network.parameters(), config.learning_rate)

    @ne.compile
    def learn(x: Any, y: Any, state: Any) -> tuple[ne.Tensor, Any]:
        scores, state = network.read(x, state)
        loss = nn.functional.token_cross_entropy(scores, y)
        loss.backward()
        optim.clip_gradient_norm(network.parameters(), config.max_norm)
        optimizer.step()
        return loss, state

    @ne.compile
    def measure(x: Any, y: Any, state: Any) -> tuple[ne.Tensor, Any]:
        scores, state = network.read(x, state)
        return nn.functional.token_cross_entropy(scores, y), state

    return learn, measure


def torch_network(network: models.RecurrentLanguageModel, config: Config) -> Any:
    """The same network with the same weights in PyTorch."""
    import torch

    class SameDropout(torch.nn.Module):
        """Leaves out what Neurona's dropout leaves out, which its seed and the order tell."""

        def forward(self, x: Any) -> Any:
            if not (self.training and config.dropout):
                return x
            mask = nn.functional.dropout(ne.ones(tuple(x.shape)), config.dropout)
            return x * torch.from_dlpack(mask)

    class LanguageModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            size = config.features
            self.embed = torch.nn.Embedding(config.vocabulary_size, size)
            # Layer by layer, since a network of several draws the units between them itself.
            self.recurrent = torch.nn.ModuleList(
                [torch.nn.LSTM(size, size) for _ in range(config.layers)]
            )
            self.head = torch.nn.Linear(size, config.vocabulary_size)
            self.drop = SameDropout()

        def forward(self, tokens: Any, state: Any) -> tuple[Any, Any]:
            x, after = self.embed(tokens.T), []
            for layer, before in zip(self.recurrent, state, strict=True):
                x, last = layer(self.drop(x), before)
                after.append(last)
            scores = self.head(self.drop(x.transpose(0, 1)))
            return scores, after  # (batch, time, vocabulary)

    theirs = LanguageModel()
    for name, value in network.state_dict().items():
        kind, _, layer = name.removeprefix("recurrent.").partition("_l")
        place = f"recurrent.{layer}.{kind}_l0" if layer.isdigit() else name
        theirs.get_parameter(place).data.copy_(torch.tensor(value))
    return theirs


def torch_steps(theirs: Any, config: Config) -> tuple[Step, Step]:
    """The same two steps in PyTorch."""
    import torch

    optimizer = torch.optim.Adam(theirs.parameters(), lr=config.learning_rate, fused=True)

    def loss_of(x: np.ndarray, y: np.ndarray, state: Any) -> tuple[Any, Any]:
        scores, state = theirs(torch.from_numpy(x), state)
        targets = torch.from_numpy(y).flatten()
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), targets)
        return loss, [tuple(part.detach() for part in pair) for pair in state]

    def learn(x: np.ndarray, y: np.ndarray, state: Any) -> tuple[Any, Any]:
        optimizer.zero_grad()
        loss, state = loss_of(x, y, state)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), config.max_norm)
        optimizer.step()
        return loss.detach(), state

    @torch.no_grad()
    def measure(x: np.ndarray, y: np.ndarray, state: Any) -> tuple[Any, Any]:
        return loss_of(x, y, state)

    return learn, measure


def train(
    name: str, learn: Step, begin: Callable[[], Any], ids: np.ndarray, config: Config
) -> float:
    """Learn for `config.steps` steps; returns the seconds, without those of the first step."""
    windows = data.windows(ids, batch_size=config.batch_size, length=config.length, drop_last=True)
    ne.random.seed(config.seed)  # dropout's
    total, done, seconds = 0.0, 0, 0.0
    while done < config.steps:
        state = begin()
        for x, y in windows.epoch(0):
            before = time.perf_counter()
            loss, state = learn(x, y, state)
            total += float(loss)
            seconds += time.perf_counter() - before if done else 0.0
            done += 1
            if done % 250 == 0:
                print(f"{name:8} step {done:5}  perplexity {math.exp(total / 250):8.1f}")
                total = 0.0
            if done == config.steps:
                break
    return seconds


def perplexity(measure: Step, state: Any, ids: np.ndarray, config: Config) -> float:
    """Of every word of a text but the first, read at `batch_size` places side by side."""
    total = 0.0
    for x, y in data.windows(ids, batch_size=config.batch_size, length=config.length).epoch(0):
        loss, state = measure(x, y, state)
        total += float(loss) * (y >= 0).sum()  # −100 stands where the text has ended
    return math.exp(total / (len(ids) - 1))


def main(
    data_dir: str | Path | None = None, config: Config | None = None, *, peer: bool = True
) -> dict[str, tuple[float, float]]:
    """Print and return the perplexity on the test text and the seconds of each model.

    peer: PyTorch beside it.
    """
    config = config or Config()
    folder = folder_of(data_dir) / "wikitext-2"
    tokenizer, (known, unseen) = read_texts(folder, config)
    print(f"{len(known):,} words to learn from, {len(unseen):,} to test on")
    found = {}

    start = time.perf_counter()
    ngrams = text.NGramModel(known, vocabulary_size=len(tokenizer), order=config.order)
    seconds = time.perf_counter() - start
    found[f"{config.order}-gram"] = ngrams.perplexity(unseen), seconds

    ne.random.seed(config.seed)
    network = models.RecurrentLanguageModel(
        vocabulary_size=config.vocabulary_size,
        cell="LSTM",
        layers=config.layers,
        features=config.features,
        dropout=config.dropout,
    )
    theirs = torch_network(network, config) if peer else None

    learn, measure = neurona_steps(network, config)
    seconds = train("Neurona", learn, lambda: network.begin(config.batch_size), known, config)
    network.eval()
    found["Neurona"] = (
        perplexity(measure, network.begin(config.batch_size), unseen, config),
        seconds,
    )
    generator = text.TokenGenerator(network, temperature=0.8)
    generator.write(tokenizer, "The", 60, seed=config.seed)

    if theirs is not None:
        learn, measure = torch_steps(theirs, config)
        first = [None] * config.layers
        seconds = train("PyTorch", learn, lambda: first, known, config)
        theirs.eval()
        found["PyTorch"] = perplexity(measure, first, unseen, config), seconds
    for name, (value, seconds) in found.items():
        print(f"{name:8} perplexity {value:7.2f}   {seconds:7.1f} s")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
