"""A network as a list of layers: its shapes, weights by PyTorch's names, what is to be counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from benchmarks.case import Arrays

Kind = Literal["input", "conv", "norm", "relu", "max_pool", "mean", "linear", "add"]


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """The shape of a convolution with a square window; `rows` and `columns` are the input's."""

    inputs: int
    rows: int
    columns: int
    outputs: int
    window: int
    stride: int = 1
    padding: int = 0

    @property
    def result(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of the result."""
        return (self.outputs, *(self._extent(size) for size in (self.rows, self.columns)))

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """(out, in, window, window)."""
        return (self.outputs, self.inputs, self.window, self.window)

    def flops(self, batch: int) -> int:
        """Multiplications and additions, with padded zeros too; both gradients need as many."""
        return 2 * batch * prod(self.result) * self.inputs * self.window**2

    def _extent(self, size: int) -> int:
        return (size + 2 * self.padding - self.window) // self.stride + 1


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer: `inputs` are places in the list, `shape` is the result's without the batch.

    `name` is that of its weights; windows are square. "mean" takes the mean of every channel;
    "linear" flattens what it is given.
    """

    kind: Kind
    name: str = ""
    inputs: tuple[int, ...] = ()
    shape: tuple[int, ...]
    window: int = 1
    stride: int = 1
    padding: int = 0
    bias: bool = True


class Description:
    """Layers in the order of computation; each method adds one and returns its place."""

    def __init__(self, channels: int, side: int) -> None:
        self.layers = [Layer(kind="input", shape=(channels, side, side))]

    def conv(
        self,
        x: int,
        name: str,
        channels: int,
        window: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> int:
        inputs, rows, columns = self.layers[x].shape
        layer = Convolution(
            inputs=inputs,
            rows=rows,
            columns=columns,
            outputs=channels,
            window=window,
            stride=stride,
            padding=padding,
        )
        return self._add(
            Layer(
                kind="conv",
                name=name,
                inputs=(x,),
                shape=layer.result,
                window=window,
                stride=stride,
                padding=padding,
                bias=bias,
            )
        )

    def norm(self, x: int, name: str) -> int:
        return self._add(Layer(kind="norm", name=name, inputs=(x,), shape=self.layers[x].shape))

    def relu(self, x: int) -> int:
        return self._add(Layer(kind="relu", inputs=(x,), shape=self.layers[x].shape))

    def max_pool(self, x: int, window: int, stride: int, padding: int = 0) -> int:
        channels, *sides = self.layers[x].shape
        shape = (channels, *((size + 2 * padding - window) // stride + 1 for size in sides))
        return self._add(
            Layer(
                kind="max_pool",
                inputs=(x,),
                shape=shape,
                window=window,
                stride=stride,
                padding=padding,
            )
        )

    def mean(self, x: int) -> int:
        return self._add(Layer(kind="mean", inputs=(x,), shape=self.layers[x].shape[:1]))

    def linear(self, x: int, name: str, features: int) -> int:
        return self._add(Layer(kind="linear", name=name, inputs=(x,), shape=(features,)))

    def add(self, x: int, y: int) -> int:
        return self._add(Layer(kind="add", inputs=(x, y), shape=self.layers[x].shape))

    def _add(self, layer: Layer) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1

    def convolution(self, layer: Layer) -> Convolution:
        """The shape of a layer of kind "conv"."""
        inputs, rows, columns = self.layers[layer.inputs[0]].shape
        return Convolution(
            inputs=inputs,
            rows=rows,
            columns=columns,
            outputs=layer.shape[0],
            window=layer.window,
            stride=layer.stride,
            padding=layer.padding,
        )

    def convolutions(self) -> list[Convolution]:
        """The shapes of all convolutions, each once, in the order of the network."""
        found = (self.convolution(layer) for layer in self.layers if layer.kind == "conv")
        return list(dict.fromkeys(found))

    def forward_flops(self, batch: int) -> int:
        """Multiplications and additions of the contractions of one pass."""
        return sum(flops for _, flops in self._contractions(batch))

    def training_flops(self, batch: int) -> int:
        """Of a training step: forward, weight gradient and input gradient of every contraction.

        Nobody needs the gradient of the pictures.
        """
        return sum((2 if first else 3) * flops for first, flops in self._contractions(batch))

    def parameters(self) -> int:
        """How many values are trained."""
        return sum(prod(shape) for name, shape in self.shapes() if "running" not in name)

    def buffers(self) -> tuple[str, ...]:
        """Names of the running statistics."""
        return tuple(name for name, _ in self.shapes() if "running" in name)

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes of all weights and running statistics."""
        for layer in self.layers:
            if layer.kind == "conv":
                yield f"{layer.name}.weight", self.convolution(layer).weight
            elif layer.kind == "linear":
                inner = prod(self.layers[layer.inputs[0]].shape)
                yield f"{layer.name}.weight", (layer.shape[0], inner)
            elif layer.kind == "norm":
                for part in ("weight", "bias", "running_mean", "running_var"):
                    yield f"{layer.name}.{part}", layer.shape[:1]
            if layer.kind in ("conv", "linear") and layer.bias:
                yield f"{layer.name}.bias", layer.shape[:1]

    def weights(
        self, rng: np.random.Generator, *, gain: float = 2.0, trained: bool = False
    ) -> Arrays:
        """N(0, gain/fan-in), biases N(0, 0.05²); batch norm as it starts, or as after training.

        He's gain of 2 keeps the size of what passes through ReLUs.
        """
        norms = {layer.name for layer in self.layers if layer.kind == "norm"}
        arrays: Arrays = {}
        for name, shape in self.shapes():
            layer, _, part = name.rpartition(".")
            if layer not in norms:
                deviation = 0.05 if part == "bias" else (gain / prod(shape[1:])) ** 0.5
                value = rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)
            elif not trained:
                value = np.full(shape, part in ("weight", "running_var"), np.float32)
            elif part in ("weight", "running_var"):
                value = rng.uniform(0.5, 1.5, shape).astype(np.float32)
            else:
                value = rng.normal(0, 0.1, shape).astype(np.float32)
            arrays[name] = value
        return arrays

    def _contractions(self, batch: int) -> Iterator[tuple[bool, int]]:
        """FLOPs of each contraction, and whether it reads the pictures."""
        for layer in self.layers:
            if layer.kind == "conv":
                yield layer.inputs == (0,), self.convolution(layer).flops(batch)
            elif layer.kind == "linear":
                inner = prod(self.layers[layer.inputs[0]].shape)
                yield layer.inputs == (0,), 2 * batch * inner * layer.shape[0]
