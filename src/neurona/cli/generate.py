"""`neurona generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.text import TokenGenerator, load_tokenizer
from neurona.train.experiment.texts import TOKENIZER
from neurona.train.model import Model

FIRST = "\n"
"""What a text begins with if nothing is given: a new line."""


def generate(
    run: Path,
    prompt: str | None,
    *,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
) -> None:
    """Print a prompt and what a language model goes on with, token by token."""
    network: Any = Model.load(run).network
    if not ((run / TOKENIZER).is_file() and hasattr(network, "read")):
        raise ArgumentError(
            f"{run}: is no language model with its {TOKENIZER}; train one with data.text"
        )
    generator = TokenGenerator(network, temperature=temperature, top_k=top_k, top_p=top_p)
    generator.write(
        load_tokenizer(run / TOKENIZER), FIRST if prompt is None else prompt, length, seed=seed
    )
