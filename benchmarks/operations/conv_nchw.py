"""Convolutions and their gradients as they are called: NCHW pictures, NCHW results."""

from __future__ import annotations

from benchmarks.networks.convolutions import all_convolutions
from benchmarks.operation import Group

SOURCE = Group(
    "conv_nchw",
    "convolutions called by themselves on NCHW arrays",
    all_convolutions(lambda shape: ("channels first",)),
)
