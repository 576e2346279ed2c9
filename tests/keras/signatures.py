"""Arguments of ours that are not Keras's: `python -m tests.keras.signatures` prints them.

An argument that may be given by its place must stand where Keras has it, with Keras's default.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from typing import Any

PACKAGES = (
    "activations",
    "callbacks",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "optimizers.schedules",
    "regularizers",
    "utils",
)
OURS = ("run",)
VERBS = ("compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "get_layer")


def public(package: Any) -> Iterator[tuple[str, Any]]:
    for name, found in vars(package).items():
        mine = getattr(found, "__module__", "").startswith("neurona.keras")
        if mine and callable(found) and name[0] != "_" and name != "get":
            yield name, found


def resolved(package: Any, path: str) -> Any:
    for part in path.split("."):
        package = getattr(package, part, None)
    return package


def differences(ours: Any, theirs: Any) -> Iterator[str]:
    """What differs between the arguments of a function or a constructor and of its original."""
    mine = [
        one
        for one in inspect.signature(ours).parameters.values()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]
    other = inspect.signature(theirs).parameters
    for place, one in enumerate(mine):
        if one.name not in other:
            if any(value.kind is value.VAR_KEYWORD for value in other.values()):
                continue
            if one.name not in OURS:
                yield f"{one.name}: Keras has none"
        elif one.kind is one.POSITIONAL_OR_KEYWORD and list(other).index(one.name) != place:
            yield f"{one.name}: stands elsewhere in Keras"
        elif (
            one.name != "name"
            and one.default != other[one.name].default
            and isinstance(other[one.name].default, (bool, int, float, str))
        ):
            yield f"{one.name}: {one.default} is {other[one.name].default} in Keras"


def all_differences(ours: Any, theirs: Any) -> list[str]:
    found = []
    for path in PACKAGES:
        package, original = resolved(ours, path), resolved(theirs, path)
        for name, mine in public(package):
            if getattr(original, name, None) is not None:
                parts = [(name, mine, getattr(original, name))]
                if name in ("Model", "Sequential"):
                    parts = [
                        (f"{name}.{v}", getattr(mine, v), getattr(parts[0][2], v)) for v in VERBS
                    ]
                found += [
                    f"{path}.{place}.{text}"
                    for place, one, other in parts
                    for text in differences(one, other)
                ]
    return found


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    from neurona import keras as ours

    print("\n".join(all_differences(ours, keras)))
