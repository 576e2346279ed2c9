"""What `import neurona` costs and what it leaves for later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TIMED = """
import time
start = time.perf_counter()
import numpy
between = time.perf_counter()
import neurona
print(time.perf_counter() - between)
"""
LATER = ("llvmlite", "matplotlib", "PIL", "rich", "typer", "safetensors", "msgspec", "jinja2")


def run(program: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_costs_little_over_numpy(tmp_path: Path) -> None:
    """As installed: with byte code on disk, which the first run here writes."""
    cached = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    cached["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    times = [float(run(TIMED, cached)) for _ in range(6)]
    assert min(times[1:]) <= 0.15, times


def test_heavy_parts_are_loaded_when_first_used() -> None:
    program = f"import sys, neurona; print([m for m in {LATER} if m in sys.modules])"
    assert run(program).strip() == "[]"
    parts = "neurona.nn.Linear, neurona.optim.SGD, neurona.random.normal, neurona.compile"
    run(f"import neurona; print({parts})")
