"""Models in files: the folder of `train.Model.save`, safetensors for weights alone, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from neurona import train
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.data.files import replacing
from neurona.data.safetensors import from_safetensors, to_safetensors
from neurona.keras.models.network import KerasNetwork

if TYPE_CHECKING:
    from neurona.keras.models.model import Model

FOREIGN = (".keras", ".h5", ".hdf5")
WEIGHTS = ".safetensors"


def checked(path: str | PathLike[str], suffix: str = "") -> Path:
    """The path. Raises `ArgumentError` for a name that promises a file of Keras's."""
    found = Path(path)
    if found.suffix in FOREIGN or (suffix and found.suffix != suffix):
        what = f"a file that ends in {suffix}" if suffix else "a folder"
        raise ArgumentError(f"{found}: Neurona does not write Keras's files; name {what}")
    return found


def save_weights(network: KerasNetwork, path: str | PathLike[str]) -> None:
    """Write all weights into one safetensors file, whole or not at all."""
    file = checked(path, WEIGHTS)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as out:
            out.write(to_safetensors(network.state_dict()))
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be written: {error.strerror or error}") from None


def load_weights(network: KerasNetwork, path: str | PathLike[str]) -> None:
    """Take over the weights that `save_weights` wrote, or those of a saved model's folder."""
    file = checked(path) if Path(path).is_dir() else checked(path, WEIGHTS)
    file = file / "weights.safetensors" if file.is_dir() else file
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error.strerror}") from None
    network.load_state_dict(from_safetensors(content, file))


def load_model(filepath: str | PathLike[str]) -> Model:
    """The model that `model.save` wrote, compiled as it was; the optimiser starts anew.

    Raises `CheckpointError` for a folder that holds another model or a damaged one.
    """
    loaded = train.Model.load(checked(filepath))
    if not isinstance(loaded.network, KerasNetwork):
        raise CheckpointError(
            f"{filepath}: holds a {type(loaded.network).__name__} of neurona.nn; load it with "
            "neurona.train.Model.load"
        )
    model = around(loaded.network)
    if loaded.network.compiled is not None:
        model.compile(**loaded.network.compiled)
    return model


def around(network: KerasNetwork) -> Model:
    """The model of a network, a `Sequential` if it was one."""
    from neurona.keras.models.model import Model
    from neurona.keras.models.sequential import Sequential

    return Sequential.of(network) if network.sequential else Model.of(network)


def to_json(network: KerasNetwork) -> str:
    """The layers and how they are wired, without the weights."""
    return json.dumps(network.get_config())


def model_from_json(json_string: str) -> Model:
    """The model that `to_json` described, with new weights.

    Raises `ArgumentError` for what is no such description.
    """
    try:
        config = json.loads(json_string)
    except ValueError as error:
        raise ArgumentError(f"model_from_json: not JSON: {error}") from None
    if not isinstance(config, Mapping):
        raise ArgumentError("model_from_json: not the description of a model")
    return around(KerasNetwork.from_config(config))
