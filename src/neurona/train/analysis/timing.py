"""How long each layer takes by itself."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

from neurona.compiler import compile as compile_function
from neurona.core.errors import NeuronaError
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.nn.module import Module
from neurona.train.analysis.layers import watch
from neurona.train.analysis.material import Material

BUDGET = 1.5
"""Seconds for all layers together, compilation included; what is left then is not measured."""
LEAST, MOST = 5, 15
"""Runs of each layer."""
ENOUGH = 0.02
"""Seconds after which a layer is run no more, once it was `LEAST` times."""

Found = dict[str, Any]


def time_layers(material: Material) -> tuple[Found, list[float | None]]:
    """The forward time of the whole network, and of each layer by itself, in seconds.

    Each is compiled alone and run on the real input; the median of a few runs. Their sum is more
    than the whole, where layers are fused.
    """
    inputs = material.inputs[: material.batch]
    began = time.perf_counter()
    modules = dict(material.network.named_modules())
    whole = _median(material.network, (inputs,))
    times: list[float | None] = []
    for layer in watch(material.network, inputs):
        spent = time.perf_counter() - began > BUDGET
        times.append(None if spent else _median(modules[layer.path], layer.arguments))
    return {"batch": len(inputs), "seconds": whole}, times


def _median(module: Module, arguments: tuple[Any, ...]) -> float | None:
    """None for what cannot be compiled by itself."""
    arrays = [x.numpy() if isinstance(x, Tensor) else x for x in arguments]
    if not arrays or not all(isinstance(x, np.ndarray) for x in arrays):
        return None
    step = compile_function(lambda *args: module(*args))
    try:
        with no_grad():
            step(*arrays)
            times: list[float] = []
            while len(times) < LEAST or (len(times) < MOST and sum(times) < ENOUGH):
                start = time.perf_counter()
                step(*arrays)
                times.append(time.perf_counter() - start)
    except NeuronaError:
        return None
    return statistics.median(times)
