"""Run folders to report on, written file by file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurona import train
from neurona.train.analysis import analyse


def write_run(
    folder: Path,
    epochs: Sequence[Mapping[str, Any]],
    *,
    config: str | None = None,
    layers: Sequence[Mapping[str, Any]] = (),
    **run: Any,
) -> Path:
    """run.json, metrics.jsonl and what else is given."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "format": "neurona-run",
        "format_version": 1,
        "name": folder.name,
        "created": "2026-01-02T03:04:05+00:00",
        "status": "finished",
        "command": "neurona train digits.toml",
        "environment": {"python": "3.12", "cpu": "a CPU", "threads": 2},
        "seed": 0,
        "parameters": {"optimizer": {"name": "Adam", "learning_rate": 0.002}},
        "best": None,
        "seconds": 12.5,
        "samples": 1438,
    }
    (folder / "run.json").write_text(json.dumps(record | run), encoding="utf-8")
    for name, lines in (("metrics.jsonl", epochs), ("layers.jsonl", layers)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    if config is not None:
        (folder / "config.toml").write_text(config, encoding="utf-8")
    return folder


def trained(
    folder: Path, model: train.Model, training: Any, validation: Any, epochs: int, **options: Any
) -> Path:
    """The folder of a real run."""
    history = model.fit(*training, epochs=epochs, validation_data=validation, verbose=False)
    lines = [
        {
            "epoch": epoch,
            "step": epoch + 1,
            "seconds": 0.1 * (epoch + 1),
            "samples_per_second": 1000.0,
            "waiting": 0.0,
            "learning_rate": 0.002 * 0.9**epoch,
            **{name: values[i] for name, values in history.values.items()},
        }
        for i, epoch in enumerate(history.epochs)
    ]
    losses = history.values["validation_loss"]
    best = losses.index(min(losses))
    options.setdefault("best", {"epoch": best, "name": "validation_loss", "value": losses[best]})
    write_run(folder, lines, **options)
    analyse(model, *validation, folder)
    return folder
