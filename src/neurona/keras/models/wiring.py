"""The order of the layers between some tensors, as Keras has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from neurona.core.errors import ArgumentError
from neurona.keras.layer import Layer
from neurona.keras.named import snake
from neurona.keras.symbolic import KerasTensor


class Wiring:
    """The calls that lead from `inputs` to `output`.

    calls: the tensors that layers give, each after those it is made of.
    Raises `ArgumentError` for an output that does not come from the inputs, naming the layer.
    """

    def __init__(self, inputs: Sequence[KerasTensor], output: KerasTensor) -> None:
        for tensor in (*inputs, output):
            if not isinstance(tensor, KerasTensor):
                raise ArgumentError(f"Model: {tensor!r} is not a KerasTensor, as Input() gives")
        for tensor in inputs:
            if tensor.inputs:
                raise ArgumentError(
                    f"Model: its inputs must come from Input(), not from {tensor.layer.title}"
                )
        if len({id(one) for one in inputs}) != len(inputs):
            raise ArgumentError("Model: an input is named twice")
        self.inputs = tuple(inputs)
        self.output = output
        self.seen: dict[Layer, None] = {}  # in the order in which a walk from the output meets them
        self.calls = [one for one in self._sorted() if one not in set(self.inputs)]

    def _sorted(self) -> list[KerasTensor]:
        """Depth first from the output, each tensor after its inputs."""
        done: dict[KerasTensor, None] = {}
        stack: list[tuple[KerasTensor, bool]] = [(self.output, False)]
        while stack:
            tensor, expanded = stack.pop()
            if tensor in done:
                continue
            if expanded:
                done[tensor] = None
                continue
            if tensor not in self.inputs and not tensor.inputs:
                raise ArgumentError(
                    f"Model: the output needs the input {tensor.layer.title} {tensor.shape}, which "
                    "is not among the model's inputs"
                )
            self.seen.setdefault(tensor.layer)
            stack.append((tensor, True))
            if tensor not in self.inputs:
                stack.extend((one, False) for one in reversed(tensor.inputs))
        return list(done)

    def layers(self) -> list[Layer]:
        """The layers, those furthest from the output first; among equals as the walk met them."""
        depth_of: dict[KerasTensor, int] = {}
        depths: dict[Layer, int] = {}
        for tensor in reversed([*self.inputs, *self.calls]):
            depth = max(depth_of.get(tensor, 0), depths.get(tensor.layer, 0))
            depth_of[tensor] = depths[tensor.layer] = depth
            if tensor not in self.inputs:
                for one in tensor.inputs:
                    depth_of[one] = max(depth_of.get(one, 0), depth + 1)
        order = list(self.seen)
        unused = [one.layer for one in self.inputs if one.layer not in self.seen]
        return [*sorted(order, key=lambda layer: -depths[layer]), *unused]

    def names(self) -> dict[Layer, str]:
        """Each layer's name: its own, or its class's with a number.

        Raises `ArgumentError` when two layers were given the same name.
        """
        names: dict[Layer, str] = {}
        taken: set[str] = set()
        for layer in self.layers():
            if layer.name is not None and layer._given_name:
                if layer.name in taken:
                    raise ArgumentError(f"Model: two layers have the name {layer.name!r}")
                names[layer] = layer.name
                taken.add(layer.name)
        for layer in self.layers():
            if layer not in names:
                base = layer.name if layer.name else snake(layer.kind)
                names[layer] = free(base, taken)
                taken.add(names[layer])
        return {layer: names[layer] for layer in self.layers()}

    def numbered(self) -> Iterator[tuple[Layer, tuple[int, ...], dict[str, Any]]]:
        """Each call's layer, the numbers of the tensors it takes, and its options."""
        for tensor in self.calls:
            numbers = tuple(self.number_of(one) for one in tensor.inputs)
            yield tensor.layer, numbers, tensor.options

    def number_of(self, tensor: KerasTensor) -> int:
        """The place of a tensor: the inputs come first, then the calls."""
        return [*self.inputs, *self.calls].index(tensor)


def free(base: str, taken: set[str]) -> str:
    """`base`, or with the first number that is not taken."""
    name, number = base, 0
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name
