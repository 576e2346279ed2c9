"""`neurona data list`, `fetch`, `describe` and `export`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neurona import data
from neurona.cli.described import config_path
from neurona.cli.options import example_names
from neurona.cli.output import columns, print_json
from neurona.cli.sheet import to_bytes
from neurona.cli.texts import describe_text, find_text, text_lines
from neurona.core.errors import ArgumentError, DataError, nearest
from neurona.data.augmentation import Augmented
from neurona.data.csv_file import Dialect, first_record, records
from neurona.data.dataset import Dataset
from neurona.data.datasets import DATASETS
from neurona.data.fetch import folder_of
from neurona.data.files import replacing
from neurona.data.source import Source
from neurona.data.table import Table
from neurona.train.experiment import ConfigFile, load_parts, read_config, sources

Part = Dataset | Table
Parts = Mapping[str, Part]

TABLES = (".csv", ".tsv", ".data", ".txt")
FETCHED = ("mnist", "adult")
"""The sets that can be downloaded."""
MANY = 12
"""Of more classes than this only the number is told."""


def load_set(name: str, data_dir: Path | None, *, download: bool = False) -> Parts:
    """The parts of a data set that is known by name."""
    found: Mapping[str, Any] = data.load(name, data_dir=data_dir, download=download)
    return found


def list_sets(data_dir: Path | None, as_json: bool) -> None:
    """Print the data sets that are known by name."""
    found = [_listed(name, data_dir) for name in DATASETS]
    if as_json:
        print_json(found)
        return
    rows = [[one["name"], one["what"], one["where"]] for one in found]
    print(*columns([["name", "what", "where"], *rows]), sep="\n")


def _listed(name: str, data_dir: Path | None) -> dict[str, Any]:
    try:
        parts = load_set(name, data_dir)
    except DataError:
        hint = f"; neurona data fetch {name}" if name in FETCHED else ""
        return {"name": name, "there": False, "what": "", "where": f"not found{hint}"}
    sizes = " + ".join(f"{len(part):,}" for part in parts.values())
    where = "comes with Neurona" if name == "digits" else str(folder_of(data_dir))
    first = next(iter(parts.values()))
    what = f"{sizes} {_kind(first)}"
    return {"name": name, "there": True, "what": what, "where": where}


def _kind(part: Dataset | Table) -> str:
    """What a sample is, in words."""
    if isinstance(part, Table):
        return f"rows, {len(part.columns)} columns"
    shape = part.inputs.shape[1:]
    extents = "×".join(map(str, shape))
    what = f"pictures {extents}" if len(shape) > 1 else f"rows of {extents} features"
    return what + (f", {len(part.classes)} classes" if part.classes else "")


def fetch(name: str, data_dir: Path | None) -> None:
    """Download a data set if it is not there yet."""
    if name not in DATASETS:
        raise ArgumentError(
            f"data fetch: unknown data set {name!r}{nearest(name, DATASETS)} "
            f"(known: {', '.join(DATASETS)})"
        )
    parts = load_set(name, data_dir, download=name in FETCHED)
    sizes = " + ".join(f"{len(part):,}" for part in parts.values())
    place = "with Neurona" if name == "digits" else f"in {folder_of(data_dir)}"
    print(f"{name}: {sizes} samples {place}")


# --- describe ---


def find(what: str, changes: list[str], data_dir: Path | None) -> Parts:
    """The data of a name, a configuration or a file, by part. Raises what reading it raises."""
    if what in DATASETS:
        return load_set(what, data_dir)
    path = Path(what)
    if path.suffix.lower() in TABLES:
        return {"all": data.read_csv(path, delimiter=_delimiter(path))}
    if path.suffix.lower() == ".toml" or what in example_names():
        return _of_config(read_config(config_path(what), changes), data_dir)
    known = [*DATASETS, *example_names()]
    raise ArgumentError(
        f"{what!r} is no data set{nearest(what, known)}; give a name ({', '.join(DATASETS)}), a "
        f"configuration (.toml) or a table ({', '.join(TABLES)})"
    )


def find_augmented(
    what: str, changes: list[str], data_dir: Path | None
) -> tuple[Augmented, int] | None:
    """The training part as a configuration transforms it, and the seed; None if it does not."""
    if what in DATASETS or not (what in example_names() or what.lower().endswith(".toml")):
        return None
    file = read_config(config_path(what), changes)
    if not file.config.data.augment:
        return None
    with file.origins.named():
        found = load_parts(file.config, base=file.folder, data_dir=data_dir).augmented
    return None if found is None else (found, file.config.seed)


def _delimiter(path: Path) -> str:
    """The delimiter of a table, by its first record; said on stderr where it is no comma."""
    _, first = first_record(path, records(path, Dialect()))
    found = next((one for one in ";\t|" if len(first) == 1 and one in first[0]), ",")
    if found != ",":
        print(f"neurona: {path}: read with delimiter = {json.dumps(found)}", file=sys.stderr)
    return found


def _of_config(file: ConfigFile, data_dir: Path | None) -> Parts:
    """The columns of a table as they are, other data as they are divided."""
    with file.origins.named():
        origin = sources.find(file.config.data, file.folder, data_dir)
        if isinstance(next(iter(origin.parts.values())), Table):
            tables: Mapping[str, Any] = origin.parts
            return tables
        parts = load_parts(file.config, base=file.folder, data_dir=data_dir)
    return {name: _in_memory(part) for name, part in parts.named.items()}


def _in_memory(part: Dataset | Source) -> Dataset:
    if isinstance(part, Dataset):
        return part
    inputs, targets = part.read_batch(np.arange(len(part)))[:2]
    return Dataset(inputs=inputs, targets=targets, classes=part.classes, target_name="class")


def describe(what: str, changes: list[str], data_dir: Path | None, as_json: bool) -> None:
    """Print what is in data."""
    text = find_text(what, changes, data_dir)
    if text is not None:
        told = describe_text(text)
        print_json(told) if as_json else print(*text_lines(told), sep="\n")
        return
    parts = find(what, changes, data_dir)
    described = {name: _describe(part) for name, part in parts.items()}
    if as_json:
        print_json(described)
        return
    named = list(parts.items())
    for number, (name, part) in enumerate(named):
        print(f"{name}: {len(part):,} {_kind(part)}")
        for line in _table_lines(part) if isinstance(part, Table) else _lines(described[name]):
            print(f"  {line}")
        if number == len(named) - 1 and part.description:
            print(part.description)


def _describe(part: Dataset | Table) -> dict[str, Any]:
    if isinstance(part, Table):
        return {"samples": len(part), "target": part.target, "columns": part.describe()}
    inputs = part.inputs
    described: dict[str, Any] = {
        "samples": len(part),
        "shape": list(inputs.shape[1:]),
        "dtype": str(inputs.dtype),
        "min": float(inputs.min()),
        "max": float(inputs.max()),
        "mean": float(inputs.mean(dtype=np.float64)),
        "std": float(inputs.std(dtype=np.float64)),
        "target": part.target_name,
    }
    if part.classes:
        counts = np.bincount(part.targets, minlength=len(part.classes)).tolist()
        described["classes"] = dict(zip(part.classes, counts, strict=True))
    else:
        described["targets"] = {
            "min": float(part.targets.min()),
            "max": float(part.targets.max()),
            "mean": float(part.targets.mean()),
            "std": float(part.targets.std()),
        }
    return described


def _lines(described: dict[str, Any]) -> list[str]:
    """The lines about a data set of numbers."""
    lines = [
        f"inputs {described['dtype']} {described['min']:g}…{described['max']:g}, "
        f"mean {described['mean']:.4g}, standard deviation {described['std']:.4g}"
    ]
    classes = described.get("classes")
    if classes is None:
        targets = described["targets"]
        lines.append(
            f"target {described['target']}: {targets['min']:g}…{targets['max']:g}, "
            f"mean {targets['mean']:.4g}, standard deviation {targets['std']:.4g}"
        )
    elif len(classes) <= MANY:
        told = ", ".join(f"{name} {count:,}" for name, count in classes.items())
        lines.append(f"{described['target']}: {told}")
    else:
        few, most = min(classes.values()), max(classes.values())
        lines.append(f"{described['target']}: {len(classes)} classes of {few:,}…{most:,} samples")
    return lines


def _table_lines(table: Table) -> list[str]:
    """A line a column."""
    rows = [["column", "kind", "missing", "distinct", "values"]]
    for column in table.describe():
        if column["kind"] == "numeric":
            mean, std = column["mean"], column["std"]
            values = f"{column['min']:g}…{column['max']:g}" if mean is not None else ""
            values += f", mean {mean:.4g}" if mean is not None else ""
            values += f", standard deviation {std:.4g}" if std is not None else ""
        else:
            values = ", ".join(f"{name} {count:,}" for name, count in column["commonest"])
        name = f"{column['name']} (target)" if column["name"] == table.target else column["name"]
        counts = [f"{column['missing']:,}", f"{column['distinct']:,}"]
        rows.append([name, column["kind"], *counts, values])
    return list(columns(rows, right=(2, 3)))


# --- export ---


def export(name: str, folder: Path, count: int | None, data_dir: Path | None) -> None:
    """Write pictures as `folder/class/0001.png` and so on, classes in their proportions."""
    from PIL import Image

    if name not in DATASETS:
        raise ArgumentError(f"data export: unknown data set {name!r}{nearest(name, DATASETS)}")
    parts = load_set(name, data_dir)
    whole = next(iter(parts.values()))
    if isinstance(whole, Table) or whole.inputs.ndim < 3 or not whole.classes:
        raise ArgumentError(f"data export: {name!r} has no pictures with classes")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArgumentError(f"{folder}: is there already; choose a new folder")
    chosen = np.arange(len(whole))
    if count is not None and count < len(whole):
        share = count / len(whole)
        chosen, _ = data.split_indices(len(whole), (share, 1 - share), stratify=whole.targets)
    most = whole.inputs.max()
    written: Counter[str] = Counter()
    for number in chosen.tolist():
        label = whole.classes[whole.targets[number]]
        (folder / label).mkdir(parents=True, exist_ok=True)
        written[label] += 1
        with replacing(folder / label / f"{written[label]:04d}.png") as file:
            Image.fromarray(to_bytes(whole.inputs[number], most)).save(file, "PNG")
    print(f"{folder}: {len(chosen):,} pictures in {len(whole.classes)} folders")
