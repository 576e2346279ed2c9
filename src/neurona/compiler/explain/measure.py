"""How long each kernel of a program takes, in memory of its own."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.compiler.ir.storage import Key
from neurona.compiler.lower.arena import nbytes
from neurona.compiler.lower.task import Task
from neurona.compiler.machine import native
from neurona.compiler.program import Program
from neurona.core.buffer import address, aligned_empty
from neurona.core.dtypes import uint8
from neurona.core.op import Array

ROUNDS = 7
RESOLUTION = 1e-8
"""Seconds that are told from the call's own."""


class Buffers:
    """Memory for the tasks of a program: copies of the inputs and constants, elsewhere zeros."""

    def __init__(self, program: Program, inputs: Sequence[Array] = ()) -> None:
        self._slots = program.plan.slots
        self._addresses: dict[int, int] = {}
        self._keep: list[Any] = []
        for slot, array in [*zip(program.input_slots, inputs, strict=False), *program.constants]:
            own = aligned_empty(array.shape, array.dtype)
            own[...] = array
            self._hold(slot, own)
        for task in (*program.plan.prologue, *program.plan.tasks):
            for storage in task.buffers:
                if self._slots[storage.key] not in self._addresses:
                    # Whole cache lines, as in the arena: the place may have other values too.
                    memory = aligned_empty((nbytes(storage),), uint8)
                    memory[...] = 0
                    self._hold(self._slots[storage.key], memory)

    def _hold(self, slot: int, memory: Array) -> None:
        self._keep.append(memory)
        self._addresses[slot] = address(memory)

    def of(self, keys: Sequence[Key]) -> Array:
        """The table of addresses that a kernel is given."""
        return np.array([self._addresses[self._slots[key]] for key in keys], np.int64)


def seconds_of(task: Task, buffers: Buffers) -> float:
    """Seconds of a native task on one thread, the least of several runs one after the other."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function = kind(native.load(task.text, "kernel"))
    table = buffers.of([storage.key for storage in task.buffers])
    calls, runs = [
        min(_seconds(function, address(table), chunks) for _ in range(ROUNDS))
        for chunks in (0, task.chunks)
    ]
    return max(runs - calls, RESOLUTION)


def _seconds(function: Callable[[int, int, int], None], table: int, chunks: int) -> float:
    start = time.perf_counter()
    function(table, 0, chunks)
    return time.perf_counter() - start
