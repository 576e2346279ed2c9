"""Model: a network in functional style, or what `Sequential` makes of its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from neurona import train
from neurona.core.errors import ArgumentError, nearest
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.keras.layer import Layer
from neurona.keras.layers.reshaping import InputLayer
from neurona.keras.models import saving
from neurona.keras.models.inputs import inputs_for
from neurona.keras.models.network import KerasNetwork
from neurona.keras.models.summary import table
from neurona.keras.models.training import Trained
from neurona.keras.symbolic import KerasTensor


class Model(Trained):
    """The network between some inputs and an output, with Keras's verbs.

    inputs: a tensor that `Input` gave, or a list of them. outputs: the tensor that is wanted.
    Layers may be used several times, and models are layers of other models.

    >>> from neurona import keras
    >>> from neurona.keras import layers
    >>> a, b = keras.Input((4,)), keras.Input((4,))
    >>> shared = layers.Dense(3)
    >>> model = keras.Model([a, b], layers.Dense(1)(layers.Add()([shared(a), shared(b)])))
    >>> model.count_params()
    19
    """

    def __init__(
        self,
        inputs: KerasTensor | Sequence[KerasTensor],
        outputs: KerasTensor,
        name: str | None = None,
    ) -> None:
        super().__init__()
        given = [inputs] if isinstance(inputs, KerasTensor) else list(inputs)
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]
        if not isinstance(outputs, KerasTensor):
            raise ArgumentError(f"Model: outputs is one KerasTensor, not {outputs!r}")
        self._network = KerasNetwork(given, outputs, name or "functional")

    @property
    def network(self) -> KerasNetwork:
        """The layers as one `nn.Module`."""
        return self._network

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.network.name)

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """The output for KerasTensors (the model becomes a layer) or arrays.

        training: whether dropout and the like are at work, by default not.
        """
        several = isinstance(x, (list, tuple)) and len(self.network.inputs) > 1
        if any(isinstance(one, (KerasTensor, Tensor)) for one in (x if several else [x])):
            return self.network(x, training)
        return self.network(inputs_for(self.network, x, "model"), training)

    # --- what is in it ---

    @property
    def layers(self) -> list[Layer]:
        """The layers in order."""
        return list(self.network.inside.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or at an index. Raises `ArgumentError` with the nearest name."""
        if (name is None) == (index is None):
            raise ArgumentError("get_layer: give a name or an index")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError(
                    f"get_layer: {index} is out of range: {len(self.layers)} layers"
                )
            return self.layers[index]
        inside = self.network.inside
        if name not in inside:
            raise ArgumentError(f"get_layer: no layer {name!r}{nearest(str(name), inside)}")
        return inside[str(name)]

    @property
    def input_shape(self) -> Any:
        """(None, …), or a list of these for several inputs."""
        shapes = [one.shape for one in self.network.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, …)."""
        return self.network.output.shape

    @property
    def inputs(self) -> list[KerasTensor]:
        """The tensors that stand for the data."""
        return list(self.network.inputs)

    @property
    def outputs(self) -> list[KerasTensor]:
        """The tensor that stands for the result, in a list."""
        return [self.network.output]

    @property
    def input(self) -> Any:
        """The tensor that stands for the data, or a list of several."""
        return self.inputs[0] if len(self.inputs) == 1 else self.inputs

    @property
    def output(self) -> KerasTensor:
        """The tensor that stands for the result."""
        return self.network.output

    # --- weights ---

    @property
    def weights(self) -> list[Variable]:
        """The weights of all layers in their order, moving statistics included."""
        return [weight.variable for weight in self.network.own_weights()]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that are learnt."""
        return [one for one in self.network.parameters() if one.requires_grad]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The others: frozen ones and moving statistics."""
        learnt = {id(one) for one in self.trainable_weights}
        return [one for one in self.weights if id(one) not in learnt]

    def get_weights(self) -> list[Array]:
        """Copies of all weights in Keras's order and layouts: kernels are (inputs, outputs)."""
        return self.network.get_weights()

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take over what `get_weights` of such a network gave, here or in Keras; all or none."""
        self.network.set_weights(weights)

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        return self.network.count_params()

    @property
    def trainable(self) -> bool:
        """Whether the weights are learnt; assigning sets all layers. Compile again afterwards."""
        return self.network.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.layers:
            layer.trainable = value
        self.network.trainable = value

    def summary(self, print_fn: Any = print) -> None:
        """Print the layers with their output shapes and parameters."""
        print_fn(table(self.name, type(self).__name__, self.network, self.layers))

    # --- as plain data ---

    def get_config(self) -> dict[str, Any]:
        """The layers and how they are wired, as plain data."""
        return self.network.get_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The model that has this `get_config()`, with new weights."""
        return saving.around(KerasNetwork.from_config(config))

    @classmethod
    def of(cls, network: KerasNetwork) -> Model:
        """A model around a network that is there already."""
        model = Model.__new__(Model)
        Trained.__init__(model)
        model._network = network
        return model

    # --- keeping ---

    def save(self, filepath: str | PathLike[str]) -> None:
        """Write the model into a folder: `model.json` and `weights.safetensors`.

        An earlier model there is replaced, as a whole or not at all. The optimiser's state is not
        kept; a loss, metric or optimiser of one's own leaves the loaded model uncompiled.
        Raises `ArgumentError` for a layer that only code can describe.
        """
        train.Model(self.network).save(saving.checked(filepath))

    def save_weights(self, filepath: str | PathLike[str]) -> None:
        """Write the weights into one file, `….safetensors`."""
        saving.save_weights(self.network, filepath)

    def load_weights(self, filepath: str | PathLike[str]) -> None:
        """Take over the weights of such a file, or of a saved model's folder.

        Raises `CheckpointError` that lists every name and shape that does not fit.
        """
        saving.load_weights(self.network, filepath)

    def to_json(self) -> str:
        """The layers and how they are wired; `keras.models.model_from_json` reads it."""
        return saving.to_json(self.network)


def without_inputs(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that are no places of inputs."""
    return [layer for layer in layers if not isinstance(layer, InputLayer)]
