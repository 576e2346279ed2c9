"""The native loop that runs a list of tasks: one call from Python a segment.

A segment is an int64 array: count, then for each task its function's address, its number of chunks,
its number of buffers, and the slots of those. The loop makes each task's table from the program's
slots. Then come the checks: count, and the slot of each boolean that must hold. The result is 0, or
the number (from 1) of the first check that does not.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from neurona.compiler import native
from neurona.compiler.text import Text

MAX_BUFFERS = 4096


class _Runner(Text):
    def __init__(self) -> None:
        super().__init__(1)

    def word(self, base: str, at: str) -> str:
        pointer = self.assign(f"getelementptr i64, ptr {base}, i64 {at}")
        return self.assign(f"load i64, ptr {pointer}")

    def run(self) -> str:
        with self.function("i64 @run(ptr %segment, ptr %slots)"):
            table = self.assign(f"alloca [{MAX_BUFFERS} x ptr], align 64")
            cursor = self.assign("alloca i64")
            self.put(f"store i64 1, ptr {cursor}")
            count = self.word("%segment", "0")
            with self.loop("0", count):
                self.task(table, cursor)
            at = self.assign(f"load i64, ptr {cursor}")
            checks = self.word("%segment", at)
            failed = self.assign("alloca i64")
            self.put(f"store i64 0, ptr {failed}")
            with self.loop("0", checks) as i:
                self.check(i, at, failed)
            self.put(f"ret i64 {self.assign(f'load i64, ptr {failed}')}")
        return "\n".join(self.finished)

    def task(self, table: str, cursor: str) -> None:
        at = self.assign(f"load i64, ptr {cursor}")
        words = [self.word("%segment", self.assign(f"add i64 {at}, {i}")) for i in range(3)]
        address, chunks, buffers = words
        first = self.assign(f"add i64 {at}, 3")
        with self.loop("0", buffers) as i:
            slot = self.word("%segment", self.assign(f"add i64 {first}, {i}"))
            pointer = self.word("%slots", slot)
            place = self.assign(f"getelementptr i64, ptr {table}, i64 {i}")
            self.put(f"store i64 {pointer}, ptr {place}")
        function = self.assign(f"inttoptr i64 {address} to ptr")
        self.put(f"call void {function}(ptr {table}, i64 0, i64 {chunks})")
        self.put(f"store i64 {self.assign(f'add i64 {first}, {buffers}')}, ptr {cursor}")

    def check(self, i: str, at: str, failed: str) -> None:
        place = self.assign(f"add i64 {self.assign(f'add i64 {at}, 1')}, {i}")
        pointer = self.assign(
            f"inttoptr i64 {self.word('%slots', self.word('%segment', place))} to ptr"
        )
        flag = self.assign(f"load i8, ptr {pointer}")
        bad = self.assign(f"icmp eq i8 {flag}, 0")
        before = self.assign(f"load i64, ptr {failed}")
        none = self.assign(f"icmp eq i64 {before}, 0")
        now = self.assign(f"and i1 {bad}, {none}")
        number = self.assign(f"add i64 {i}, 1")
        self.put(
            f"store i64 {self.assign(f'select i1 {now}, i64 {number}, i64 {before}')}, ptr {failed}"
        )


@functools.cache
def runner() -> Any:
    """The native function run(segment address, slots address) → failed check or 0."""
    address = native.load(_Runner().run(), "run")
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(address)
