"""A run that may be killed at any moment: started again and again, it ends as if it never was.

python -m tests.train.killed_run FOLDER [--workers 2] [--kind processes] [--epochs 3]

Prints the digest of the weights when it has ended.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np

from neurona import data, nn, optim, random, train
from neurona.data import Source, StreamLoader

SAMPLES, WATCHED, BATCH = 320, 60, 16


class NoisyDigits(Source):
    """Digits with noise of their own in every epoch, read as slowly as from a disk."""

    def __init__(self) -> None:
        digits = data.digits()
        self.inputs = digits.inputs[:SAMPLES].astype(np.float32)
        self.labels = digits.targets[:SAMPLES]

    def __len__(self) -> int:
        return SAMPLES

    def read(self, index: int, generator: np.random.Generator) -> tuple[Any, ...]:
        time.sleep(2e-4)
        noise = generator.normal(0, 1, self.inputs[index].shape).astype(np.float32)
        return self.inputs[index] + noise, self.labels[index]


def make(seed: int) -> train.Model:
    """The model; where a run is resumed, seed and weights do not matter."""
    random.seed(seed)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(32, 10),
    )
    model = train.Model(network, preprocessing=train.Division(16))
    model.compile(
        optim.Adam(network.parameters(), 1e-2),
        metrics=["accuracy"],
        schedule=optim.schedules.Cosine(epochs=30),
        accumulate=2,
        clip_norm=1.0,
    )
    return model


def digest(model: train.Model) -> str:
    """The SHA-256 of all weights and statistics."""
    state = model.network.state_dict()
    return hashlib.sha256(b"".join(array.tobytes() for array in state.values())).hexdigest()


def main() -> None:
    """Start the run, or go on with it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", default="threads")
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    resume = (given.folder / "run.json").exists()
    begun = (given.folder / "checkpoints" / "last" / "state.json").exists()
    model = make(seed=99 if begun else 0)
    digits = data.digits()
    watched = digits.take(np.arange(SAMPLES, SAMPLES + WATCHED))
    with StreamLoader(
        NoisyDigits(), batch_size=BATCH, seed=7, workers=given.workers, kind=given.kind
    ) as loader:
        model.fit(
            loader,
            epochs=given.epochs,
            validation_data=watched,
            callbacks=[train.EarlyStopping(patience=1000)],
            run=given.folder,
            resume=resume,
            checkpoint_every="2 steps",
            report=False,
            verbose=False,
        )
    print(digest(model))


if __name__ == "__main__":
    main()
