"""How long the stages of a compilation take."""

from __future__ import annotations

import time


class Stages:
    """Seconds by stage; each `end` closes the stage that began with the last one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def end(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._start
        self._start = now
