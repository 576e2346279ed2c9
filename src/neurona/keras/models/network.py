"""KerasNetwork: layers wired as a graph without cycles, as one module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from neurona import nn, train
from neurona.core.errors import ArgumentError, NeuronaError
from neurona.core.op import Spec
from neurona.core.tensor import Tensor
from neurona.keras import layers as known_layers
from neurona.keras.layer import Layer, Weight, outline, spec_of
from neurona.keras.models.wiring import Wiring
from neurona.keras.symbolic import KerasTensor, Shape, lengths_of, size
from neurona.ops.broadcast import reshape
from neurona.ops.operand import cast, operand
from neurona.train.architecture import layer_class


class Call(NamedTuple):
    """A layer called once. layer: its name. inputs: the numbers of the tensors it takes.

    options: what else it was told.
    """

    layer: str
    inputs: tuple[int, ...]
    options: dict[str, Any]

    def described(self) -> list[Any]:
        """As plain data, options only where there are any."""
        return [self.layer, list(self.inputs), *([self.options] if self.options else [])]


@train.register
class KerasNetwork(Layer):
    """The layers between `inputs` and `output`, each under its name, as one module.

    The tensors are numbered: the inputs first, then what each call gives. A layer that is called
    several times is there once. Several inputs come as one array (batch, …) in which those of each
    sample stand one after the other; `pack` makes it.
    """

    def __init__(
        self, inputs: Sequence[KerasTensor], output: KerasTensor, name: str | None = None
    ) -> None:
        self.sequential = False
        super().__init__(name=name)
        wiring = Wiring(inputs, output)
        self.SEVERAL = len(inputs) > 1
        self._inputs = tuple(inputs)
        self._output = output
        self._names = wiring.names()
        for layer, key in self._names.items():
            if hasattr(nn.ModuleDict(), key) or not key or "." in key:
                raise ArgumentError(f"Model: a layer cannot have the name {key!r}; give another")
            layer.name = layer.name or key
        self.layers = nn.ModuleDict({key: layer for layer, key in self._names.items()})
        self._calls = tuple(
            Call(self._names[layer], numbers, options)
            for layer, numbers, options in wiring.numbered()
        )
        self._last = wiring.number_of(output)
        self._tensors = (*wiring.inputs, *wiring.calls)
        self._shape = tuple(one.shape for one in inputs)
        self._compiled: dict[str, Any] | None = None

    @property
    def kind(self) -> str:
        """The class of the model, as messages and summaries show it."""
        return "Sequential" if self.sequential else "Functional"

    # --- as a module ---

    def forward(self, x: Any) -> Tensor:
        tensors, layers = self.unpack(x), self.inside
        for name, inputs, options in self._calls:
            layer = layers[name]
            given = [tensors[i] for i in inputs]
            tensors.append(layer.wired(given if layer.SEVERAL else given[0], **options))
        return tensors[self._last]

    def unpack(self, x: Any) -> list[Tensor]:
        """The inputs, from one array with all of them or a list of them."""
        if len(self._inputs) == 1:
            return [operand(x[0] if isinstance(x, (list, tuple)) else x)]
        if isinstance(x, (list, tuple)):
            return [operand(one) for one in x]
        packed, start, tensors = operand(x), 0, []
        for one in self._inputs:
            stop = start + size(one.shape)
            part = packed[:, start:stop]
            tensors.append(cast(reshape(part, (part.shape[0], *lengths_of(one.shape))), one.dtype))
            start = stop
        return tensors

    def connect(self, *inputs: Any, **options: Any) -> KerasTensor:
        wanted = [one.shape for one in self._inputs]
        found = [getattr(one, "shape", one) for one in inputs]
        if found != wanted:
            raise ArgumentError(f"{self.title}: its inputs are {wanted}, not {found}")
        return super().connect(*inputs, **options)

    # --- what is in it ---

    @property
    def inside(self) -> dict[str, Layer]:
        """The layers by name in Keras's order, the places of the inputs first."""
        return {name: layer for layer, name in self._names.items()}

    @property
    def inputs(self) -> tuple[KerasTensor, ...]:
        """The tensors that stand for the data."""
        return self._inputs

    @property
    def output(self) -> KerasTensor:
        """The tensor that stands for the result."""
        return self._output

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls in the order they are made."""
        return self._calls

    def shape_of(self, number: int) -> Shape:
        """The shape of a tensor by its number."""
        return self._tensors[number].shape

    def own_weights(self) -> Sequence[Weight]:
        return [
            weight._replace(name=f"{name}/{weight.name}")
            for name, layer in self.inside.items()
            for weight in layer.own_weights()
        ]

    def penalties(self) -> Sequence[Tensor]:
        return [term for layer in self.inside.values() for term in layer.penalties()]

    def check(self) -> Spec:
        """Wire all layers once more, without computing; the output's shape and dtype."""
        return outline(self, [spec_of(one) for one in self._inputs], several=self.SEVERAL)

    # --- as plain data ---

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self._trainable,
            "layers": [
                {"class_name": type(layer).__name__, "config": {**layer.get_config(), "name": name}}
                for name, layer in self.inside.items()
            ],
            "inputs": [self._names[one.layer] for one in self._inputs],
            "calls": [call.described() for call in self._calls],
            "output": self._last,
            "sequential": self.sequential,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> KerasNetwork:
        """The network that has this `get_config()`. Raises `ArgumentError` for what is none."""
        try:
            return cls._from(config)
        except NeuronaError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ArgumentError(
                f"keras: not the description of a model: {type(error).__name__} {error}"
            ) from None
        except (MemoryError, RecursionError) as error:
            raise ArgumentError(
                f"keras: a model too large or deep: {type(error).__name__}"
            ) from None

    @classmethod
    def _from(cls, config: Mapping[str, Any]) -> KerasNetwork:
        made: dict[str, Any] = {one["config"]["name"]: layer_of(one) for one in config["layers"]}
        inputs = [made[name].output for name in config["inputs"]]
        tensors: list[KerasTensor] = list(inputs)
        for name, numbers, *options in config["calls"]:
            more = options[0] if options else {}
            tensors.append(made[name].connect(*[tensors[i] for i in numbers], **more))
        network = cls(inputs, tensors[config["output"]], name=config["name"])
        network._trainable = config["trainable"]
        network.sequential = config["sequential"]
        return network

    @property
    def compiled(self) -> dict[str, Any] | None:
        """What `compile` was given, as plain data, for `load_model`."""
        return self._compiled

    @compiled.setter
    def compiled(self, arguments: dict[str, Any] | None) -> None:
        self._compiled = arguments

    def description(self) -> dict[str, Any]:
        """What `train.describe` keeps of it."""
        return {**self.get_config(), "compiled": self._compiled}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> KerasNetwork:
        """What `train.build` makes of a description."""
        network = cls.from_config(description)
        network.compiled = description.get("compiled")
        return network


def layer_of(description: Mapping[str, Any]) -> Layer:
    """The layer of a class name and a configuration; a network inside a network included.

    Raises `ArgumentError` for a class that is not there.
    """
    name, config = description["class_name"], description["config"]
    known = name in known_layers.__all__
    cls: Any = getattr(known_layers, name) if known else layer_class(str(name), "keras")
    if not (isinstance(cls, type) and issubclass(cls, Layer)):
        raise ArgumentError(f"keras: {name!r} is no layer of Keras's spelling")
    made: Layer = cls.from_config(config)
    return made
