"""What every worker can be asked: how many steps fill a round, how long a round takes."""

from __future__ import annotations

import gc
import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

Reply = dict[str, Any]


class Session(ABC):
    """One framework at work; each request in `commands` is answered by the method of its name."""

    commands: ClassVar[frozenset[str]] = frozenset({"calibrate", "time", "memory"})

    def answer(self, command: str, **arguments: Any) -> Reply:
        """Dispatch a request; KeyError if there is no such one."""
        if command not in self.commands:
            raise KeyError(command)
        reply: Reply = getattr(self, command)(**arguments)
        return reply

    def calibrate(self, seconds: float) -> Reply:
        """How many steps last about `seconds`."""
        steps = 1
        while (elapsed := self._run(steps)) < seconds / 4:
            steps = max(2 * steps, min(16 * steps, round(steps * seconds / (3 * elapsed))))
        return {"steps": max(1, math.ceil(steps * seconds / elapsed))}

    def time(self, steps: int) -> Reply:
        """Seconds that `steps` steps take, after a twentieth as many untimed ones."""
        gc.collect()
        self._run(max(1, steps // 20))
        return {"seconds": self._run(steps)}

    @abstractmethod
    def memory(self) -> Reply:
        """Peak memory in bytes, under "process" what counts."""

    @abstractmethod
    def _run(self, steps: int) -> float:
        """Seconds of the next `steps` steps, until their last result is there."""
