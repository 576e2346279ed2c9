"""`neurona train`."""

from __future__ import annotations

import sys
from pathlib import Path

from neurona.cli.app import INTERRUPTED
from neurona.cli.described import config_path
from neurona.cli.folders import check_folder, config_kept, next_run
from neurona.nn.module import Module
from neurona.train.experiment import (
    Config,
    Outcome,
    Parts,
    load_parts,
    make_model,
    read_config,
    run,
)
from neurona.train.experiment.kinds import name_and_options
from neurona.train.experiment.parts import Part
from neurona.train.experiment.texts import TOKENIZER, TextPart
from neurona.train.progress import scores_text
from neurona.train.run_folder import RunFolder
from neurona.train.run_report import write_page

REPORT = "report.html"


def train(
    name: str, *, changes: list[str], data_dir: Path | None, download: bool, out: Path | None
) -> None:
    """Train what a configuration describes, measure it on the test part, and keep the run."""
    path = config_path(name)
    file = read_config(path, changes)
    folder = out or next_run(path.stem)
    check_folder(folder)
    with file.origins.named():
        parts = load_parts(file.config, base=file.folder, data_dir=data_dir, download=download)
        model = make_model(file.config, parts)
        print_task(path.stem, file.config, parts, model.network)
        with config_kept(folder, file.to_toml(data_dir)):
            outcome = run(model, file.config, parts, folder=folder)
    finish(folder, outcome)


def finish(folder: Path, outcome: Outcome) -> None:
    """Note the test's result in the run, say how it went and what can be done next."""
    record_test(folder, outcome.scores)
    print_outcome(outcome)
    print(f"kept in {folder}, report in {folder / REPORT}")
    if outcome.history.interrupted:
        print(f"go on: neurona resume {folder}")
        sys.exit(INTERRUPTED)
    if outcome.model.reader is not None:
        print(f"next: neurona predict {folder} FILE")
    if (folder / TOKENIZER).is_file():
        print(f"next: neurona generate {folder}")


def record_test(folder: Path, scores: dict[str, float]) -> None:
    """Write the scores of the test part into run.json and the report."""
    if not scores:
        return
    run_folder = RunFolder.open(folder)
    try:
        run_folder.write_about(test=scores)
        write_page(run_folder)
    finally:
        run_folder.close()


def print_task(name: str, config: Config, parts: Parts, network: Module) -> None:
    """Say what will be learnt from what."""
    sizes = f"{size_text(parts.training)} to learn from"
    if parts.validation is not None:
        sizes += f", {size_of(parts.validation):,} to watch"
    if parts.test is not None:
        sizes += f", {size_of(parts.test):,} for the test"
    print(f"{name}: {sizes}, seed {config.seed}")
    if isinstance(parts.training, TextPart):
        print(f"vocabulary: {parts.training.vocabulary_size:,} tokens")
    if parts.left_out:
        print(f"left out: {parts.left_out:,} rows without a value of {config.data.target!r}")
    parameters = sum(parameter.size for parameter in network.parameters())
    optimizer, _ = name_and_options(config.training.optimizer, "training.optimizer")
    print(f"network: {parameters:,} parameters, {optimizer}")


def size_of(part: Part) -> int:
    """The samples of a part, or the characters of a text."""
    return part.characters if isinstance(part, TextPart) else len(part)


def size_text(part: Part) -> str:
    """The same with what they are."""
    return f"{size_of(part):,} {'characters' if isinstance(part, TextPart) else 'samples'}"


def print_outcome(outcome: Outcome) -> None:
    """Say how long it took and what came out."""
    history = outcome.history
    word = "interrupted" if history.interrupted else "trained"
    print(f"{word} after {len(history.epochs)} epochs, {history.seconds:.1f} s")
    if outcome.scores:
        print(f"test: {scores_text(outcome.scores)}")
