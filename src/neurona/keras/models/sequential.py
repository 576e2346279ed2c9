"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.keras.layer import Layer
from neurona.keras.layers.reshaping import Input, InputLayer
from neurona.keras.models.model import Model, without_inputs
from neurona.keras.models.network import KerasNetwork
from neurona.keras.models.training import Trained
from neurona.keras.models.wiring import free
from neurona.keras.named import snake
from neurona.keras.symbolic import KerasTensor, batched, lengths_of


class Sequential(Model):
    """Layers one after the other, from a list or added one by one.

    The first layer says what it takes (`input_dim=20`, `input_shape=(8, 8)` or an `Input` before
    it); without that the weights are made for the data that come first.

    >>> from neurona.keras import Sequential, layers
    >>> model = Sequential([layers.Dense(64, activation="relu", input_dim=20), layers.Dense(10)])
    >>> model.output_shape, model.count_params()
    ((None, 10), 1994)
    """

    def __init__(self, layers: Sequence[Any] | None = None, name: str | None = None) -> None:
        Trained.__init__(self)
        self._title = name or "sequential"
        self._layers: list[Layer] = []
        self._start: KerasTensor | None = None
        self._end: KerasTensor | None = None
        self._made: KerasNetwork | None = None
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Add a layer, a model or an `Input` at the end.

        Raises what the layer raises for the shape before it, with its name.
        """
        if isinstance(layer, KerasTensor) and isinstance(layer.layer, InputLayer):
            layer = layer.layer
        if isinstance(layer, Model):
            layer = layer.network
        if not isinstance(layer, Layer):
            hint = "; make it, as in Flatten()" if isinstance(layer, type) else ""
            raise ArgumentError(f"Sequential: a layer is needed, not {layer!r}{hint}")
        if isinstance(layer, InputLayer):
            if self._layers or self._start is not None:
                raise ArgumentError("Sequential: an Input stands before all layers")
            self._start = self._end = layer.output
            return
        if layer in self._layers:
            raise ArgumentError(f"Sequential: {layer.title} is there already; use keras.Model")
        self._name(layer)
        if self._start is None and layer._given_shape is not None and not self._layers:
            self._start = self._end = Input(lengths_of(layer._given_shape), dtype=layer.INPUT_DTYPE)
        if self._end is not None:
            self._end = layer.connect(self._end)
        self._layers.append(layer)
        self._changed()

    def _name(self, layer: Layer) -> None:
        taken = {str(one.name) for one in self._layers}
        if layer._given_name and layer.name in taken:
            raise ArgumentError(f"Sequential: two layers have the name {layer.name!r}")
        if layer.name is None or layer.name in taken:
            layer.name = free(layer.name or snake(layer.kind), taken)

    def pop(self) -> None:
        """Take the last layer away."""
        if not self._layers:
            raise ArgumentError("Sequential: there is no layer to take away")
        self._layers.pop()
        if self._start is not None:
            self._end = self._start
            for layer in self._layers:
                layer._wired.clear()
                self._end = layer.connect(self._end)
        self._changed()

    def _changed(self) -> None:
        self._made = None
        self._forget()

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of this shape, with or without the batch axis, None."""
        shape = tuple(input_shape)
        lengths = shape[1:] if shape[:1] == (None,) else shape
        if self._start is not None:
            if self._start.shape != batched("build", lengths):
                raise ArgumentError(f"build: the input is {self._start.shape}, not {shape}")
            return
        if not self._layers:
            raise ArgumentError("Sequential: there are no layers yet")
        tensor = Input(lengths, dtype=self._layers[0].INPUT_DTYPE)
        end = tensor
        for layer in self._layers:
            end = layer.connect(end)
        self._start, self._end = tensor, end
        self._changed()

    @property
    def built(self) -> bool:
        """Whether the shape of the input is known and so the weights are there."""
        return self._start is not None

    @property
    def network(self) -> KerasNetwork:
        """The layers as one `nn.Module`. Raises `ArgumentError` as long as they have no weights."""
        if self._made is None:
            if self._start is None or self._end is None or not self._layers:
                raise ArgumentError(
                    "Sequential: the shape of the input is not known yet; give the first layer "
                    "input_dim=… or input_shape=(…), or call build((None, …))"
                )
            self._made = KerasNetwork([self._start], self._end, self._title)
            self._made.sequential = True
        return self._made

    @property
    def name(self) -> str:
        """The model's name."""
        return self._title

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without the place of the input."""
        return list(self._layers)

    @classmethod
    def of(cls, network: KerasNetwork) -> Sequential:
        """A model around a network whose layers stand one after the other."""
        model = cls(name=network.name)
        model._layers = without_inputs(list(network.inside.values()))
        model._start, model._end, model._made = network.inputs[0], network.output, network
        return model
