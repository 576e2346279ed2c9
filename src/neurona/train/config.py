"""Training runs described in TOML: data, network, loss, optimiser, epochs, batch, seed.

seed = 0                        # initial weights, order, dropout, splits

[data]
name = "digits"                 # a data set of neurona.data.load
divide_by = 16                  # inputs / 16; or standardize = true
targets = "labels"              # or a code of neurona.data.encode_targets: "one_hot", …
test = 0.2                      # share kept for the test where the set has no test part
validation = 0.1                # share of the rest measured after each epoch; default 0

[network]
weights = { init = "normal", std = 1.0 }    # an initialiser of neurona.nn.init for weights
biases = { init = "zeros" }                 # and for biases; default: each layer's own
layers = [
    { layer = "Flatten" },
    { layer = "Linear", in_features = 64, out_features = 10 },
]

[training]
loss = "cross_entropy"          # a name of neurona.train.LOSSES
optimizer = { name = "Adam", learning_rate = 1e-3 }
epochs = 15
batch_size = 32                 # default
metrics = ["accuracy"]          # names of neurona.train.METRICS; default
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from neurona import nn
from neurona.core.errors import ArgumentError, nearest
from neurona.core.variable import Variable


class DataConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the module. At most one of `divide_by` and `standardize`."""

    name: str
    divide_by: float | None = None
    standardize: bool = False
    targets: Literal["labels", "one_hot", "sigmoid", "tanh"] = "labels"
    test: float = 0.2
    validation: float = 0.0


class NetworkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """layers: descriptions as `neurona.train.describe` gives for the layers of a Sequential."""

    layers: list[dict[str, Any]]
    weights: dict[str, Any] | None = None
    biases: dict[str, Any] | None = None

    def description(self) -> dict[str, Any]:
        """The description of the whole network."""
        return {"layer": "Sequential", "modules": self.layers}


class TrainingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """optimizer: `name` and the options of that class of `neurona.optim`."""

    loss: str
    optimizer: dict[str, Any]
    epochs: int
    batch_size: int = 32
    metrics: tuple[str, ...] = ("accuracy",)


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training run."""

    data: DataConfig
    network: NetworkConfig
    training: TrainingConfig
    seed: int = 0


def read_config(path: str | Path) -> Config:
    """The configuration in a TOML file.

    Raises `ArgumentError` with file and place for a file that is missing or not TOML, unknown keys
    (with the nearest known one) and values of a wrong type. Names of layers, losses and optimisers
    are looked up when the model is prepared, see `prepare`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        raise ArgumentError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{path}: not TOML: {error}") from None
    with locating(path):
        return parse_config(raw)


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
        where = place.rstrip("`").lstrip(".") or "the configuration"
        raise ArgumentError(f"{where}: {message[0].lower()}{message[1:]}") from None
    _check_values(config)
    return config


def _check_keys(raw: Any, kind: Any, place: str) -> None:
    """Raise `ArgumentError` for the first key that the Struct has no field for."""
    if not isinstance(raw, Mapping):
        return
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in raw.items():
        if key not in fields:
            raise ArgumentError(
                f"{place or 'the top'}: unknown key {key!r}{nearest(key, fields)}"
                + ("" if nearest(key, fields) else f" (known: {', '.join(fields)})")
            )
        if isinstance(fields[key], type) and issubclass(fields[key], msgspec.Struct):
            _check_keys(value, fields[key], f"{place}.{key}" if place else key)


def _check_values(config: Config) -> None:
    data, training = config.data, config.training
    for place, number, low in (
        ("training.epochs", training.epochs, 1),
        ("training.batch_size", training.batch_size, 1),
        ("seed", config.seed, 0),
    ):
        if number < low:
            raise ArgumentError(f"{place}: must be at least {low}, found {number}")
    for place, share in (("data.test", data.test), ("data.validation", data.validation)):
        if not 0 <= share < 1:
            raise ArgumentError(f"{place}: a share is in 0…1, below 1, found {share}")
    if data.divide_by is not None and data.standardize:
        raise ArgumentError("data: give divide_by or standardize, not both")
    if data.divide_by == 0:
        raise ArgumentError("data.divide_by: must not be 0")
    if not config.network.layers:
        raise ArgumentError("network.layers: there are none")
    if not isinstance(training.optimizer.get("name"), str):
        raise ArgumentError("training.optimizer: 'name' is missing, as in { name = \"Adam\" }")


@contextmanager
def locating(path: str | Path) -> Iterator[None]:
    """Put the file in front of errors, and the line of what they complain of, if only one can be.

    Messages begin with the place ("network.layers[2]") and quote ('…') a wrong name.
    """
    try:
        yield
    except ArgumentError as error:
        text = Path(path).read_text(encoding="utf-8")
        raise ArgumentError(_located(str(error), str(path), text)) from None


def _located(message: str, path: str, text: str) -> str:
    place = message.partition(":")[0]
    quoted = re.search(r"'([^']+)'", message)
    token = quoted[1] if quoted else re.split(r"[.\[]", place)[-1]
    line = _line_of(text, re.split(r"[.\[]", place)[0], token)
    return f"{path}{f':{line}' if line else ''}: {message}"


def _line_of(text: str, table: str, token: str) -> int | None:
    """The only line, from 1, on which `token` stands in a table, or in the file if it has none."""
    word = re.compile(rf"(?<![\w-]){re.escape(token)}(?![\w-])")
    found: dict[str, list[int]] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\[+\s*([\w-]+)", line)
        if header:
            current = header[1]
            found.setdefault(current, [])
        if word.search(line.split("#", 1)[0]):
            found.setdefault(current, []).append(number)
    lines = found.get(table, [number for here in found.values() for number in here])
    return lines[0] if len(lines) == 1 else None


# --- initial values ---

INITIALISERS = (
    "constant",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
)


def initialise(variables: list[Variable], table: Mapping[str, Any] | None, place: str) -> None:
    """Fill the Variables as the table says: `init` and the options of that function of `nn.init`.

    Raises `ArgumentError`, with the place, for unknown names, options and values.
    """
    if table is None:
        return
    name = table.get("init")
    if name not in INITIALISERS:
        raise ArgumentError(
            f"{place}: unknown init {name!r}{nearest(str(name), INITIALISERS)} "
            f"(known: {', '.join(INITIALISERS)})"
        )
    fill = getattr(nn.init, name)
    options = {key: value for key, value in table.items() if key != "init"}
    known = [k for k in inspect.signature(fill).parameters if k not in ("variable", "generator")]
    for option in options:
        if option not in known:
            raise ArgumentError(
                f"{place}: {name} has no option {option!r}{nearest(option, known)} "
                f"(known: {', '.join(known) or 'none'})"
            )
    try:
        for variable in variables:
            fill(variable, **options)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{place}: {error}") from None
