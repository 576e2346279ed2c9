"""A process that trains a little and prints a digest of every bit it came to.

Used by the tests of the object cache. With the argument `warm` it fails if it compiles anything;
with the name of a file it runs the graphs pickled there instead.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne
from neurona import nn, optim
from neurona.compiler.machine import native


def refuse(text: str) -> bytes:
    raise SystemExit("compiled something that should have been in the cache")


def run_graphs(graphs: list[Any]) -> None:
    digest = hashlib.sha256()
    for graph in graphs:
        variables = graph.variables()
        for result in ne.compile(graph.function(variables))(*map(ne.asarray, graph.inputs)):
            digest.update(result.numpy().tobytes())
        for variable in variables:
            digest.update(variable.numpy().tobytes())
    print(digest.hexdigest())


def main() -> None:
    if "warm" in sys.argv:
        native.compile_object = refuse
    if len(sys.argv) > 1 and Path(sys.argv[-1]).is_file():
        run_graphs(pickle.loads(Path(sys.argv[-1]).read_bytes()))
        return
    ne.random.seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(700, 96)).astype(np.float32)
    y = rng.integers(0, 10, 700)
    model = nn.Sequential(
        nn.Linear(96, 130), nn.BatchNorm1d(130), nn.ReLU(), nn.Dropout(0.2), nn.Linear(130, 10)
    )
    optimizer = optim.Adam(model.parameters(), learning_rate=1e-2)

    @ne.compile
    def step(x: Any, y: Any) -> Any:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    @ne.compile
    def folds(x: Any) -> Any:
        return ne.sum(x, axis=0), ne.sum(x), ne.softmax(x.T @ x, axis=0), ne.std(x, axis=1)

    digest = hashlib.sha256()
    for _ in range(3):
        digest.update(step(x, y).numpy().tobytes())
    for result in folds(x):
        digest.update(result.numpy().tobytes())
    for value in model.state_dict().values():
        digest.update(np.asarray(value).tobytes())
    print(digest.hexdigest())


if __name__ == "__main__":
    main()
