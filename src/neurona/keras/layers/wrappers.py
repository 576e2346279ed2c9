"""Layers around a layer: both directions of a sequence, and every step for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.keras.layer import Layer, Weight
from neurona.keras.layers.recurrent import Recurrent
from neurona.keras.symbolic import Shape
from neurona.ops.broadcast import reshape
from neurona.ops.join import concat
from neurona.ops.operand import operand

MERGES = ("concat", "sum", "ave", "mul")


def described(layer: Layer) -> dict[str, Any]:
    """A layer as plain data, as models describe theirs."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def made(description: Mapping[str, Any]) -> Any:
    from neurona.keras.models.network import layer_of  # stands above the layers

    return layer_of(description)


class Bidirectional(Layer):
    """A recurrent layer in both directions, the results put together.

    layer: a `SimpleRNN`, `LSTM` or `GRU` that describes both; the layers of the directions are
    `forward_layer` and `backward_layer`, made anew.
    merge_mode: "concat", "sum", "ave" (the mean) or "mul". backward_layer: another layer for the
    way from the end to the start, with `go_backwards`.

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> both = layers.Bidirectional(layers.GRU(4, return_sequences=True))
    >>> both(np.ones((2, 5, 3), np.float32)).shape
    (2, 5, 8)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str = "concat",
        *,
        backward_layer: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        given = [layer] if backward_layer is None else [layer, backward_layer]
        if not all(isinstance(one, Recurrent) for one in given):
            raise ArgumentError(
                f"{self.title}: needs a SimpleRNN, LSTM or GRU, not {type(given[-1]).__name__}"
            )
        if any(one.return_state for one in given):
            raise ArgumentError(f"{self.title}: return_state is not there in both directions")
        if merge_mode not in MERGES:
            raise ArgumentError(
                f"{self.title}: merge_mode is one of {', '.join(MERGES)}, not {merge_mode!r}"
            )
        self.merge_mode = merge_mode
        self.forward_layer = _copy(layer, "forward", layer.go_backwards)
        other = layer if backward_layer is None else backward_layer
        back = not layer.go_backwards if backward_layer is None else other.go_backwards
        self.backward_layer = _copy(other, "backward", back)
        for name in ("return_sequences", "go_backwards"):
            same = getattr(self.forward_layer, name) == getattr(self.backward_layer, name)
            if same != (name == "return_sequences"):
                raise ArgumentError(
                    f"{self.title}: {name} of both layers must be "
                    f"{'the same' if name == 'return_sequences' else 'different'}"
                )

    def build(self, shape: Shape) -> None:
        self.forward_layer.make(shape)
        self.backward_layer.make(shape)

    def forward(self, x: Any) -> Tensor:
        ways = [layer.run(x) for layer in (self.forward_layer, self.backward_layer)]
        whole = self.forward_layer.return_sequences
        a, b = (operand(every if whole else last[0]) for every, last in ways)
        if self.merge_mode == "concat":
            return concat([a, b], axis=-1)
        if self.merge_mode == "mul":
            return a * b
        return a + b if self.merge_mode == "sum" else (a + b) * 0.5

    def own_weights(self) -> Sequence[Weight]:
        return [*self.forward_layer.own_weights(), *self.backward_layer.own_weights()]

    def penalties(self) -> Sequence[Tensor]:
        return [*self.forward_layer.penalties(), *self.backward_layer.penalties()]

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        if self._given_shape is not None:
            config["input_shape"] = list(self._given_shape[1:])
        both = {"layer": self.forward_layer, "backward_layer": self.backward_layer}
        more = {name: described(layer) for name, layer in both.items()}
        return {**config, "merge_mode": self.merge_mode, **more}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        names = ("layer", "backward_layer")
        return cls(**{**config, **{name: made(config[name]) for name in names}})


def _copy(layer: Recurrent, prefix: str, go_backwards: bool) -> Any:
    name = layer.name and f"{prefix}_{layer.name.removeprefix(f'{prefix}_')}"
    return type(layer)(**{**layer.get_config(), "go_backwards": go_backwards, "name": name})


class TimeDistributed(Layer):
    """A layer for every step of a sequence, all with the same weights.

    x: (batch, time, …). layer: one that takes (batch, …). Result: (batch, time, …).

    >>> import numpy as np
    >>> from neurona.keras import layers
    >>> layers.TimeDistributed(layers.Dense(4))(np.ones((2, 5, 3), np.float32)).shape
    (2, 5, 4)
    """

    def __init__(self, layer: Any, **common: Any) -> None:
        super().__init__(**common)
        if not isinstance(layer, Layer):
            raise ArgumentError(f"{self.title}: needs a layer, not {type(layer).__name__}")
        self.layer = layer

    def build(self, shape: Shape) -> None:
        if len(shape) < 3:
            raise ShapeError(f"{self.title}: the input must be (batch, time, …), not {shape}")
        self.layer.make((None, *shape[2:]))

    def forward(self, x: Any) -> Tensor:
        z = operand(x)
        y = operand(self.layer(reshape(z, (-1, *z.shape[2:]))))
        return reshape(y, (-1, z.shape[1], *y.shape[1:]))

    def own_weights(self) -> Sequence[Weight]:
        return self.layer.own_weights()

    def penalties(self) -> Sequence[Tensor]:
        return self.layer.penalties()

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        if self._given_shape is not None:
            config["input_shape"] = list(self._given_shape[1:])
        return {**config, "layer": described(self.layer)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        return cls(**{**config, "layer": made(config["layer"])})
