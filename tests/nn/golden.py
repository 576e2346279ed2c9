"""Values that PyTorch gave, stored so that they are compared where it is not installed.

`python -m tests.nn.golden` computes them anew and writes `golden.json`; a test does the same and
compares with the file, so that it cannot go stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

PATH = Path(__file__).with_name("golden.json")
Values = dict[str, Any]


def pattern(shape: tuple[int, ...], seed: float, scale: float = 1.0) -> Any:
    """Numbers without order that are the same everywhere: sines."""
    count = int(np.prod(shape, dtype=np.int64))
    return (scale * np.sin(1.7 * np.arange(count) + 0.9 * seed + 0.3)).reshape(shape)


def stored(kind: str, name: str) -> Values:
    """The stored arrays of one case."""
    values = json.loads(PATH.read_text(encoding="utf-8"))[kind][name]
    return {key: np.array(value) for key, value in values.items()}


def plain(values: Values) -> Values:
    """Arrays as nested lists, to 15 digits."""
    return {
        key: np.vectorize(lambda v: float(f"{v:.15g}"), otypes=[object])(np.asarray(value)).tolist()
        for key, value in values.items()
    }


def compute() -> dict[str, dict[str, Values]]:
    """All values from PyTorch: kind → case → name → array."""
    from tests.nn.cases import LAYERS
    from tests.nn.loss_cases import LOSSES
    from tests.optim.cases import OPTIMIZERS

    kinds = {"layers": LAYERS, "losses": LOSSES, "optimizers": OPTIMIZERS}
    return {
        kind: {case.name: plain(case.from_torch()) for case in cases if case.torch}
        for kind, cases in kinds.items()
    }


if __name__ == "__main__":
    lines = ",\n".join(
        f'"{kind}": {{\n'
        + ",\n".join(f'"{name}": {json.dumps(values)}' for name, values in cases.items())
        + "\n}"
        for kind, cases in compute().items()
    )
    PATH.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
