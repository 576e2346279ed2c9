"""What happens inside: the activations of each layer, dead and saturated units, gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.autodiff import gradients
from neurona.core.errors import NeuronaError
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.nn.module import Module
from neurona.nn.running import RUNNING
from neurona.train.analysis.histogram import MOST_VALUES, histogram, thinned
from neurona.train.analysis.material import BATCH, LeftOut, Material
from neurona.train.selection import learning_parameters

RECTIFIERS = ("ReLU", "ReLU6")
FLAT = 0.05
"""A unit is saturated where its slope is below this share of the largest slope."""
SATURATED: dict[str, Callable[[NDArray[Any]], NDArray[np.bool_]]] = {
    "Sigmoid": lambda y: y * (1 - y) < FLAT / 4,  # slope y(1 − y), at most ¼
    "Tanh": lambda y: 1 - y * y < FLAT,  # slope 1 − y²
    "Softsign": lambda y: (1 - np.abs(y)) ** 2 < FLAT,  # slope (1 − |y|)²
    "Hardtanh": lambda y: (y <= y.min()) | (y >= y.max()),
    "Hardsigmoid": lambda y: (y <= 0) | (y >= 1),
}
"""Where an activation's output shows that hardly any gradient passes."""

Found = dict[str, Any]


@contextmanager
def observing(observer: Callable[[Module, str, tuple[Any, ...], Any], None]) -> Iterator[None]:
    """Tell `observer` of every call of a module. Unlike hooks, no program is compiled again."""
    before = RUNNING.observer
    RUNNING.observer = observer
    try:
        yield
    finally:
        RUNNING.observer = before


@dataclass
class Layer:
    """One place where a module without modules inside is called."""

    path: str
    kind: str
    channels: bool
    arguments: tuple[Any, ...] = ()
    kept: list[NDArray[Any]] = field(default_factory=list)
    alive: NDArray[np.bool_] | None = None
    units: int = 0
    flat: int = 0
    size: int = 0
    floating: bool = True

    def see(self, output: NDArray[Any], most: int) -> None:
        """Take in the outputs of a batch."""
        self.floating = output.dtype.kind == "f"
        if not self.floating or not output.size:
            return
        self.kept.append(thinned(output, most).copy())
        self.size += output.size
        if self.kind in RECTIFIERS:
            active = (output != 0).any(axis=self._over(output.ndim))
            self.alive = active if self.alive is None else self.alive | active
        if self.kind in SATURATED:
            self.flat += int(SATURATED[self.kind](output).sum())

    def _over(self, ndim: int) -> tuple[int, ...]:
        """All axes but that of the units: all of a vector's, a convolution's channels."""
        if ndim <= 2:
            return (0,) if ndim == 2 else ()
        own = 1 if self.channels else ndim - 1
        return tuple(axis for axis in range(ndim) if axis != own)

    def found(self) -> Found:
        """What the report shows."""
        entry: Found = {"path": self.path, "kind": self.kind}
        if not self.kept:
            return entry
        entry["activations"] = histogram(np.concatenate(self.kept)) | {"values": self.size}
        if self.alive is not None:
            entry["units"] = int(self.alive.size)
            entry["dead"] = int(self.alive.size - self.alive.sum())
        if self.kind in SATURATED:
            entry["saturated"] = self.flat / self.size
        return entry


def watch(network: Module, inputs: NDArray[Any]) -> list[Layer]:
    """The layers in the order they run, each with what it gave for all of the inputs."""
    starts = range(0, len(inputs), BATCH)
    watcher = Watcher(max(1, MOST_VALUES // len(starts)))
    with observing(watcher.observe), no_grad():
        for start in starts:
            watcher.begin()
            network(inputs[start : start + BATCH])
    return list(watcher.layers.values())


class Watcher:
    """Enters calls of modules under the module and the turn, since one may be used twice."""

    def __init__(self, most: int) -> None:
        self.layers: dict[tuple[int, int], Layer] = {}
        self.most = most
        self.begin()

    def begin(self) -> None:
        """A new batch comes."""
        self.turns: dict[int, int] = {}
        self.channels = False

    def observe(self, module: Module, path: str, args: tuple[Any, ...], output: Any) -> None:
        """Take in what a module gave, unless modules inside it have said so."""
        if next(module.children(), None) is not None:
            return
        kind = type(module).__name__
        if next(module.parameters(), None) is not None:
            self.channels = "Conv" in kind
        turn = self.turns[id(module)] = self.turns.get(id(module), -1) + 1
        layer = self.layers.get((id(module), turn))
        if layer is None:
            layer = self.layers[id(module), turn] = Layer(path, kind, self.channels, args)
        if isinstance(output, Tensor):
            layer.see(output.numpy(), self.most)


# --- parameters and their gradients ---


def describe_parameters(material: Material) -> tuple[list[Found], Found]:
    """Each parameter with its histogram and that of its gradient; the loss of that batch."""
    named = list(material.network.named_parameters())
    if not named:
        raise LeftOut("the network has no parameters")
    try:
        slopes, loss = loss_gradients(material)
        batch: Found = {"samples": material.batch, "loss": loss}
    except (LeftOut, NeuronaError) as reason:
        slopes, batch = {}, {"left_out": str(reason)}
    entries = []
    learnt = {name for name, _ in learning_parameters(material.network, material.model.frozen)}
    for name, parameter in named:
        values = parameter.numpy()
        entry: Found = {
            "name": name,
            "shape": list(values.shape),
            "learnt": name in learnt,
            "norm": norm(values),
            "weights": histogram(values),
        }
        if name in slopes:
            slope = slopes[name]
            entry["gradient_norm"] = norm(slope)
            entry["gradients"] = histogram(slope)
        entries.append(entry)
    return entries, batch


def loss_gradients(material: Material) -> tuple[dict[str, NDArray[Any]], float]:
    """∂loss/∂parameter on the first samples, evaluated as in use (no dropout), and that loss."""
    size = slice(0, material.batch)
    learnt = {n: p for n, p in material.network.named_parameters() if p.requires_grad}
    if not learnt:
        raise LeftOut("all parameters are frozen")
    loss = material.loss(material.network(material.inputs[size]), material.targets[size])
    found = gradients(loss, list(learnt.values()))
    return {n: g.numpy() for n, g in zip(learnt, found, strict=True)}, loss.item()


def norm(values: NDArray[Any]) -> float:
    """The square root of the sum of the squares, in float64."""
    flat = np.ravel(values).astype(np.float64)
    return float(np.sqrt(flat @ flat))
