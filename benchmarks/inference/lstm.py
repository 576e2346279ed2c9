"""One LSTM layer of 256 units, answering step by step as inputs come."""

from __future__ import annotations

from benchmarks.networks.stepping import stepping

SOURCE = stepping("lstm", features=256, layers=1)
