"""The record of a layer, from which the tests of `test_layers` are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import neurona as ne
from neurona import nn
from tests.nn.golden import Values, pattern

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerCase:
    """make: the layer, whose parameters are then filled with a pattern.

    inputs: shapes, or an integer array. output: shape. parameters: how many numbers are learnt.
    torch: from the module `torch`, the layer that must give the same values; its state has our
    names. evaluate: in evaluation mode. differentiable: whether a gradient reaches the input.
    call: how the layer is called, and which of its outputs is compared.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: tuple[Any, ...]
    output: Shape
    parameters: int = 0
    torch: Callable[[Any], Any] | None = None
    evaluate: bool = False
    differentiable: bool = True
    call: Callable[..., Any] = lambda layer, *inputs: layer(*inputs)

    def layer(self, dtype: Any = ne.float64) -> nn.Module:
        """The layer with patterns in its parameters and buffers."""
        layer = self.make().astype(dtype)
        for i, (name, variable) in enumerate(layer._state()):
            if variable.dtype == np.int64:
                continue
            if name.endswith("running_var"):
                variable.assign((1.5 + pattern(variable.shape, i)).astype(dtype))
            else:
                variable.assign(pattern(variable.shape, i, 0.7).astype(dtype))
        return layer.train(not self.evaluate)

    def arguments(self, dtype: Any = np.float64) -> list[Any]:
        return [
            given if isinstance(given, np.ndarray) else pattern(given, 7 + i, 2.0).astype(dtype)
            for i, given in enumerate(self.inputs)
        ]

    def values(self) -> Values:
        """Output, gradients of the inputs and parameters, buffers: what PyTorch must agree with."""
        layer = self.layer()
        inputs = [
            ne.asarray(a).requires_grad_() if a.dtype == np.float64 and self.differentiable else a
            for a in self.arguments()
        ]
        output = self.call(layer, *inputs)
        found = {"output": output.numpy()}
        if self.differentiable:
            output.backward(ne.asarray(pattern(output.shape, 3)))
            for i, x in enumerate(inputs):
                if isinstance(x, ne.Tensor):
                    found[f"input {i}"] = x.grad.numpy()
            for name, parameter in layer.named_parameters():
                found[f"gradient {name}"] = parameter.grad.numpy()
        for name, buffer in layer.named_buffers():
            found[f"buffer {name}"] = buffer.numpy()
        return found

    def from_torch(self) -> Values:
        """The same from PyTorch."""
        import torch

        layer = self.torch(torch)
        if isinstance(layer, torch.nn.Module):
            layer = layer.double().train(not self.evaluate)
            state = self.layer().state_dict()
            layer.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()})
        inputs = [torch.from_numpy(a.copy()) for a in self.arguments()]
        floats = [x.requires_grad_() for x in inputs if x.is_floating_point()]
        output = self.call(layer, *inputs)
        found = {"output": output.detach().numpy()}
        if self.differentiable:
            output.backward(torch.from_numpy(pattern(tuple(output.shape), 3)))
            found.update({f"input {i}": x.grad.numpy() for i, x in enumerate(floats)})
        if isinstance(layer, torch.nn.Module):
            for name, parameter in layer.named_parameters():
                found[f"gradient {name}"] = parameter.grad.numpy()
            for name, buffer in layer.named_buffers():
                found[f"buffer {name}"] = buffer.numpy()
        return found
