"""The table that `model.summary()` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neurona.keras.layer import Layer

if TYPE_CHECKING:
    from neurona.keras.models.network import KerasNetwork


def table(name: str, kind: str, network: KerasNetwork, layers: Sequence[Layer]) -> str:
    """Layers, output shapes and parameters, as Keras shows them."""
    keys = {layer: key for key, layer in network.inside.items()}
    calls = {call.layer: i + len(network.inputs) for i, call in enumerate(network.calls)}
    branched = any(
        call.inputs != (i + len(network.inputs) - 1,) for i, call in enumerate(network.calls)
    )
    rows = []
    for layer in layers:
        key = keys[layer]
        inputs = [call.inputs for call in network.calls if call.layer == key]
        before = ", ".join(_source(network, number) for numbers in inputs for number in numbers)
        shape = network.shape_of(calls[key]) if key in calls else layer._shape
        row = (f"{key} ({layer.kind})", str(shape), f"{layer.count_params():,}")
        rows.append((*row, before or "-") if branched else row)
    head = ("Layer (type)", "Output Shape", "Param #", *(("Connected to",) * branched))
    widths = [max(len(row[i]) for row in (head, *rows)) + 2 for i in range(len(head))]
    rule = "─" * sum(widths)

    def line(row: tuple[str, ...]) -> str:
        cells = [
            cell.rjust(width - 2) + "  " if i == 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "".join(cells).rstrip()

    weights = [weight.variable for weight in network.own_weights()]
    unique = {id(one): one for one in weights}.values()
    total = sum(one.size for one in unique)
    learnt = sum(one.size for one in unique if one.requires_grad)
    return "\n".join(
        [
            f'Model: "{name}"',
            rule,
            line(head),
            rule,
            *map(line, rows),
            rule,
            *(
                f"{what} params: {count:,} ({_bytes(4 * count)})"
                for what, count in (
                    ("Total", total),
                    ("Trainable", learnt),
                    ("Non-trainable", total - learnt),
                )
            ),
        ]
    )


def _source(network: KerasNetwork, number: int) -> str:
    inputs = network.inputs
    if number < len(inputs):
        return next(k for k, layer in network.inside.items() if layer is inputs[number].layer)
    return network.calls[number - len(inputs)].layer


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{size:.2f} {unit}"
