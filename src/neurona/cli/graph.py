"""`neurona graph`."""

from __future__ import annotations

from pathlib import Path

from neurona.cli.described import config_of
from neurona.core.errors import ArgumentError
from neurona.train.experiment import load_parts, make_model
from neurona.train.experiment.parts import first_inputs
from neurona.train.model import Model


def graph(
    described: str, *, changes: list[str], output: Path | None, data_dir: Path | None
) -> None:
    """Print the table of a network's layers, or draw its graph into an SVG file."""
    from neurona.graph import draw

    if output is not None and output.suffix != ".svg":
        raise ArgumentError(f"{output}: a drawing is saved as .svg")
    file, folder = config_of(described, changes)
    with file.origins.named():
        parts = load_parts(file.config, base=file.folder, data_dir=data_dir)
        model = make_model(file.config, parts) if folder is None else Model.load(folder)
    model.network.eval()
    example = first_inputs(parts.training)
    if model.preprocessing is not None:
        example = model.preprocessing.transform(example)
    if output is None:
        print(model.network.summary(example))
        return
    drawing = draw(model.network, example)
    drawing.save(output)
    print(f"{output}: {len(drawing.boxes)} nodes, {len(drawing.edges)} edges")
