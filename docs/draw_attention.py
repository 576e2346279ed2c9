"""Draws the picture of `attention.md`: where a small GPT looks in a line of Shakespeare.

python docs/draw_attention.py [FOLDER]     (by default the folder of this file)
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import models, optim
from neurona.nn import functional as F
from neurona.report.attention import attention_figure
from neurona.text import CharacterTokenizer

STEPS, BATCH, CONTEXT = 1000, 32, 48
LINE = "Wherefore did they not"


def trained(text: str) -> tuple[CharacterTokenizer, models.GPT]:
    """A GPT of two layers after 1,000 steps on windows of the text, and its last loss."""
    tokenizer = CharacterTokenizer.train(text)
    ids = np.asarray(tokenizer.encode(text))
    ne.random.seed(0)
    network = models.GPT(
        vocabulary_size=len(tokenizer), context=CONTEXT, layers=2, heads=4, features=64
    )
    optimizer = optim.AdamW(network.parameters(), learning_rate=2e-3)

    @ne.compile
    def step(tokens: Any) -> Any:
        loss = F.token_cross_entropy(network(tokens[:, :-1]), tokens[:, 1:])
        loss.backward()
        optimizer.step()
        return loss

    generator = np.random.default_rng(0)
    for i in range(STEPS):
        starts = generator.integers(0, len(ids) - CONTEXT - 1, BATCH)
        loss = step(ids[starts[:, None] + np.arange(CONTEXT + 1)])
        if i % 100 == 99:
            print(f"step {i + 1}: {loss.item():.3f} nats a character")
    return tokenizer, network


def main() -> None:
    """Train, look, draw."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    data = Path(os.environ.get("NEURONA_DATA", "data"))
    text = (data / "tinyshakespeare.txt").read_text(encoding="utf-8")
    tokenizer, network = trained(text[: len(text) * 9 // 10])
    maps = models.attention_maps(network, np.asarray(tokenizer.encode(LINE))[None])
    figure = attention_figure(maps, queries=LINE.replace(" ", "␣"), side=2.4)
    figure.savefig(folder / "attention.png", dpi=80)


if __name__ == "__main__":
    main()
