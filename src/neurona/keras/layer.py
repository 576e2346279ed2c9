"""Layer: what all layers of the Keras spelling share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from neurona.core.dtypes import DType, as_dtype, float32
from neurona.core.errors import ArgumentError, NeuronaError, ShapeError, nearest
from neurona.core.node import constant
from neurona.core.op import Array, Spec
from neurona.core.tensor import Tensor
from neurona.core.trace import recording, set_grad_enabled
from neurona.core.variable import Variable
from neurona.keras.named import arguments, plain
from neurona.keras.symbolic import KerasTensor, batched, lengths_of
from neurona.nn.module import Module

BATCH = 2
"""How many samples stand for the batch where only shapes are worked out."""

COMMON = ("name", "trainable", "dtype", "input_shape", "input_dim")
ABSENT = (
    "activity_regularizer",
    "attention_axes",
    "autocast",
    "batch_input_shape",
    "batch_size",
    "beta_constraint",
    "bias_constraint",
    "embeddings_constraint",
    "flash_attention",
    "gamma_constraint",
    "kernel_constraint",
    "lora_alpha",
    "lora_rank",
    "quantization_config",
    "recurrent_constraint",
    "sliding_window",
    "use_cudnn",
    "use_gate",
    "weights",
)
"""Arguments of Keras's layers that are not there."""


class Weight(NamedTuple):
    """A weight under Keras's name. axes: the order its axes have there, if it is another."""

    name: str
    variable: Variable
    axes: tuple[int, ...] | None = None

    def value(self) -> Array:
        """A copy in Keras's layout."""
        array = self.variable.numpy()
        return array if self.axes is None else np.ascontiguousarray(array.transpose(self.axes))

    def shape(self) -> tuple[int, ...]:
        """The shape in Keras's layout."""
        shape = self.variable.shape
        return shape if self.axes is None else tuple(shape[axis] for axis in self.axes)

    def assign(self, value: Any) -> None:
        """Take over a value in Keras's layout. Raises `ShapeError` when it does not fit."""
        array = np.asarray(value)
        if array.shape != self.shape():
            raise ShapeError(f"{self.name}: the value has shape {array.shape}, not {self.shape()}")
        array = array if self.axes is None else array.transpose(np.argsort(self.axes))
        self.variable.assign(np.ascontiguousarray(array, self.variable.dtype))


class Layer(Module):
    """The base of all layers: parts of `neurona.nn` with Keras's words around them.

    - `name`: by default the class's, numbered within the model ("dense", "dense_1", …).
    - `trainable`: whether the weights are learnt; can be assigned.
    - `input_shape`: of one sample, or `input_dim` for (input_dim,): for the first layer of a
      `Sequential`.
    - `dtype`: only float32.

    A layer makes its weights when it is first called and so knows the shape of its input:
    on a `KerasTensor` it is wired into a network, on arrays it computes, as in evaluation unless
    `training=True` is said.

    A new layer defines `forward(self, x)`, and `build(self, shape)` if it has weights, Variables
    that it assigns to attributes. It keeps its constructor's arguments as attributes of the same
    names, gives `**common` to this class, and can be saved once it is given to `train.register`.

    >>> import neurona as ne
    >>> from neurona import keras
    >>> class Scale(keras.layers.Layer):
    ...     def build(self, shape):
    ...         self.factor = ne.Variable(ne.ones(shape[1:]))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> keras.Sequential([keras.Input((5,)), Scale()]).count_params()
    5
    """

    SEVERAL = False
    """Whether the layer takes a list of tensors."""
    INPUT_DTYPE = "float32"
    """The dtype of the input where the layer is the first and none is given."""

    def __init__(self, **common: Any) -> None:
        self._check(common)
        self.training = False
        self.name: str | None = common.get("name")
        self._trainable = bool(common.get("trainable", True))
        self._given_name = self.name is not None
        self._wired: list[KerasTensor] = []
        self._shape: Any = None
        if common.get("dtype") not in (None, "float32", np.float32, float32):
            raise ArgumentError(f"{self.title}: dtype is float32, not {common['dtype']!r}")
        shape = common.get("input_shape")
        if common.get("input_dim") is not None:
            shape = (common["input_dim"],)
        self._given_shape = None if shape is None else batched(self.title, shape)

    def _check(self, common: Mapping[str, Any]) -> None:
        kind = type(self).__name__
        known = [name for name in arguments(type(self)) if name != "common"]
        for name, value in common.items():
            if name in COMMON or (name in ABSENT and value is None):
                continue
            if name in ABSENT:
                raise ArgumentError(f"{kind}: Keras's argument {name!r} is not there; leave it out")
            raise ArgumentError(
                f"{kind}: no argument {name!r}{nearest(name, [*known, *COMMON])} "
                f"(known: {', '.join([*known, *COMMON])})"
            )

    # --- what a layer defines ---

    def build(self, shape: Any) -> None:
        """Make the weights for inputs of this shape, (None, …), or a list of shapes."""

    def own_weights(self) -> Sequence[Weight]:
        """The weights in Keras's order, learnt ones first."""
        named = [*self.named_parameters(), *self.named_buffers()]
        return [Weight(name, variable) for name, variable in named]

    def penalties(self) -> Sequence[Tensor]:
        """What the layer's regularisers add to the loss."""
        return ()

    # --- calling ---

    def __call__(self, inputs: Any, training: bool | None = None, **options: Any) -> Any:
        """The output for KerasTensors or arrays; see the class.

        training: for this call; by default the mode the layer is in. options: what else `forward`
        takes, as plain data.
        """
        several = self.SEVERAL and isinstance(inputs, (list, tuple))
        tensors = inputs if several else [inputs]
        if any(isinstance(one, KerasTensor) for one in tensors):
            if training is not None:
                raise ArgumentError(f"{self.title}: training is chosen when the model runs")
            return self.connect(*tensors, **options)
        if not self.built:
            shapes = [(None, *np.shape(one)[1:]) for one in tensors]
            self.make(shapes if self.SEVERAL else shapes[0])
        given = [_as_tensor(one) for one in tensors]
        mode = self.training
        if training is not None:
            self.train(training)
        try:
            return super().__call__(given if several else given[0], **options)
        finally:
            if training is not None:
                self.train(mode)

    def wired(self, inputs: Any, **options: Any) -> Any:
        """What the layer gives within a model: one tensor, also where a call gives several."""
        return self(inputs, **options)

    @property
    def built(self) -> bool:
        """Whether the weights are there."""
        return self._shape is not None

    def make(self, shape: Any) -> None:
        """`build`, once."""
        if not self.built:
            self.build(shape)
            self._shape = shape
            self.trainable = self._trainable

    def connect(self, *inputs: Any, **options: Any) -> KerasTensor:
        """The layer's output for tensors of a network being described, and options of the call.

        Raises what the layer raises for inputs of these shapes, with its name.
        """
        wrong = [one for one in inputs if not isinstance(one, KerasTensor)]
        if wrong or not inputs or (len(inputs) > 1 and not self.SEVERAL):
            raise ArgumentError(
                f"{self.title}: needs {'KerasTensors' if self.SEVERAL else 'one KerasTensor'}, as "
                f"Input() and layers give, not {wrong[0] if wrong else len(inputs)!r}"
            )
        shapes = [one.shape for one in inputs]
        specs = [spec_of(one) for one in inputs]
        try:
            self.make(shapes if self.SEVERAL else shapes[0])
            output = outline(self, specs, options, several=self.SEVERAL)
        except NeuronaError as error:
            found = shapes if self.SEVERAL else shapes[0]
            said = str(error).startswith(self.title)
            raise type(error)(
                str(error) if said else f"{self.title}, input {found}: {error}"
            ) from None
        if not output.shape or output.shape[0] != BATCH:
            raise ShapeError(
                f"{self.title}: the first axis must stay the batch; for {BATCH} samples the output "
                f"has shape {output.shape}"
            )
        made = KerasTensor((None, *output.shape[1:]), output.dtype, self, tuple(inputs), options)
        self._wired.append(made)
        return made

    @property
    def output(self) -> KerasTensor:
        """The tensor that the layer gave when it was wired, as the output of another model.

        Raises `ArgumentError` unless it was wired once.
        """
        if len(self._wired) != 1:
            raise ArgumentError(
                f"{self.title}: it was wired {len(self._wired)} times, so it has no one output"
            )
        return self._wired[0]

    @property
    def kind(self) -> str:
        """The class, as messages and summaries show it."""
        return type(self).__name__

    @property
    def title(self) -> str:
        """The layer in messages: Dense 'dense_1'."""
        name = vars(self).get("name")
        return f"{self.kind} {name!r}" if name else self.kind

    # --- weights ---

    def get_weights(self) -> list[Array]:
        """Copies of the weights, kernels as (inputs, outputs)."""
        return [weight.value() for weight in self.own_weights()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take over weights as `get_weights` gives them; all or none.

        Raises `ShapeError` when their number or a shape does not fit.
        """
        own = list(self.own_weights())
        given = [np.asarray(weight) for weight in weights]
        wanted, found = [one.shape() for one in own], [one.shape for one in given]
        if wanted != found:
            raise ShapeError(f"{self.title}: weights of shapes {found} do not fit {wanted}")
        for weight, value in zip(own, given, strict=True):
            weight.assign(value)

    @property
    def trainable(self) -> bool:
        """Whether the weights are learnt. A model that is compiled must be compiled again."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.modules():
            if isinstance(layer, Layer):
                layer._trainable = bool(value)
                layer._changed()
        (self.unfreeze if value else self.freeze)()

    def count_params(self) -> int:
        """How many numbers the weights hold, moving statistics included."""
        return sum(weight.variable.size for weight in self.own_weights())

    # --- as plain data ---

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain data."""
        config = {name: plain(self, name) for name in arguments(type(self))}
        if self._given_shape is not None:
            config["input_shape"] = list(self._given_shape[1:])
        return {"name": self.name, "trainable": self._trainable, **config}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The layer that has this `get_config()`."""
        return cls(**config)


def _as_tensor(x: Any) -> Any:
    """Arrays and lists of floats in float32, as Keras casts them."""
    if isinstance(x, Tensor):
        return x
    array = np.asarray(x)
    return Tensor(constant(array.astype(np.float32 if array.dtype.kind == "f" else array.dtype)))


def spec_of(tensor: KerasTensor) -> Spec:
    """A tensor with a small batch."""
    return Spec((BATCH, *lengths_of(tensor.shape)), tensor.dtype)


def outline(
    module: Layer,
    inputs: Sequence[Spec],
    options: Mapping[str, Any] | None = None,
    *,
    several: bool = False,
) -> Spec:
    """Shape and dtype of a module's output; nothing is computed and no state changes."""
    training = module.training
    module.eval()
    try:
        with recording() as trace, set_grad_enabled(False):
            given = [Tensor(trace.input(spec)) for spec in inputs]
            output = module.wired(given if several else given[0], **(options or {}))
    finally:
        module.train(training)
    return Spec(output.shape, output.dtype)


def filled(initializer: Any, shape: tuple[int, ...], dtype: DType = float32) -> Array:
    """Initial values in Keras's layout."""
    array: Array = np.asarray(initializer(shape), as_dtype(dtype))
    if array.shape != shape:
        raise ShapeError(f"{initializer!r}: gave shape {array.shape} for {shape}")
    return array
