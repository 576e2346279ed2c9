"""What Keras itself gives for the cases in float64, kept in `golden.json`.

In float32 Keras's Adam loses digits of 1 − βᵗ, more than ours and it differ otherwise.
`KERAS_BACKEND=torch python -m tests.keras.golden` writes the file anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.keras import image_cases, part_cases
from tests.keras.cases import CASES, Numbers

__all__ = ["CASES", "image_cases", "original", "part_cases", "stored"]

FILE = Path(__file__).with_name("golden.json")


def stored() -> dict[str, Numbers]:
    """The numbers of every case by name."""
    kept: dict[str, Numbers] = json.loads(FILE.read_text(encoding="utf-8"))["cases"]
    return kept


def original(names: list[str]) -> dict[str, Numbers]:
    """The numbers of the installed Keras."""
    import keras

    keras.config.set_floatx("float64")
    return {name: CASES[name](keras) for name in names}


if __name__ == "__main__":
    found = original(sys.argv[1:] or list(CASES))
    if sys.argv[1:]:
        print(json.dumps(found))
    else:
        import keras

        text = json.dumps({"keras": keras.__version__, "cases": found}, indent=1)
        FILE.write_text(text + "\n", encoding="utf-8")
