"""From a TOML file to a checked configuration."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from neurona.core.errors import ArgumentError, choices, nearest
from neurona.train.experiment.changes import change
from neurona.train.experiment.names import check_names
from neurona.train.experiment.places import TOP, Origins
from neurona.train.experiment.schema import (
    NOT_OF_TEXT,
    OPTIONS,
    ORIGINS,
    PATHS,
    Config,
    DataConfig,
)
from neurona.train.experiment.sources import locate, search_places
from neurona.train.experiment.toml import lines_of, to_toml


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration that was read: `raw` as nested dictionaries, `origins` of its values."""

    path: Path
    text: str
    raw: dict[str, Any]
    config: Config
    origins: Origins

    @property
    def folder(self) -> Path:
        """Where relative paths in it begin."""
        return self.path.parent

    def to_toml(self, data_dir: str | Path | None = None) -> str:
        """The configuration as it holds, with all changes and with whole paths to its data.

        What stays the same stays as it was written, with its comments.
        """
        table = dict(self.raw["data"])
        places = search_places(self.folder, data_dir)
        for key in PATHS:
            if isinstance(table.get(key), str):
                table[key] = str(locate(table[key], places, f"data.{key}"))
            elif key in table:
                table[key] = [str(locate(one, places, f"data.{key}")) for one in table[key]]
        wanted = {**self.raw, "data": table}
        lines = self.text.splitlines()
        for key in PATHS:
            if table.get(key) != self.raw["data"].get(key) and ("data", key) in self.origins.lines:
                number = self.origins.lines["data", key] - 1
                lines[number] = lines[number].replace(
                    _plain(self.raw["data"][key]), _plain(table[key])
                )
        text = "\n".join([*lines, ""])
        return text if _means(text, wanted) else to_toml(wanted)


def _plain(value: Any) -> str:
    """A string or a list of them as most people write it."""
    return json.dumps(value, ensure_ascii=False)


def _means(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def read_config(path: str | Path, changes: Iterable[str] = ()) -> ConfigFile:
    """Read and check a TOML file; changes: as "training.epochs=3", done first.

    Raises `ArgumentError` with file and line, or the change, for a file that is missing or not
    TOML, unknown keys and names (with the nearest known one), and values of a wrong type or out of
    range.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        raise ArgumentError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{path}: not TOML: {error}") from None
    raw, changed = change(raw, changes)
    origins = Origins(str(path), lines_of(text), changed)
    with origins.named():
        return ConfigFile(path, text, raw, parse_config(raw), origins)


def parse_config(raw: Mapping[str, Any]) -> Config:
    """The configuration in nested dictionaries. Raises `ArgumentError` with the place.

    >>> parse_config({"data": {"nmae": "digits"}, "network": {}, "training": {}})
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: data: unknown key 'nmae'; did you mean 'name'?
    """
    _check_keys(raw, Config, "")
    try:
        config = msgspec.convert(dict(raw), Config, strict=True)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        where = place.rstrip("`").lstrip(".").replace("[...]", "") or "the configuration"
        raise ArgumentError(f"{where}: {_in_words(message)}{_known(message, where)}") from None
    _check_values(config)
    check_names(config)
    return config


def _in_words(message: str) -> str:
    """A message of msgspec in the words of TOML."""
    words = {"object": "table", "array": "list", "str": "string", "int": "whole number"}
    words |= {"float": "number", "bool": "true or false", "null": "nothing"}
    if message.startswith("Object missing required field"):
        return f"the key {message.split('`')[1]!r} is missing"
    if message.startswith("Expected `"):
        _, wanted, _, found, _ = message.split("`")
        kinds = [words.get(kind, kind) for kind in wanted.split(" | ") if kind != "null"]
        return f"expected {' or '.join(kinds)}, found {words.get(found, found)}"
    return message[0].lower() + message[1:]


def _known(message: str, place: str) -> str:
    """What there is to choose from at a place, if the message says that something else stands."""
    if not message.startswith("Invalid enum value"):
        return ""
    kind: Any = Config
    for key in place.split("."):
        kind = {field.name: field.type for field in msgspec.structs.fields(kind)}.get(key)
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            break
    parts = [part for part in (kind, *get_args(kind)) if get_origin(part) is Literal]
    known = [str(value) for part in parts for value in get_args(part)]
    return choices(message.split("'")[1], known) if known else ""


def _check_keys(raw: Any, kind: Any, place: str) -> None:
    """Raise `ArgumentError` for the first key that the Struct has no field for."""
    if not isinstance(raw, Mapping):
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in fields:
            raise ArgumentError(
                f"{place or TOP}: unknown key {key!r}{nearest(key, fields)}"
                + ("" if nearest(key, fields) else f" (known: {', '.join(fields)})")
            )
        if isinstance(fields[key], type) and issubclass(fields[key], msgspec.Struct):
            _check_keys(value, fields[key], f"{place}.{key}" if place else key)


def _check_values(config: Config) -> None:
    training = config.training
    for place, number, low in (
        ("training.epochs", training.epochs, 1),
        ("training.batch_size", training.batch_size, 1),
        ("seed", config.seed, 0),
    ):
        if number < low:
            raise ArgumentError(f"{place}: must be at least {low}, found {number}")
    _check_data(config.data)
    _check_text(config)
    if config.network.kind is None and not config.network.layers:
        raise ArgumentError("network.layers: there are none")
    if config.network.kind is not None and config.network.layers:
        raise ArgumentError("network.kind: give the name of a network or its layers, not both")


def _check_data(data: DataConfig) -> None:
    given = [key for key in ORIGINS if getattr(data, key) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ArgumentError(f"data: one of {', '.join(ORIGINS)} is needed, found {found}")
    for field in msgspec.structs.fields(DataConfig):
        key, owners = field.name, [origin for origin in ORIGINS if field.name in OPTIONS[origin]]
        if key == "workers" and data.augment:
            continue
        if owners and given[0] not in owners and getattr(data, key) != getattr(_EMPTY, key):
            raise ArgumentError(f"data.{key}: belongs to {' and '.join(owners)}, not to {given[0]}")
    if data.file is not None and data.target is None:
        raise ArgumentError("data.file: needs 'target', the column that is to be predicted")
    if data.idx is not None and len(data.idx) != 2:
        raise ArgumentError(f"data.idx: two files are needed, inputs and targets: {data.idx}")
    if data.group is not None and data.time is not None:
        raise ArgumentError("data.time: give group or time, not both")
    for place, number, low in (
        ("data.skip", data.skip, 0),
        ("data.max_categories", data.max_categories, 1),
        ("data.min_count", data.min_count, 1),
        ("data.workers", data.workers, 0),
        ("data.length", data.length, 1),
    ):
        if number < low:
            raise ArgumentError(f"{place}: must be at least {low}, found {number}")
    _check_split(data)
    if data.divide_by is not None and data.standardize:
        raise ArgumentError("data.standardize: give divide_by or standardize, not both")
    if data.divide_by is not None and (data.divide_by == 0 or not math.isfinite(data.divide_by)):
        raise ArgumentError(f"data.divide_by: must be finite and not 0, found {data.divide_by}")


def _check_text(config: Config) -> None:
    data, training = config.data, config.training
    if training.steps_per_epoch is not None:
        if data.text is None or data.windows != "random":
            raise ArgumentError(
                "training.steps_per_epoch: belongs to random windows of a text; elsewhere an epoch "
                "serves every sample once"
            )
        if training.steps_per_epoch < 1:
            raise ArgumentError(
                f"training.steps_per_epoch: must be at least 1, found {training.steps_per_epoch}"
            )
    if data.text is None:
        return
    for key in NOT_OF_TEXT:
        if getattr(data, key) != getattr(_EMPTY, key):
            raise ArgumentError(f"data.{key}: means nothing for a text")
    if training.class_weight is not None:
        raise ArgumentError("training.class_weight: means nothing for a text")
    if config.network.kind is None:
        raise ArgumentError(
            "network.kind: a text needs a language model, as in "
            '{ name = "GPT", layers = 4 }, not layers'
        )


def _check_split(data: DataConfig) -> None:
    if data.split is None:
        return
    shares = data.split
    if not 1 <= len(shares) <= 3 or not all(0 <= share <= 1 for share in shares):
        raise ArgumentError(
            "data.split: shares of the training, validation and test part are needed, as in "
            f"[0.8, 0.1, 0.1], found {shares}"
        )
    if not math.isclose(sum(shares), 1, abs_tol=1e-6) or not shares[0]:
        raise ArgumentError(
            f"data.split: the shares must add up to 1, the first above 0, found {shares}"
        )


_EMPTY = DataConfig()
