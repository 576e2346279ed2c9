"""What a worker does that trains a network: build, train the checked steps, time, report memory."""

from __future__ import annotations

import gc
import importlib
import math
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import memory
from benchmarks.case import Training, load_case
from benchmarks.session import Reply, Session


class TrainingSession(Session):
    """One framework training one case."""

    commands = Session.commands | {"probe", "build", "losses"}

    def __init__(self) -> None:
        self._training: Training | None = None
        self._done = 0
        self._loss = math.nan

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
        start = perf_counter()
        imported = importlib.import_module(package)
        self._imported = memory.resident()
        built = perf_counter()
        self._training = case.builds[build](problem, options)
        return {
            "import_s": built - start,
            "build_s": perf_counter() - built,
            "version": str(getattr(imported, "__version__", "unknown")),
        }

    def losses(self, steps: int, state_file: str) -> Reply:
        """Train `steps` steps one by one; their losses, and the state after them in a file."""
        training = self._ready()
        start = perf_counter()
        losses = [training.wait(training.step(0))]
        first = perf_counter() - start
        losses += [training.wait(training.step(i)) for i in range(1, steps)]
        self._done = steps
        np.savez(state_file, **training.state())
        return {"losses": losses, "first_step_s": first}

    def time(self, steps: int) -> Reply:
        """As every session's; ArithmeticError if the loss is not finite any more."""
        reply = super().time(steps)
        if not math.isfinite(self._loss):
            raise ArithmeticError(f"the loss is {self._loss} after {self._done} steps")
        return reply

    def memory(self) -> Reply:
        """Peak memory in bytes.

        `process` over the base, `training` over the imported package; `step` as `Training` has it,
        asked for last, since measuring it needs memory too.
        """
        training, peak = self._ready(), memory.peak()
        reply = {"process": peak - self._base, "training": peak - self._imported}
        if training.step_memory is not None:
            reply["step"] = training.step_memory()
        return reply

    def _run(self, steps: int) -> float:
        training = self._ready()
        step = training.step
        first, end = self._done, self._done + steps
        start = perf_counter()
        for i in range(first, end):
            loss = step(i)
        self._loss = training.wait(loss)
        seconds = perf_counter() - start
        self._done = end
        return seconds

    def _ready(self) -> Training:
        if self._training is None:
            raise RuntimeError("the request must come after a build")
        return self._training
