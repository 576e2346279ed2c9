"""How far counting goes: n-grams of the characters of a text, for n from 1 on.

Each model counts the first nine tenths and is measured on the last one, in nats a character; then
the one of three characters writes, and the best one.

python examples/shakespeare_ngrams.py [TEXT]     (by default tinyshakespeare.txt in NEURONA_DATA)
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from neurona.text import CharacterTokenizer, NGramModel


@dataclass(frozen=True, kw_only=True)
class Config:
    """orders: n of the models. share: of the text, what is counted; the end is held out."""

    orders: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    share: float = 0.9
    length: int = 300


def main(file: str | None = None, config: Config | None = None) -> dict[int, float]:
    """Print the loss of each order on the end of a text, and samples; returns the losses."""
    config = config or Config()
    path = Path(file or Path(os.environ.get("NEURONA_DATA", ".")) / "tinyshakespeare.txt")
    text = path.read_text(encoding="utf-8")
    cut = int(len(text) * config.share)
    tokenizer = CharacterTokenizer.train(text[:cut])
    counted, held_out = tokenizer.encode(text[:cut]), tokenizer.encode(text[cut:])

    losses, samples = {}, {}
    for order in config.orders:
        model = NGramModel(counted, vocabulary_size=len(tokenizer), order=order)  # Kneser-Ney
        losses[order] = -float(model.log_probabilities(held_out)[1:].mean())
        print(f"n = {order}  {losses[order]:.3f} nats a character", flush=True)
        if order in (3, best := min(losses, key=losses.__getitem__)):
            drawn = model.sample(tokenizer.encode("\n"), config.length, seed=0)
            samples[order] = tokenizer.decode(drawn)

    for order in (3, best):
        if order in samples:
            print(f"\nn = {order} writes:\n{samples[order]}")
    return losses


if __name__ == "__main__":
    main(*sys.argv[1:2])
