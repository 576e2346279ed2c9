"""Sources for the tests of streams, where worker processes find them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import ml_dtypes
import numpy as np

from neurona.data import Source


class Slow(Source):
    """Numbers with noise, the first of a batch late, so that later batches are ready before."""

    def __init__(self, length: int, seconds: float = 0.0, wrong: int = -1) -> None:
        self.length, self.seconds, self.wrong = length, seconds, wrong
        self.read_now = 0

    def __len__(self) -> int:
        return self.length

    def read(self, index: int, generator: np.random.Generator) -> Any:
        self.read_now += 1
        if index == self.wrong:
            raise ValueError("no such reading")
        if index % 3 == 0:
            time.sleep(self.seconds)
        return np.full(2, index + generator.random()), index


class Kinds(Source):
    """Samples of unlike sizes and dtypes, and how a worker may fail over one."""

    def __init__(self, length: int, fatal: int = -1) -> None:
        self.length, self.fatal = length, fatal

    def __len__(self) -> int:
        return self.length

    def read(self, index: int, generator: np.random.Generator) -> Any:
        if index == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        noise = generator.integers(0, 256, (40, 500, 3), dtype=np.uint8)
        half = np.full(3, index, dtype=ml_dtypes.bfloat16)
        return noise, np.zeros((0, 2)), np.float16(index), half, np.array(f"{index:04}"), index % 2


def shifted(sample: Any, generator: np.random.Generator) -> Any:
    """A random mirror and shift of a picture, as augmentation has it."""
    picture, label = sample
    if generator.random() < 0.5:
        picture = picture[:, ::-1]
    return np.roll(picture, generator.integers(-2, 3, 2), axis=(0, 1)), label
