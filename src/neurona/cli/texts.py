"""`neurona data describe` and `preview` of a configuration's text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from neurona.cli.described import config_path
from neurona.cli.options import example_names
from neurona.data.datasets import DATASETS
from neurona.train.experiment import Parts, load_parts, read_config
from neurona.train.experiment.texts import TextPart

COMMONEST = 8
"""So many tokens are named."""


def find_text(what: str, changes: list[str], data_dir: Path | None) -> Parts | None:
    """The parts of the text that a configuration names; None if it names none."""
    if what in DATASETS or not (what in example_names() or what.lower().endswith(".toml")):
        return None
    file = read_config(config_path(what), changes)
    if file.config.data.text is None:
        return None
    with file.origins.named():
        return load_parts(file.config, base=file.folder, data_dir=data_dir)


def describe_text(parts: Parts) -> dict[str, dict[str, Any]]:
    """Characters, tokens and the commonest of them, by part, fit for JSON."""
    described = {}
    for name, part in parts.named.items():
        if isinstance(part, TextPart) and parts.tokenizer is not None:
            counts = Counter(part.ids.tolist()).most_common(COMMONEST)
            described[name] = {
                "characters": part.characters,
                "tokens": len(part.ids),
                "vocabulary": part.vocabulary_size,
                "commonest": [
                    [parts.tokenizer.decode([token]), count / len(part.ids)]
                    for token, count in counts
                ],
            }
    return described


def text_lines(described: dict[str, dict[str, Any]]) -> list[str]:
    """The same as lines."""
    lines = []
    for name, part in described.items():
        lines.append(
            f"{name}: {part['characters']:,} characters, {part['tokens']:,} tokens of "
            f"{part['vocabulary']:,}"
        )
        told = ", ".join(f"{token!r} {100 * share:.1f} %" for token, share in part["commonest"])
        lines.append(f"  {told}")
    return lines


def first_lines(parts: Parts, count: int) -> list[str]:
    """The first lines of the training part, as its tokens say them."""
    training, tokenizer = parts.training, parts.tokenizer
    if not isinstance(training, TextPart) or tokenizer is None:
        return []
    return tokenizer.decode(training.ids).splitlines()[:count]
