"""`neurona predict`."""

from __future__ import annotations

import sys
from pathlib import Path

from neurona.cli.answers import answer
from neurona.cli.output import print_json
from neurona.core.errors import ArgumentError
from neurona.report.terminal import draw_row
from neurona.train.model import Model

GREY = 3
"""The axes of grey pictures: (sample, row, column)."""
AT_ONCE = 4
"""Pictures drawn side by side; at most so many are drawn at all."""


def predict(run: Path, files: list[Path], output: Path | None, as_json: bool) -> None:
    """Print the class of each sample and the likeliest ones' probabilities, or its numbers."""
    model = Model.load(run)
    if model.reader is None:
        raise ArgumentError(f"{run}: was trained on arrays, so it is not known how to read files")
    names, inputs = model.reader.read(files)
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
