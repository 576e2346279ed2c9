"""`neurona generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurona.core.errors import ArgumentError, DataError
from neurona.text import TokenGenerator, load_tokenizer
from neurona.text.tokenizer import Tokenizer
from neurona.train.experiment.texts import TOKENIZER
from neurona.train.model import Model


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
    tokenizer = load_tokenizer(run / TOKENIZER)
    generator.write(tokenizer, first(tokenizer) if prompt is None else prompt, length, seed=seed)


def first(tokenizer: Tokenizer) -> str:
    """What a text begins with if nothing is given: a new line, or the first token that is text."""
    try:
        known = len(tokenizer.encode("\n")) > 0
    except DataError:
        known = False
    if known:
        return "\n"
    texts = [i for i, word in enumerate(tokenizer.vocabulary) if word not in tokenizer.special]
    return tokenizer.decode(texts[:1] or [0])
