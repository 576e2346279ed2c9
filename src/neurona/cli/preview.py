"""`neurona data preview`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.cli.data import find, grey
from neurona.cli.output import columns
from neurona.core.errors import ArgumentError
from neurona.data.dataset import Dataset
from neurona.data.files import replacing
from neurona.data.table import Table
from neurona.report.terminal import GAP, draw_row

COLUMNS = 8
"""Pictures side by side on a sheet."""
TILE = 96
"""The least side of a picture on a sheet, in pixels."""
WIDE = 24
"""Characters of a table's cell."""
FEATURES = 8
"""Numbers shown of a row without names for them."""


def preview(
    what: str, changes: list[str], count: int, output: Path | None, data_dir: Path | None
) -> None:
    """Show the first samples of the training part, of each class in turn."""
    part = next(iter(find(what, changes, data_dir).values()))
    pictures = isinstance(part, Dataset) and part.inputs.ndim > 2
    if output is not None:
        if not isinstance(part, Dataset) or not pictures:
            raise ArgumentError(f"--output {output}: a sheet shows pictures; {what!r} has none")
        if output.suffix.lower() != ".png":
            raise ArgumentError(f"--output {output}: a sheet is saved as .png")
        chosen = _chosen(part, count)
        _save_sheet(part, chosen, output)
        print(f"{output}: {len(chosen)} pictures")
    elif isinstance(part, Table):
        _print_table(part, count)
    elif pictures:
        _print_pictures(part, _chosen(part, count))
    else:
        _print_rows(part, count)


def _chosen(part: Dataset, count: int) -> list[int]:
    """Samples to show: of each class the first, then of each the second, and so on."""
    if not part.classes:
        return list(range(min(count, len(part))))
    seen = [0] * len(part.classes)
    rounds = []
    for label in part.targets.tolist():
        rounds.append(seen[label])
        seen[label] += 1
    return [int(number) for number in np.lexsort((part.targets, rounds))[:count]]


def _caption(part: Dataset, number: int) -> str:
    target = part.targets[number]
    return part.classes[target] if part.classes else f"{np.asarray(target).reshape(-1)[0]:g}"


def _flat(picture: NDArray[Any]) -> NDArray[Any]:
    """A picture without colours, for characters."""
    return picture.mean(axis=-1) if picture.ndim == 3 else picture


def _print_pictures(part: Dataset, chosen: Sequence[int]) -> None:
    drawn = [_flat(part.inputs[number]) for number in chosen]
    side = drawn[0].shape[1]
    while side > 16:
        side = -(-side // 2)
    width = shutil.get_terminal_size((100, 24)).columns
    at_once = max(1, (width + len(GAP)) // (2 * side + len(GAP)))
    for start in range(0, len(chosen), at_once):
        numbers = chosen[start : start + at_once]
        captions = [[_caption(part, number)] for number in numbers]
        print(draw_row(drawn[start : start + at_once], captions))


def _print_table(table: Table, count: int) -> None:
    few = table.take(np.arange(min(count, len(table))))
    shown = [[_cell(value) for value in few[name]] for name in few.columns]
    rows = [list(few.columns), *(list(row) for row in zip(*shown, strict=True))]
    numeric = [i for i, name in enumerate(few.columns) if few.kinds[name] == "numeric"]
    print(*columns([[_cut(cell) for cell in row] for row in rows], right=numeric), sep="\n")


def _print_rows(part: Dataset, count: int) -> None:
    labels = list(part.axes.values())[-1]
    features = part.inputs.reshape(len(part), -1)
    heads = [str(n) for n in (labels or range(features.shape[1]))]
    rows = [[*heads[:FEATURES], part.target_name]]
    for number in range(min(count, len(part))):
        values = [f"{value:.4g}" for value in features[number, :FEATURES]]
        rows.append([*values, _caption(part, number)])
    right = range(len(rows[0]) - (1 if part.classes else 0))
    print(*columns([[_cut(cell) for cell in row] for row in rows], right=list(right)), sep="\n")
    if features.shape[1] > FEATURES:
        print(f"… {features.shape[1]} features")


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "–"
    return value if isinstance(value, str) else f"{value:.10g}"


def _cut(text: str) -> str:
    return text if len(text) <= WIDE else text[: WIDE - 1] + "…"


def _save_sheet(part: Dataset, chosen: Sequence[int], path: Path) -> None:
    from PIL import Image, ImageDraw

    most = float(part.inputs.max())
    height, width = part.inputs.shape[1:3]
    scale = max(1, -(-TILE // max(height, width)))
    across, line = min(COLUMNS, len(chosen)), 16
    cell = (width * scale + 8, height * scale + 8 + line)
    sheet = Image.new("RGB", (cell[0] * across, cell[1] * -(-len(chosen) // across)), "white")
    pen = ImageDraw.Draw(sheet)
    for place, number in enumerate(chosen):
        row, column = divmod(place, across)
        corner = (column * cell[0] + 4, row * cell[1] + 4)
        picture = Image.fromarray(grey(part.inputs[number], most)).resize(
            (width * scale, height * scale), Image.Resampling.NEAREST
        )
        sheet.paste(picture, corner)
        below = (corner[0], corner[1] + height * scale + 1)
        pen.text(below, _caption(part, number), fill="black")
    with replacing(path) as file:
        sheet.save(file, "PNG")
