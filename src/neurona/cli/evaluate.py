"""`neurona evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurona import data
from neurona.cli.described import run_config
from neurona.cli.output import print_json, print_pairs
from neurona.cli.train import size_of, size_text
from neurona.core.errors import ArgumentError
from neurona.data.dataset import Dataset
from neurona.data.table_reader import TableReader
from neurona.text import load_tokenizer
from neurona.train.experiment import Config, load_parts
from neurona.train.experiment import evaluate as measure
from neurona.train.experiment.texts import TOKENIZER, TextPart, read_text, text_part
from neurona.train.model import Model
from neurona.train.progress import number_text

PARTS = ("training", "validation", "test")


def evaluate(
    run: Path, files: list[Path], part: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Measure a trained network on a part of its data, or on files with known answers."""
    file = run_config(run, [])
    if files:
        if part is not None:
            raise ArgumentError(f"--part {part}: is of the run's own data; leave the files out")
        model = Model.load(run)
        name = ", ".join(map(str, files))
        whole: Any = (
            _texts(run, file.config, files)
            if file.config.data.text is not None
            else _joined([_known(model, path) for path in files])
        )
    else:
        with file.origins.named():
            parts = load_parts(file.config, base=file.folder, data_dir=data_dir).named
        name = part or ("test" if "test" in parts else next(reversed(parts)))
        if name not in parts:
            raise ArgumentError(f"--part {name}: the run has {', '.join(parts)}")
        model, whole = Model.load(run), parts[name]
    scores = measure(model, file.config, whole)
    if isinstance(whole, TextPart):
        scores["nats_per_character"] = whole.nats_per_character(scores["loss"])
    if as_json:
        kind = "characters" if isinstance(whole, TextPart) else "samples"
        print_json({"data": name, kind: size_of(whole), **scores})
        return
    print(f"{name}: {size_text(whole)}")
    print_pairs({key.replace("_", " "): number_text(value) for key, value in scores.items()})


def _known(model: Model, path: Path) -> Dataset:
    """Samples with their answers: a table with its target, or a folder with one for each class."""
    reader = model.reader
    if isinstance(reader, TableReader):
        table = reader.table(path)
        if table.target is None:
            raise ArgumentError(f"{path}: has no column {reader.encoder.target!r} to compare with")
        return reader.encoder.dataset(table)
    if reader is None:
        raise ArgumentError(f"{path}: the network was trained on arrays, so files are not read")
    if not path.is_dir():
        raise ArgumentError(f"{path}: a folder with a folder of pictures for each class is needed")
    folder = data.ImageFolder(path, classes=model.classes)
    _, inputs = reader.read([path / name for name in folder.files])
    return Dataset(inputs=inputs, targets=folder.targets, classes=model.classes, name=path.name)


def _texts(run: Path, config: Config, files: list[Path]) -> TextPart:
    """Texts behind each other, in the tokens that the network knows."""
    text = "".join(read_text(path, config.data.encoding) for path in files)
    return text_part(text, load_tokenizer(run / TOKENIZER), config, "test")


def _joined(sets: list[Dataset]) -> Dataset:
    if len(sets) == 1:
        return sets[0]
    return Dataset(
        inputs=np.concatenate([one.inputs for one in sets]),
        targets=np.concatenate([one.targets for one in sets]),
        classes=sets[0].classes,
        name="files",
    )
