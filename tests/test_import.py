"""What `import neurona` costs and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

TIMED = """
import time
start = time.perf_counter()
import numpy
between = time.perf_counter()
import neurona
print(time.perf_counter() - between)
"""
LATER = ("llvmlite", "matplotlib", "PIL", "rich", "typer", "safetensors", "msgspec", "jinja2")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_costs_little_over_numpy() -> None:
    run("import neurona")  # compiles the byte code where that is missing
    assert min(float(run(TIMED)) for _ in range(5)) <= 0.15


def test_heavy_parts_are_loaded_when_first_used() -> None:
    program = f"import sys, neurona; print([m for m in {LATER} if m in sys.modules])"
    assert run(program).strip() == "[]"
    parts = "neurona.nn.Linear, neurona.optim.SGD, neurona.random.normal, neurona.compile"
    run(f"import neurona; print({parts})")
