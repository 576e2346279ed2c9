"""Two LSTM layers of 256 units, answering step by step as inputs come."""

from __future__ import annotations

from benchmarks.networks.stepping import stepping

SOURCE = stepping("lstm2", features=256, layers=2)
