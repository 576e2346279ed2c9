"""What the layers of a network make of its input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from neurona.core.errors import ArgumentError, choices
from neurona.core.tensor import Tensor
from neurona.nn.module import Module
from neurona.nn.running import RUNNING


class _EnoughError(Exception):
    """All layers that were asked for have run: the rest of the network need not."""


class FeatureExtractor(Module):
    """The outputs of a network's layers by name; what comes after the last of them does not run.

    - `network`: any module. Its weights are used, not copied, in the mode it is in: call `eval()`
      for features as in use.
    - `layers`: names as in `named_modules()` ("layer3", "features.4"), or a mapping from them to
      the names that the result has. A layer that runs several times, as one ReLU in several places,
      has its later outputs under "relu_1", "relu_2", …

    Takes what the network takes. Result: name → Tensor, in the order of `layers`. Raises
    `ArgumentError` for a layer that is not there, with the nearest name, or that did not run.

    >>> import neurona as ne
    >>> from neurona import models
    >>> network = models.LeNet5()
    >>> extract = models.FeatureExtractor(network, {"pool1": "edges", "fc2": "code"})
    >>> {name: x.shape for name, x in extract(ne.zeros((2, 1, 28, 28))).items()}
    {'edges': (2, 6, 14, 14), 'code': (2, 84)}
    """

    def __init__(self, network: Module, layers: Sequence[str] | Mapping[str, str]) -> None:
        if isinstance(layers, str):
            raise ArgumentError(f"FeatureExtractor: layers is a list of names, as in [{layers!r}]")
        pairs = layers.items() if isinstance(layers, Mapping) else [(name, name) for name in layers]
        self.network = network
        self.layers = tuple(pairs)
        known = [path for path, _ in network.named_modules() if path]
        for name, _ in self.layers:
            if name not in known and re.sub(r"_\d+$", "", name) not in known:
                raise ArgumentError(
                    f"FeatureExtractor: {type(network).__name__} has no layer {name!r}"
                    f"{choices(str(name), known)}"
                )

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        found = self._watched(args, kwargs)
        missing = [name for name, _ in self.layers if name not in found]
        if missing:
            raise ArgumentError(f"FeatureExtractor: {', '.join(missing)} did not run")
        return {called: found[name] for name, called in self.layers}

    def _watched(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
        """Run the network until all layers that are wanted have given their output."""
        paths = {id(module): path for path, module in self.network.named_modules() if path}
        wanted = {name for name, _ in self.layers}
        found: dict[str, Tensor] = {}
        calls: dict[str, int] = {}
        before = RUNNING.observer

        def observe(module: Module, path: str, args: tuple[Any, ...], output: Any) -> None:
            if before is not None:
                before(module, path, args, output)
            name = paths.get(id(module))
            if name is None:
                return
            done = calls[name] = calls.get(name, -1) + 1
            key = f"{name}_{done}" if done else name
            if key in wanted:
                found[key] = output
                if len(found) == len(wanted):
                    raise _EnoughError

        RUNNING.observer = observe
        try:
            self.network(*args, **kwargs)
        except _EnoughError:
            pass
        finally:
            RUNNING.observer = before
        return found
