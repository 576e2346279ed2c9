"""What a worker does that makes single calls: build, first results, time, latencies, memory."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import memory
from benchmarks.operation import Call, load_source
from benchmarks.session import Reply, Session


class CallSession(Session):
    """One framework, one operation after another; each build drops the one before."""

    commands = Session.commands | {"build", "results", "latencies", "copy", "peak"}

    def __init__(self) -> None:
        self._call: Call | None = None
        self._done = 0
        self._copies: dict[tuple[int, int], Any] = {}

    def build(
        self,
        module: str,
        name: str,
        build: str,
        package: str,
        options: Mapping[str, Any],
        seed: int,
    ) -> Reply:
        """Make the inputs, import the framework, build the call."""
        self._call = None
        self._done = 0
        start = perf_counter()
        imported = importlib.import_module(package)
        import_s = perf_counter() - start
        operation = load_source(module).operation(name)
        inputs = operation.inputs(seed)
        gc.collect()
        memory.reset_peak()
        self._base = memory.resident()
        start = perf_counter()
        self._call = operation.builds[build](inputs, options)
        return {
            "import_s": import_s,
            "build_s": perf_counter() - start,
            "version": str(getattr(imported, "__version__", "unknown")),
        }

    def results(self, calls: int, file: str) -> Reply:
        """The first calls; the results of the last of them in a file, one array each."""
        call = self._ready()
        with call.scope():
            start = perf_counter()
            result = call.run(0)
            first = perf_counter() - start
            for i in range(1, calls):
                result = call.run(i)
            np.savez(file, *call.arrays(result))
        self._done = calls
        return {"first_call_s": first}

    def latencies(self, steps: int) -> Reply:
        """Seconds per call, every call by itself: median and 95th percentile.

        A twentieth as many are made before, untimed.
        """
        gc.collect()
        self._run(max(1, steps // 20))
        call = self._ready()
        run, spent = call.run, [0.0] * steps
        with call.scope():
            for number, i in enumerate(range(self._done, self._done + steps)):
                start = perf_counter()
                run(i)
                spent[number] = perf_counter() - start
        self._done += steps
        median, p95 = np.percentile(spent, [50, 95])
        return {"median": float(median), "p95": float(p95)}

    def copy(self, threads: int, traffic: int, seconds: float) -> Reply:
        """Bytes read and written per second when as many as `traffic` are copied over and over."""
        from benchmarks.probe import CopyLoops

        loops = self._copies.get((threads, traffic))
        if loops is None:
            loops = CopyLoops(threads, traffic)
            self._copies = {(threads, traffic): loops}
        return {"rates": loops.rates(seconds)}

    def peak(self, threads: int) -> Reply:
        """The most float32 operations per second that these threads can do."""
        from benchmarks.probe import measure_peak

        return {"flops": measure_peak(threads)}

    def memory(self) -> Reply:
        """Peak memory in bytes since the build, over what the process held before it."""
        return {"process": max(0, memory.peak() - self._base)}

    def _run(self, steps: int) -> float:
        call = self._ready()
        run = call.run
        first, end = self._done, self._done + steps
        with call.scope():
            start = perf_counter()
            for i in range(first, end):
                result = run(i)
            seconds = perf_counter() - start
        del result
        self._done = end
        return seconds

    def _ready(self) -> Call:
        if self._call is None:
            raise RuntimeError("the request must come after a build")
        return self._call
