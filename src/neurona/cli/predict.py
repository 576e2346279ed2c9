"""`neurona predict`."""

from __future__ import annotations

import sys
from pathlib import Path

from neurona.cli.answers import answer
from neurona.cli.output import print_json
from neurona.core.errors import ArgumentError
from neurona.data.table_reader import TableReader
from neurona.report.terminal import draw_row
from neurona.train.model import Model

GREY = 3
"""The axes of grey pictures: (sample, row, column)."""
AT_ONCE = 4
"""Pictures drawn side by side; at most so many are drawn at all."""
NAMED = 5
"""So many unknown categories are named."""


def predict(run: Path, files: list[Path], output: Path | None, as_json: bool) -> None:
    """Print the class of each sample and the likeliest ones' probabilities, or its numbers."""
    model = Model.load(run)
    if model.reader is None:
        raise ArgumentError(f"{run}: was trained on arrays, so it is not known how to read files")
    names, inputs = model.reader.read(files)
    if isinstance(model.reader, TableReader):
        _note_unknown(model.reader.unknown(files))
    answers = answer(model, names, inputs)
    if output is not None:
        answers.save(output)
        print(f"{output}: {len(names):,} rows")
    elif as_json:
        print_json(answers.records())
    else:
        if sys.stdout.isatty() and inputs.ndim == GREY and len(inputs) <= AT_ONCE:
            print(draw_row(list(inputs), [[Path(name).name] for name in names]))
        print(*answers.lines(), sep="\n")


def _note_unknown(unknown: dict[str, dict[str, int]]) -> None:
    """Say on stderr, in one line, which categories of the rows mean nothing to the network."""
    found = [(n, column, name) for column, own in unknown.items() for name, n in own.items()]
    if not found:
        return
    found.sort(key=lambda one: -one[0])
    told = [
        f"{column} {name!r} ({rows:,} {'rows' if rows > 1 else 'row'})"
        for rows, column, name in found[:NAMED]
    ]
    if len(found) > NAMED:
        told.append(f"{len(found) - NAMED:,} more")
    print(f"neurona: not in the training part: {', '.join(told)}", file=sys.stderr)
