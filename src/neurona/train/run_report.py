"""What a run adds for its report: layers watched on the way, a look into the model at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from neurona.core.errors import NeuronaError
from neurona.train import checkpoint
from neurona.train.watch import WatchLayers

if TYPE_CHECKING:
    from neurona.train.loop import Training
    from neurona.train.run_folder import RunFolder

LAYERS = "layers.jsonl"
PROBE = 128
"""Samples on which gradients and dead units are measured after an epoch."""


def watch_layers(training: Training, folder: Path) -> None:
    """Let the run write layers.jsonl, unless a callback does so already."""
    if any(isinstance(callback, WatchLayers) for callback in training.callbacks):
        return
    from neurona.train.analysis.samples import probe_of

    try:
        inputs, targets = probe_of(training.model, training.training, PROBE)
    except NeuronaError as error:
        _say(f"layers are not watched: {error}")
        return
    training.add(WatchLayers(folder / LAYERS, inputs, targets))


def write_report(training: Training, folder: RunFolder, *, look: bool) -> None:
    """Analyse the model that the folder holds, if `look`, and write report.html.

    Whatever fails here is said in one line and noted in run.json: the run is there and is kept.
    """
    try:
        if look:
            _look(training, folder.path)
    except Exception as error:
        _failed(folder, "the analysis of the run", error)
    write_page(folder)


def write_page(folder: RunFolder) -> None:
    """Write report.html from the files of the run; failing is treated as by `write_report`."""
    from neurona.report import html

    try:
        html.write(folder.path)
    except Exception as error:
        _failed(folder, "the report of the run", error)


def _look(training: Training, folder: Path) -> None:
    from neurona.train.analysis import analyse_part

    model, network = training.model, training.model.network
    name = "training" if training.validation is None else "validation"
    now = network.state_dict()
    network.load_state_dict(checkpoint.read(folder)[1])
    try:
        analyse_part(model, training.validation or training.training, folder, name)
    finally:
        network.load_state_dict(now)


def _failed(folder: RunFolder, what: str, error: Exception) -> None:
    why = " ".join(f"{type(error).__name__}: {error}".split())
    _say(f"{what} failed, the run itself is kept: {why}")
    folder.note(notes=[*folder.about.get("notes", ()), f"{what} failed: {why}"])


def _say(message: str) -> None:
    print(f"neurona: {message}", file=sys.stderr)
