"""The record of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class History:
    """What `fit` returns.

    - `epochs`: the numbers of the epochs that were finished.
    - `values`: by name, one number an epoch: "loss", the metrics, and the same with "validation_"
      in front.
    - `samples_per_second`: of each epoch, validation left out.
    - `seconds`: the whole time.
    - `interrupted`: whether Ctrl-C ended the run.

    >>> history = History()
    >>> history.add(0, {"loss": 0.5}, 1000.0)
    >>> history.values["loss"]
    [0.5]
    """

    epochs: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    samples_per_second: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    def add(self, epoch: int, values: Mapping[str, float], samples_per_second: float) -> None:
        """Enter an epoch."""
        self.epochs.append(epoch)
        self.samples_per_second.append(samples_per_second)
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)
