"""Where the samples of a configuration come from: named sets, tables, pictures, files of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurona import data
from neurona.core.errors import ArgumentError, DataError
from neurona.data.dataset import Dataset
from neurona.data.fetch import folder_of
from neurona.data.images import LAYOUTS
from neurona.data.readers import DigitReader, ImageReader, Reader
from neurona.data.source import Source
from neurona.data.table import Table
from neurona.train.experiment.schema import DataConfig

Samples = Dataset | Table | Source


@dataclass(frozen=True, slots=True)
class Origin:
    """What was found: "all", or "train" with "validation" and "test"; and a reader of such files.

    columns: of a table, all that its file has. left_out: its rows in which the target is missing.
    """

    parts: Mapping[str, Samples]
    reader: Reader | None = None
    columns: tuple[str, ...] = ()
    left_out: int = 0


def find(
    config: DataConfig, base: Path, data_dir: str | Path | None = None, download: bool = False
) -> Origin:
    """Read what the configuration names.

    base: the folder that relative paths begin in. Raises what the readers raise, `ArgumentError`
    with the place for a path that leads nowhere.
    """
    if config.name is not None:
        parts: Mapping[str, Any] = data.load(config.name, data_dir=data_dir, download=download)
        reader = DigitReader(config.name) if config.name in LAYOUTS else None
        return _with_columns(Origin(parts, reader), config)
    places = search_places(base, data_dir)
    if config.file is not None:
        return _with_columns(_table(config, locate(config.file, places, "data.file")), config)
    if config.images is not None:
        return _pictures(config, locate(config.images, places, "data.images"))
    if config.npz is not None:
        path = locate(config.npz, places, "data.npz")
        return Origin(data.read_npz(path, inputs=config.inputs, targets=config.targets))
    return _idx(*[locate(file, places, "data.idx") for file in config.idx or ()])


def search_places(base: Path, data_dir: str | Path | None) -> tuple[Path, ...]:
    """Where a relative path may begin: beside the configuration, here, in the data folder."""
    return base, Path(), folder_of(data_dir)


def locate(path: str, places: tuple[Path, ...], key: str) -> Path:
    """The file or folder that a path means, tried from each place in turn.

    Raises `ArgumentError` that tells where it was looked for.
    """
    tried = dict.fromkeys((place / Path(path).expanduser()).resolve() for place in places)
    for one in tried:
        if one.exists():
            return one
    raise ArgumentError(f"{key}: {path!r} is not there; looked for {', '.join(map(str, tried))}")


def _table(config: DataConfig, path: Path) -> Origin:
    table = data.read_csv(
        path,
        columns=config.columns,
        kinds=config.kinds,
        target=config.target,
        delimiter=config.delimiter,
        missing=config.missing,
        comment=config.comment,
        skip=config.skip,
        encoding=config.encoding,
    )
    return Origin({"all": table}, columns=table.columns)


def _with_columns(origin: Origin, config: DataConfig) -> Origin:
    """The same with the columns of its tables that are wanted, target, group and time too."""
    first = next(iter(origin.parts.values()))
    if not isinstance(first, Table):
        for key in ("features", "ignore", "group", "time"):
            if getattr(config, key):
                raise ArgumentError(f"data.{key}: {config.name!r} has no columns")
        return origin
    aside = [key for key in (first.target, config.group, config.time) if key is not None]
    if config.features is None:
        first.require(config.ignore)
        kept = [name for name in first.columns if name not in config.ignore or name in aside]
    else:
        kept = [*config.features, *(name for name in aside if name not in config.features)]
    columns = origin.columns or first.columns
    parts, left_out = {}, 0
    for name, part in origin.parts.items():
        if isinstance(part, Table):
            answered = _answered(part)
            parts[name] = answered.select(kept)
            left_out += len(part) - len(answered)
    return Origin(parts, origin.reader, columns, left_out)


def _answered(table: Table) -> Table:
    """The rows whose target is known; nothing can be learnt from the others."""
    if table.target is None or not (missing := table.missing(table.target)).any():
        return table
    if missing.all():
        raise DataError(f"{table.name}: no row has a value in the target column {table.target!r}")
    return table.take(np.flatnonzero(~missing))


def _pictures(config: DataConfig, folder: Path) -> Origin:
    size = tuple(config.size) if isinstance(config.size, list) else config.size
    options: Any = {"grey": config.grey, "resize": config.resize}
    parts = data.ImageFolder.parts(folder, size=size, **options)
    first = next(iter(parts.values()))
    reader = ImageReader((first.shape[0], first.shape[1]), **options)
    if config.workers:
        return Origin(parts, reader)
    return Origin({name: part.load() for name, part in parts.items()}, reader)


def _idx(inputs: Path, targets: Path) -> Origin:
    numbers = data.read_idx(targets)
    classes: tuple[str, ...] = ()
    if numbers.dtype.kind in "iu" and numbers.ndim == 1 and len(numbers):
        classes = tuple(str(number) for number in range(int(numbers.max()) + 1))
    whole = Dataset(
        inputs=data.read_idx(inputs),
        targets=numbers.astype("int64") if classes else numbers,
        name=inputs.name.partition(".")[0],
        classes=classes,
        target_name="class" if classes else "target",
    )
    return Origin({"all": whole})
