"""Convolutions and their gradients as they run inside a network: in the layout of their neighbours.

Neurona is handed arrays with the channels last, with few channels also with the batch last;
PyTorch tensors in channels-last format and in its plain one. Weights are an argument, packed at
each call as in a training step.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.networks.convolutions import FEW_CHANNELS, all_convolutions
from benchmarks.networks.layers import Convolution
from benchmarks.operation import Group


def layouts(shape: Convolution) -> Iterator[str]:
    yield "channels last"
    if shape.outputs <= FEW_CHANNELS:
        yield "batch last"


SOURCE = Group("conv", "convolutions inside a network", all_convolutions(layouts))
