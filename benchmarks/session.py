"""What a worker does with a request: build, check, calibrate, time, report memory."""

from __future__ import annotations

import gc
import importlib
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks import memory
from benchmarks.case import Training, load_case

Reply = dict[str, Any]


class Session:
    """One framework training one case; every public method answers the request of its name."""

    def __init__(self) -> None:
        self._training: Training | None = None
        self._done = 0
        self._commands: dict[str, Callable[..., Reply]] = {
            "probe": self.probe,
            "build": self.build,
            "losses": self.losses,
            "calibrate": self.calibrate,
            "time": self.time,
            "memory": self.memory,
        }

    def answer(self, command: str, **arguments: Any) -> Reply:
        """Dispatch a request."""
        return self._commands[command](**arguments)

    def probe(self, working_set: int, threads: int) -> Reply:
        """Measure what the machine can do at best, for the floor."""
        from benchmarks.probe import measure_bandwidth, measure_peak

        return {
            "flops": measure_peak(threads),
            "bandwidth": measure_bandwidth(threads, working_set),
        }

    def build(
        self, module: str, build: str, package: str, options: Mapping[str, Any], seed: int
    ) -> Reply:
        """Make data and weights, import the framework, build the training step."""
        case = load_case(module)
        problem = case.problem(seed)
        gc.collect()
        memory.reset_peak()
        self._base = memory.resident()
        start = time.perf_counter()
        imported = importlib.import_module(package)
        self._imported = memory.resident()
        built = time.perf_counter()
        self._training = case.builds[build](problem, options)
        return {
            "import_s": built - start,
            "build_s": time.perf_counter() - built,
            "version": str(getattr(imported, "__version__", "unknown")),
        }

    def losses(self, steps: int, state_file: str) -> Reply:
        """Train `steps` steps one by one; their losses, and the state after them in a file."""
        training = self._ready()
        start = time.perf_counter()
        losses = [training.wait(training.step(0))]
        first = time.perf_counter() - start
        losses += [training.wait(training.step(i)) for i in range(1, steps)]
        self._done = steps
        np.savez(state_file, **training.state())
        return {"losses": losses, "first_step_s": first}

    def calibrate(self, seconds: float) -> Reply:
        """How many steps last about `seconds`."""
        steps = 1
        while (elapsed := self._run(steps)[0]) < seconds / 4:
            steps = max(2 * steps, min(16 * steps, round(steps * seconds / (3 * elapsed))))
        return {"steps": max(1, math.ceil(steps * seconds / elapsed))}

    def time(self, steps: int) -> Reply:
        """Seconds that `steps` steps take, after a twentieth as many untimed ones."""
        gc.collect()
        self._run(max(1, steps // 20))
        seconds, loss = self._run(steps)
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss is {loss} after {self._done} steps")
        return {"seconds": seconds}

    def memory(self) -> Reply:
        """Peak memory in bytes: `process` over the base, `training` over the imported package."""
        peak = memory.peak()
        return {"process": peak - self._base, "training": peak - self._imported}

    def _run(self, steps: int) -> tuple[float, float]:
        training = self._ready()
        step = training.step
        first, end = self._done, self._done + steps
        start = time.perf_counter()
        for i in range(first, end):
            loss = step(i)
        value = training.wait(loss)
        seconds = time.perf_counter() - start
        self._done = end
        return seconds, value

    def _ready(self) -> Training:
        if self._training is None:
            raise RuntimeError("the request must come after a build")
        return self._training
