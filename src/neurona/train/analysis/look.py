"""`analyse`: all parts of the analysis, and the two files they are kept in."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import CheckpointError, NeuronaError
from neurona.data.files import replacing
from neurona.data.safetensors import to_safetensors
from neurona.graph import draw
from neurona.train.analysis import answers, first_layer, health, layers, maps, timing
from neurona.train.analysis.material import LeftOut, Material, gather
from neurona.train.analysis.samples import Samples, from_arrays, from_part
from neurona.train.parts import Part
from neurona.train.selection import evaluation_mode, learning_parameters

if TYPE_CHECKING:
    from neurona.train.model import Model

FORMAT = "neurona-analysis"
FORMAT_VERSION = 1
TEXT, ARRAYS = "analysis.json", "analysis.safetensors"
MOST_NODES = 120
"""Of a larger graph a picture shows nothing."""

Found = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def analyse(
    model: Model,
    inputs: Any,
    targets: Any,
    folder: str | PathLike[str],
    *,
    part: str = "validation",
) -> None:
    """Look into a trained model and write what its report shows into `folder`.

    - `inputs`, `targets`: `(sample, …)` as for `Model.evaluate`; at most 2,000 of them, evenly
      spaced, are used. `part`: what they are called.

    `analysis.json` holds right and wrong answers, the worst mistakes, histograms of weights,
    gradients and activations, dead and saturated units, times by layer, and the graph;
    `analysis.safetensors` the arrays that belong to it. What does not apply to a network is left
    out, and the reason kept. The model is as it was afterwards.

    Raises `ShapeError` for lengths that differ, and `CheckpointError` when the folder cannot be
    written.

    >>> from neurona import data, nn, train
    >>> digits = data.digits()
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> model = train.Model(network, preprocessing=train.Division(16), classes=digits.classes)
    >>> model.compile("SGD", "cross_entropy")
    >>> analyse(model, digits.inputs[:50], digits.targets[:50], "run")
    >>> sorted(path.name for path in Path("run").iterdir())
    ['analysis.json', 'analysis.safetensors']
    """
    _analyse(model, lambda most: from_arrays(model, inputs, targets, most), folder, part)


def analyse_part(model: Model, part: Part, folder: str | PathLike[str], name: str) -> None:
    """`analyse` on a part that `fit` was served from."""
    _analyse(model, lambda most: from_part(model, part, most), folder, name)


def _analyse(
    model: Model, take: Callable[[int], Samples], folder: str | PathLike[str], part: str
) -> None:
    with evaluation_mode(model.network):
        found, arrays = _look(gather(model, take))
    _write(Path(folder), {"part": part, **found}, arrays)


def _look(material: Material) -> tuple[Found, Arrays]:
    task = answers.task_of(material)
    found: Found = {
        "task": task,
        "samples": len(material.inputs),
        "of": material.samples.of,
        "input": {"shape": list(material.raw.shape[1:]), "dtype": str(material.raw.dtype)},
        "output": list(material.outputs.shape[1:]),
        "parameters": material.summary.parameters,
        "learnt": sum(
            p.size for _, p in learning_parameters(material.network, material.model.frozen)
        ),
        "flops": material.summary.flops,
        "left_out": {},
    }
    arrays: Arrays = {}

    def part(name: str, look: Callable[[], Any]) -> Any:
        """What a part found, kept under its name, or None if it does not apply."""
        try:
            result = look()
        except LeftOut as reason:
            found["left_out"][name] = str(reason)
            return None
        except (NeuronaError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            # Networks are of any kind: what fails for one part must not cost the others.
            found["left_out"][name] = f"failed: {' '.join(str(error).split())}"
            return None
        if isinstance(result, tuple):
            result, new = result
            arrays.update(new)
        found[name] = result
        return result

    part("answers", lambda: answers.summary_of_answers(material, task))
    part("baseline", lambda: answers.baseline_of(material, task))
    part("mistakes", lambda: answers.worst_mistakes(material, task))
    part("weights", lambda: _weights(material))
    watched: list[layers.Layer] = []
    part("layers", lambda: watched.extend(layers.watch(material.network, material.inputs)))
    found["layers"] = [layer.found() for layer in watched]
    part("first_layer", lambda: first_layer.first_weights(material, watched))
    part("maps", lambda: maps.activation_maps(material))
    part("timing", lambda: _timing(material, found["layers"]))
    part("graph", lambda: _graph(material))
    weights = (found.get("weights") or {}).get("parameters", [])
    part("alarms", lambda: health.alarms(found["layers"], weights))
    return found, arrays


def _weights(material: Material) -> Found:
    entries, batch = layers.describe_parameters(material)
    return {"parameters": entries, "gradients_of": batch}


def _timing(material: Material, entries: list[Found]) -> Found:
    """Times go to the layers they belong to, with their operations and parameters."""
    whole, times = timing.time_layers(material)
    rows = {(row.path, row.kind): row for row in material.summary.rows}
    for entry, seconds in zip(entries, times, strict=True):
        entry["seconds"] = seconds
        row = rows.get((entry["path"], entry["kind"]))
        if row is not None:
            entry["flops"] = row.flops
            entry["parameters"] = row.parameters
            entry["output"] = [list(shape[1:]) for shape in row.output]
    return whole


def _graph(material: Material) -> Found:
    drawing = draw(material.network, material.inputs[:1])
    if len(drawing.boxes) > MOST_NODES:
        raise LeftOut(
            f"it has {len(drawing.boxes)} nodes, more than the {MOST_NODES} that a picture can show"
        )
    return {"svg": drawing.svg, "nodes": len(drawing.boxes), "edges": len(drawing.edges)}


# --- the files ---


def _write(folder: Path, found: Found, arrays: Arrays) -> None:
    content = to_safetensors(arrays)
    head = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "arrays": {"file": ARRAYS, "sha256": hashlib.sha256(content).hexdigest()},
    }
    text = json.dumps(_plain({**head, **found}), ensure_ascii=False, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / ARRAYS) as file:
            file.write(content)
        with replacing(folder / TEXT) as file:
            file.write(text.encode() + b"\n")
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _plain(value: Any) -> Any:
    """The same as JSON takes it; numbers that are not finite as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
