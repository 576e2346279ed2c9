"""Alarms: layers that have stopped to learn, or that learn too wildly.

The thresholds are rules of thumb; each says why it lies where it does.
"""

from __future__ import annotations

import math
from typing import Any

VANISHING = 1e-3
"""Three sigmoid layers pass at most 1/64 of a gradient (σ′ ≤ ¼), five at most 1/1024: a layer whose
gradient is a thousand times below the largest moves by what five such layers leave over."""
EXPLODING = 10.0
"""Gradient against weights: at a rate of 0.1 a step of SGD would change the weights by more than
there is of them."""
DEAD = 0.4
"""Of ReLUs; from 40 % on, a too large learning rate is the usual reason (CS231n, 2024)."""
SATURATED = 0.5
"""Of the outputs of a hidden sigmoid or tanh: for most samples most units pass no gradient."""

Found = dict[str, Any]


def alarms(layers: list[Found], parameters: list[Found]) -> list[Found]:
    """What is wrong inside: kind, layer, the numbers, and the rule."""
    return [*_gradients(parameters), *_units(layers)]


def _gradients(parameters: list[Found]) -> list[Found]:
    # Biases that start at 0 and gains of 1 have gradients of another size.
    known = [p for p in parameters if "gradient_norm" in p and len(p["shape"]) > 1]
    found = []
    sizes = {p["name"]: p["gradient_norm"] / math.sqrt(math.prod(p["shape"])) for p in known}
    finite = [size for size in sizes.values() if math.isfinite(size)]
    largest = max(finite, default=0.0)
    for parameter in known:
        name, size, norm = parameter["name"], sizes[parameter["name"]], parameter["norm"]
        if not math.isfinite(size):
            text = f"The gradient of {name} holds values that are not finite."
            found.append(_alarm("exploding", name, text, "all gradients must be finite"))
        elif norm > 0 and parameter["gradient_norm"] > EXPLODING * norm:
            ratio = parameter["gradient_norm"] / norm
            text = f"The gradient of {name} is {ratio:.3g} times as large as its weights."
            rule = f"norm of the gradient above {EXPLODING:g} × norm of the weights"
            found.append(_alarm("exploding", name, text, rule))
        elif largest > 0 and size < VANISHING * largest:
            text = (
                f"The gradient of {name} is {size:.1e} a weight, {largest:.1e} in the layer where "
                "it is largest."
            )
            rule = f"gradient a weight (root mean square) below {VANISHING:g} × the largest layer's"
            found.append(_alarm("vanishing", name, text, rule))
    if known and not largest and finite:
        text = "The gradient is 0 in all layers: nothing is learnt any more."
        found.append(_alarm("vanishing", "", text, "a gradient other than 0 somewhere"))
    return found


def _units(layers: list[Found]) -> list[Found]:
    found = []
    for i, layer in enumerate(layers):
        where = f"{layer['kind']} {layer['path']}".strip()
        if layer.get("units") and layer["dead"] / layer["units"] > DEAD:
            share = layer["dead"] / layer["units"]
            text = f"{layer['dead']} of {layer['units']} units of {where} are 0 for all samples."
            rule = f"more than {100 * DEAD:.0f} % dead units ({100 * share:.0f} % here)"
            found.append(_alarm("dead", layer["path"], text, rule))
        # The last layer of a good classifier is sure of itself.
        if i < len(layers) - 1 and layer.get("saturated", 0) > SATURATED:
            text = f"{100 * layer['saturated']:.0f} % of the outputs of {where} are saturated."
            rule = f"more than {100 * SATURATED:.0f} % where the slope is below 5 % of its largest"
            found.append(_alarm("saturated", layer["path"], text, rule))
    return found


def _alarm(kind: str, layer: str, text: str, rule: str) -> Found:
    return {"kind": kind, "layer": layer, "text": text, "rule": rule}
