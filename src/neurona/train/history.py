"""The record of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class History:
    """What `fit` returns.

    - `epochs`: the numbers of the epochs that were finished.
    - `values`: by name, one number an epoch: "loss", the metrics, and the same with "validation_"
      in front.
    - `learning_rates`: that of the last step of each epoch.
    - `samples_per_second`: of each epoch, validation left out.
    - `waiting`: the share of each epoch's time, 0…1, that was spent waiting for data.
    - `seconds`: the whole time; of a resumed run all its parts together.
    - `interrupted`: whether Ctrl-C ended the run. `stopped`: whether a callback did.

    >>> history = History()
    >>> history.add(0, {"loss": 0.5}, samples_per_second=1000.0)
    >>> history.values["loss"]
    [0.5]
    """

    epochs: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    learning_rates: list[float] = field(default_factory=list)
    samples_per_second: list[float] = field(default_factory=list)
    waiting: list[float] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    stopped: bool = False

    def add(
        self,
        epoch: int,
        values: Mapping[str, float],
        *,
        samples_per_second: float = 0.0,
        waiting: float = 0.0,
        learning_rate: float = 0.0,
    ) -> None:
        """Enter an epoch."""
        self.epochs.append(epoch)
        self.samples_per_second.append(samples_per_second)
        self.waiting.append(waiting)
        self.learning_rates.append(learning_rate)
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def state(self) -> dict[str, Any]:
        """All of it, fit for JSON.

        >>> History.from_state(History(epochs=[0]).state()).epochs
        [0]
        """
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """The history whose `state` this is."""
        return cls(**state)
