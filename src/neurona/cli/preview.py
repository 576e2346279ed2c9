"""`neurona data preview`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.cli.data import find, find_augmented
from neurona.cli.output import columns
from neurona.cli.sheet import check_name, save_sheet
from neurona.cli.texts import find_text, first_lines
from neurona.core.errors import ArgumentError
from neurona.data.augmentation import Augmented
from neurona.data.dataset import Dataset
from neurona.data.source import sample_generator
from neurona.data.table import Table
from neurona.report.terminal import GAP, draw_row

COLUMNS = 8
"""Pictures side by side on a sheet."""
WIDE = 24
"""Characters of a table's cell."""
FEATURES = 8
"""Numbers shown of a row without names for them."""


def preview(
    what: str, changes: list[str], count: int, output: Path | None, data_dir: Path | None
) -> None:
    """Show the first samples of the training part, of each class in turn.

    Where a configuration transforms pictures, each with what it becomes in the first epochs.
    """
    varied = find_augmented(what, changes, data_dir)
    if varied is not None:
        _show_epochs(*varied, count, output)
        return
    text = find_text(what, changes, data_dir)
    if text is not None:
        if output is not None:
            raise ArgumentError(f"--output {output}: a sheet shows pictures; {what!r} has none")
        print(*first_lines(text, count), sep="\n")
        return
    part = next(iter(find(what, changes, data_dir).values()))
    pictures = isinstance(part, Dataset) and part.inputs.ndim > 2
    if output is not None:
        if not isinstance(part, Dataset) or not pictures:
            raise ArgumentError(f"--output {output}: a sheet shows pictures; {what!r} has none")
        check_name(output)
        chosen = _chosen(part, count)
        captions = [_caption(part, number) for number in chosen]
        most = float(part.inputs.max())
        save_sheet([part.inputs[number] for number in chosen], captions, most, COLUMNS, output)
        print(f"{output}: {len(chosen)} pictures")
    elif isinstance(part, Table):
        _print_table(part, count)
    elif pictures:
        _print_pictures(part, _chosen(part, count))
    else:
        _print_rows(part, count)


def _show_epochs(varied: Augmented, seed: int, count: int, output: Path | None) -> None:
    """Samples as they are, and each as the first epochs have it."""
    if output is not None:
        check_name(output)
    before, after = varied.source, varied.augmentation
    whole = before.read_batch(np.arange(min(2, len(before))))[0]
    white = after.white or (255.0 if whole.dtype == np.uint8 else 1.0)
    smaller = whole.shape[1:] != after.shape(whole.shape[1:])
    pictures, captions = [], []
    for number in _chosen(varied, count):
        if not smaller:
            pictures.append(before.read(number, sample_generator(seed, 0, number))[0])
            captions.append(_class_of(varied, number))
        for epoch in range(COLUMNS - 1 + smaller):
            pictures.append(varied.read(number, sample_generator(seed, epoch, number))[0])
            captions.append(f"epoch {epoch}" if epoch or not smaller else _class_of(varied, number))
    if output is not None:
        save_sheet(pictures, captions, white, COLUMNS, output)
        print(f"{output}: {len(pictures) // COLUMNS} pictures in {COLUMNS - 1 + smaller} epochs")
        return
    for start in range(0, len(pictures), COLUMNS):
        _print_drawn(pictures[start : start + COLUMNS], captions[start : start + COLUMNS])


def _class_of(part: Augmented, number: int) -> str:
    if not part.classes or part.targets is None:
        return part.name(number)
    return part.classes[int(part.targets[number])]


def _chosen(part: Dataset | Augmented, count: int) -> list[int]:
    """Samples to show: of each class the first, then of each the second, and so on."""
    if not part.classes or part.targets is None:
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
    captions = [_caption(part, number) for number in chosen]
    _print_drawn([part.inputs[number] for number in chosen], captions)


def _print_drawn(pictures: Sequence[NDArray[Any]], captions: Sequence[str]) -> None:
    """As many pictures of characters side by side as the terminal has room for."""
    drawn = [_flat(picture) for picture in pictures]
    side = drawn[0].shape[1]
    while side > 16:
        side = -(-side // 2)
    width = shutil.get_terminal_size((100, 24)).columns
    at_once = max(1, (width + len(GAP)) // (2 * side + len(GAP)))
    for start in range(0, len(drawn), at_once):
        lines = [[caption] for caption in captions[start : start + at_once]]
        print(draw_row(drawn[start : start + at_once], lines))


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
