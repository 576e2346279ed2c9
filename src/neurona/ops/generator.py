"""The state of random numbers: a key and a counter in Variables."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from neurona.core.dtypes import DType, uint64
from neurona.core.errors import ArgumentError, TraceError
from neurona.core.locks import object_lock
from neurona.core.op import Shape
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE
from neurona.core.variable import Variable
from neurona.ops.arithmetic import add
from neurona.ops.random import blocks_of, random_bits

WORD = (1 << 64) - 1


class Generator:
    """A stream of random numbers.

    seed: 0…2^64−1. The key is its low and its high 32 bits, the counter starts at 0.

    >>> Generator(7).fork().state == Generator(7).fork().state
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.key = Variable(_key(seed), "random.key", requires_grad=False)
        self.counter = Variable(np.uint64(0), "random.counter", requires_grad=False)
        self._lock = object_lock()

    def seed(self, seed: int) -> None:
        """Start again as `Generator(seed)` does."""
        self.key.assign(_key(seed))
        self.counter.assign(np.uint64(0))

    def draw(self, shape: Shape, dtype: DType) -> Tensor:
        """Random words of uint32 or uint64; moves the counter on."""
        with self._lock:
            words = random_bits(self.key, self.counter, shape, dtype)
            used = blocks_of(shape, dtype)
            if used:
                self.counter.assign(add(self.counter, used))
        return words

    def fork(self) -> Generator:
        """A generator of its own, seeded with the next 64 bits of this one.

        Raises `TraceError` inside a function that is being compiled.
        """
        if STATE.trace is not None:
            raise TraceError(
                "Generator.fork: a seed cannot be known while a function is being compiled; fork "
                "before and use the new generator inside"
            )
        return Generator(self.draw((), uint64).item())

    @property
    def state(self) -> dict[str, int]:
        """The seed that gives the key, and the counter; assign it to continue from there."""
        low, high = (int(word) for word in self.key.numpy())
        return {"seed": low | high << 32, "counter": int(self.counter.numpy())}

    @state.setter
    def state(self, state: dict[str, int]) -> None:
        if state.keys() != {"seed", "counter"}:
            raise ArgumentError(
                f"Generator.state: the names are seed and counter, found {sorted(state)}"
            )
        counter = _word("counter", state["counter"])
        self.key.assign(_key(state["seed"]))
        self.counter.assign(np.uint64(counter))

    def __deepcopy__(self, memo: dict[int, Any]) -> Generator:
        copy = Generator()
        copy.state = self.state
        return copy

    def __repr__(self) -> str:
        return "Generator(seed={seed}, counter={counter})".format(**self.state)


def _word(name: str, value: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(
            f"Generator: the {name} must be a whole number, found {value!r}"
        ) from None
    if not 0 <= number <= WORD:
        raise ArgumentError(f"Generator: the {name} must be in 0…2^64−1, found {number}")
    return number


def _key(seed: int) -> Any:
    number = _word("seed", seed)
    return np.array([number & 0xFFFFFFFF, number >> 32], np.uint32)


DEFAULT = Generator(0)
"""What functions without a `generator` draw from."""
