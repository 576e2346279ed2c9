"""The parent's handle on a worker process."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
REPLY_SECONDS = 900.0  # the longest is torch.compile's search with max-autotune
CLOSE_SECONDS = 10.0


class WorkerError(Exception):
    """A worker answered with an error, died or kept silent; `details` has its traceback."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


def worker_environment(threads: int, cache: Path | None) -> dict[str, str]:
    """The environment of a worker: thread limits, no accelerator, and its own empty caches.

    Without `cache` the frameworks use the caches of the user, warm if an earlier run filled them.
    """
    environment = dict(os.environ)
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NEURONA_THREADS")
    environment |= dict.fromkeys((*pools, "NPROC"), str(threads))  # NPROC is XLA's
    environment |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    if cache is not None:
        environment["NEURONA_CACHE"] = str(cache / "neurona")
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(cache / "torchinductor")
    return environment


def count_cpus() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_cpus(threads: int) -> list[int] | None:
    """Processors to run on, one a physical core first; None where they cannot be chosen.

    ValueError if this process may use fewer than `threads` processors.
    """
    if threads > count_cpus():
        raise ValueError(f"{threads} threads asked for, {count_cpus()} processors here.")
    if not hasattr(os, "sched_getaffinity"):
        return None
    seen: set[str] = set()
    first: list[int] = []
    second: list[int] = []
    for cpu in sorted(os.sched_getaffinity(0)):
        topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = topology.read_text().strip() if topology.exists() else str(cpu)
        (second if core in seen else first).append(cpu)
        seen.add(core)
    return (first + second)[:threads]


class Worker:
    """A running worker; `ask` sends a request and waits for its reply.

    `kind` is "training" or "calls": what it can be asked. Compiled code is kept in the folder
    `cache`, an empty one of its own if there is none; with `warm_cache` where the user has it.
    """

    def __init__(
        self,
        label: str,
        *,
        threads: int,
        cpus: Sequence[int] | None,
        warm_cache: bool = False,
        cache: Path | None = None,
        kind: str = "training",
    ) -> None:
        self.label = label
        self._files = tempfile.TemporaryDirectory(
            prefix="neurona-benchmark-", ignore_cleanup_errors=True
        )
        self.folder = Path(self._files.name)
        self.cache = None if warm_cache else cache or self.folder / "cache"
        self._log = (self.folder / "stderr.txt").open("w+", encoding="utf-8", errors="replace")
        command = [sys.executable, "-m", "benchmarks.worker", kind]
        if cpus is not None:
            command.append(",".join(str(cpu) for cpu in cpus))
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=worker_environment(threads, self.cache),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self._replies: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._kill()  # it may be busy for long; nobody waits for its answer
        self.close()

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The reply to a request; WorkerError if there is none or it says `error`."""
        try:
            self._stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._stdin.flush()
            line = self._replies.get(timeout=REPLY_SECONDS)
        except queue.Empty:
            message = f"no reply to {command!r} within {REPLY_SECONDS:.0f} s"
            raise WorkerError(message, self._log_tail()) from None
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            raise WorkerError(f"the process ended with code {code}", self._log_tail())
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise WorkerError(reply["error"], reply["traceback"])
        return reply

    @property
    def alive(self) -> bool:
        """Whether the process is still there to be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process with all that it started, and remove its files."""
        with suppress(subprocess.TimeoutExpired, BrokenPipeError):
            self._stdin.close()
            self._process.wait(timeout=CLOSE_SECONDS)
        self._kill()
        self._process.wait()
        self._reader.join()
        self._stdout.close()
        self._log.close()
        self._files.cleanup()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        for line in self._stdout:
            self._replies.put(line)
        self._replies.put("")

    def _log_tail(self) -> str:
        self._log.seek(0)
        return "".join(self._log.readlines()[-20:])

    @property
    def _stdin(self) -> Any:
        return self._process.stdin

    @property
    def _stdout(self) -> Any:
        return self._process.stdout
