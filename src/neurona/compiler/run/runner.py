"""The native loops that run a program: the runner, and the workers that help it.

A call is an int64 array: the address of a segment, that of the workers' desks and their number,
the turn; then the slots, which hold the addresses of the memory that the program uses.

A segment is an int64 array of sections. A section has the count of its tasks; for each task its
function's address, its number of chunks (negative if they are not worth sharing), its number of
buffers, and the slots of those, from which the runner makes the task's table; then the count of its
checks and the slot of each boolean that must hold. Slot 0 has n (see `sizes`), which stands before
the first entry of every task's table. The result is 0, or the number (from 1) of the
first check that does not hold, after whose section nothing was run. Instead of a count stands

    END      at the end of the segment
    TAKE     to put arrays' addresses into slots: the number of arrays, the slot of the first one's
             handle (see `buffer`), after which the others follow, and the slot of each address
    REPEAT   for a loop: the slot of `SIGNALS`; the most rounds there are; the number of stacks of
             rows, for each its slot, that of the row of a round, where the first one lies in the
             stack and how far the next is from it, in bytes; the number of carries, for each the
             slots of its
             initial value, of the carry and of where a round leaves the next, and its bytes; the
             number of gates and their slots; the lengths and words of two segments, run once and in
             every round. Rounds are run as long as all gates, which are carries, are true. After
             each, the slots of the carries trade places with those of the next. Once a second
             Python may look for signals; if a handler raises, the result is −1.
    CHOOSE   for a choice: the slot of the number of the segment to run, how many there are, their
             lengths, and their words

How the chunks of a task are shared out: see `sharing`.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from neurona.compiler.machine import native
from neurona.compiler.run.sharing import INWARD, SharingEmitter
from neurona.core.buffer import DATA

MAX_BUFFERS = 4096
END, REPEAT, CHOOSE, TAKE = -1, -2, -3, -4
ENDLESS = (1 << 63) - 1
"""Rounds of a loop that only its gates end."""
SEGMENT, DESKS, WORKERS, TURN, SLOTS = range(5)
TIME = "_time64" if sys.platform == "win32" else "time"


class RunnerEmitter(SharingEmitter):
    """LLVM IR of `run` and `work`."""

    def run(self) -> str:
        self.runner()
        self.worker()
        return "\n".join([*self.finished, *sorted(self.declarations)])

    # --- the runner ---

    def runner(self) -> None:
        with self.function("i64 @run(ptr %call)"):
            segment, desks = [
                self.assign(f"load ptr, ptr {self.place('%call', word)}")
                for word in (SEGMENT, DESKS)
            ]
            slots = self.place("%call", SLOTS)
            room = self.assign(f"alloca [{MAX_BUFFERS + 1} x ptr], align 64")
            self.put(f"store i64 {self.word(slots, 0)}, ptr {room}")
            board = self.assign("alloca [8 x i64], align 64")
            turn = self.place("%call", TURN)
            self.put(f"store i64 {self.turned(turn)}, ptr {self.place(board, INWARD)}")
            arguments = (
                f"ptr {segment}, ptr {slots}, ptr {desks}, "
                f"i64 {self.word('%call', WORKERS)}, "
                f"ptr {self.place(room, 1)}, ptr {board}"
            )
            self.put(f"ret i64 {self.assign(f'call i64 @walk({arguments})')}")
        self.walk("ptr %segment, ptr %slots, ptr %desks, i64 %workers, ptr %table, ptr %board")

    def walk(self, parameters: str) -> None:
        """Run a segment; `table` and `board` are for one task at a time."""
        with self.function(f"internal i64 @walk({parameters})"):
            cursor = self.assign("alloca i64")
            failed = self.assign("alloca i64")
            flags = [self.assign("alloca i64") for _ in range(4)]
            self.put(f"store i64 0, ptr {cursor}")
            self.put(f"store i64 0, ptr {failed}")
            self.put("br label %section")
            self.label("section")
            start = self.assign(f"load i64, ptr {cursor}")
            count = self.word("%segment", start)
            self.put(f"store i64 {self.add(start, 1)}, ptr {cursor}")
            more = self.assign(f"icmp sge i64 {count}, 0")
            self.put(f"br i1 {more}, label %tasks, label %other")
            self.label("other")
            self.put(
                f"switch i64 {count}, label %end [ i64 {REPEAT}, label %repeat "
                f"i64 {CHOOSE}, label %choose i64 {TAKE}, label %take ]"
            )
            self.label("repeat")
            self.repeat(cursor, failed, *flags)
            self.put("br label %following")
            self.label("choose")
            self.choose(cursor, failed, *flags[:2])
            self.put("br label %following")
            self.label("take")
            self.take(cursor)
            self.put("br label %following")
            self.label("tasks")
            with self.loop("0", count):
                self.task("%table", "%board", cursor)
            at = self.assign(f"load i64, ptr {cursor}")
            checks = self.word("%segment", at)
            with self.loop("0", checks) as i:
                self.check(i, at, failed)
            self.put(f"store i64 {self.add(self.add(at, 1), checks)}, ptr {cursor}")
            self.put("br label %following")
            self.label("following")
            bad = self.assign(f"load i64, ptr {failed}")
            good = self.assign(f"icmp eq i64 {bad}, 0")
            self.put(f"br i1 {good}, label %section, label %end")
            self.label("end")
            self.put(f"ret i64 {self.assign(f'load i64, ptr {failed}')}")

    def segment(self, at: str, failed: str) -> None:
        """Run the segment that begins at word `at`."""
        inner = self.place("%segment", at)
        arguments = f"ptr {inner}, ptr %slots, ptr %desks, i64 %workers, ptr %table, ptr %board"
        self.put(f"store i64 {self.assign(f'call i64 @walk({arguments})')}, ptr {failed}")

    def slot(self, at: str) -> str:
        """The place in the table of the slot that word `at` names."""
        return self.place("%slots", self.word("%segment", at))

    def take(self, cursor: str) -> None:
        at = self.assign(f"load i64, ptr {cursor}")
        count, first = [self.word("%segment", self.add(at, i)) for i in range(2)]
        targets = self.add(at, 2)
        with self.loop("0", count) as i:
            value = self.word("%slots", self.add(first, i))
            if DATA is not None:
                place = self.assign(f"inttoptr i64 {self.add(value, DATA)} to ptr")
                value = self.assign(f"load i64, ptr {place}")
            self.put(f"store i64 {value}, ptr {self.slot(self.add(targets, i))}")
        self.put(f"store i64 {self.add(targets, count)}, ptr {cursor}")

    def repeat(
        self, cursor: str, failed: str, odd: str, open_: str, second: str, left: str
    ) -> None:
        signals = self.assign(f"load i64, ptr {cursor}")
        self.put(f"store i64 {self.word('%segment', self.add(signals, 1))}, ptr {left}")
        stacks = self.word("%segment", self.add(signals, 2))
        first_row = self.add(signals, 3)
        at = self.add(first_row, self.assign(f"mul i64 {stacks}, 4"))
        count = self.word("%segment", at)
        first = self.add(at, 1)
        gates_at = self.add(first, self.assign(f"mul i64 {count}, 4"))
        gates = self.word("%segment", gates_at)
        once_at = self.add(self.add(gates_at, 1), gates)
        body_at = self.add(self.add(once_at, 1), self.word("%segment", once_at))
        length = self.word("%segment", body_at)
        self.put(f"store i64 {self.add(self.add(body_at, 1), length)}, ptr {cursor}")
        with self.carries(first, count) as (initial, carry, _, size):
            self.copy(carry, initial, size)
        with self.rows(first_row, stacks) as (stack, row, start, _step):
            begin = self.add(self.assign(f"load i64, ptr {stack}"), start)
            self.put(f"store i64 {begin}, ptr {row}")
        self.segment(self.add(once_at, 1), failed)
        self.put(f"store i64 0, ptr {odd}")
        self.put(f"store i64 {self.time()}, ptr {second}")
        self.put("br label %look")
        self.label("look")
        well = self.assign(f"icmp eq i64 {self.assign(f'load i64, ptr {failed}')}, 0")
        remain = self.assign(f"icmp sgt i64 {self.assign(f'load i64, ptr {left}')}, 0")
        going = self.assign(f"and i1 {well}, {remain}")
        self.put(f"store i64 {self.assign(f'zext i1 {going} to i64')}, ptr {open_}")
        with self.loop("0", gates) as i:
            slot = self.slot(self.add(self.add(gates_at, 1), i))
            gate = self.assign(f"inttoptr i64 {self.assign(f'load i64, ptr {slot}')} to ptr")
            flag = self.assign(f"zext i8 {self.assign(f'load i8, ptr {gate}')} to i64")
            both = self.assign(f"and i64 {flag}, {self.assign(f'load i64, ptr {open_}')}")
            self.put(f"store i64 {both}, ptr {open_}")
        more = self.assign(f"icmp ne i64 {self.assign(f'load i64, ptr {open_}')}, 0")
        self.put(f"br i1 {more}, label %round, label %last")
        self.label("round")
        inward = self.word("%board", INWARD)
        self.segment(self.add(body_at, 1), failed)
        self.put(
            f"store i64 {self.assign(f'xor i64 {inward}, 1')}, ptr {self.place('%board', INWARD)}"
        )
        with self.carries(first, count) as (_, carry, following, _size):
            self.swap(carry, following)
        with self.rows(first_row, stacks) as (_, row, _start, step):
            following_row = self.add(self.assign(f"load i64, ptr {row}"), step)
            self.put(f"store i64 {following_row}, ptr {row}")
        self.put(f"store i64 {self.add(self.assign(f'load i64, ptr {left}'), -1)}, ptr {left}")
        self.turned(odd)
        now = self.time()
        same = self.assign(f"icmp eq i64 {now}, {self.assign(f'load i64, ptr {second}')}")
        self.put(f"br i1 {same}, label %look, label %ask")
        self.label("ask")
        self.put(f"store i64 {now}, ptr {second}")
        self.ask(signals, failed)
        self.put("br label %look")
        self.label("last")
        # Everybody else knows the carries under the addresses that they began with.
        back = self.assign(f"load i64, ptr {odd}")
        with (
            self.loop("0", back),
            self.carries(first, count) as (_, carry, following, size),
        ):
            self.swap(carry, following)
            self.copy(carry, following, size)

    def time(self) -> str:
        """The time in whole seconds, of the C library."""
        return self.intrinsic("i64", TIME, ("ptr", "null"))

    def ask(self, signals: str, failed: str) -> None:
        """Let Python's signal handlers run; −1 to `failed` if one raises."""
        functions = self.assign(f"load ptr, ptr {self.slot(signals)}")
        hold, look, release = [
            self.assign(f"inttoptr i64 {self.word(functions, i)} to ptr") for i in range(3)
        ]
        lock = self.assign(f"call i32 {hold}()")
        found = self.assign(f"sext i32 {self.assign(f'call i32 {look}()')} to i64")
        self.put(f"call void {release}(i32 {lock})")
        both = self.assign(f"or i64 {found}, {self.assign(f'load i64, ptr {failed}')}")
        self.put(f"store i64 {both}, ptr {failed}")

    @contextmanager
    def rows(self, first: str, count: str) -> Iterator[tuple[str, str, str, str]]:
        """For each stack the places of its two slots, and the bytes of its start and step."""
        with self.loop("0", count) as i:
            at = self.add(first, self.assign(f"mul i64 {i}, 4"))
            slots = [self.slot(self.add(at, k)) for k in range(2)]
            start, step = [self.word("%segment", self.add(at, k)) for k in (2, 3)]
            yield slots[0], slots[1], start, step

    @contextmanager
    def carries(self, first: str, count: str) -> Iterator[tuple[str, str, str, str]]:
        """For each carry the places of its three slots in the table, and its bytes."""
        with self.loop("0", count) as i:
            at = self.add(first, self.assign(f"mul i64 {i}, 4"))
            slots = [self.slot(self.add(at, k)) for k in range(3)]
            yield slots[0], slots[1], slots[2], self.word("%segment", self.add(at, 3))

    def swap(self, one: str, other: str) -> None:
        values = [self.assign(f"load i64, ptr {place}") for place in (one, other)]
        for value, place in zip(values, (other, one), strict=True):
            self.put(f"store i64 {value}, ptr {place}")

    def copy(self, target: str, source: str, size: str) -> None:
        to, from_ = [self.assign(f"load ptr, ptr {place}") for place in (target, source)]
        operands = (("ptr", to), ("ptr", from_), ("i64", size), ("i1", "false"))
        self.put(self.call("void", "llvm.memcpy.p0.p0.i64", *operands))

    def choose(self, cursor: str, failed: str, place: str, end: str) -> None:
        at = self.assign(f"load i64, ptr {cursor}")
        pointer = self.assign(f"load ptr, ptr {self.slot(at)}")
        number = self.assign(f"load i64, ptr {pointer}")
        count = self.word("%segment", self.add(at, 1))
        lengths = self.add(at, 2)
        start = self.add(lengths, count)
        self.put(f"store i64 {start}, ptr {place}")
        self.put(f"store i64 {start}, ptr {end}")
        with self.loop("0", count) as i:
            length = self.word("%segment", self.add(lengths, i))
            before = self.assign(f"icmp slt i64 {i}, {number}")
            skipped = self.assign(f"select i1 {before}, i64 {length}, i64 0")
            for total, more in ((place, skipped), (end, length)):
                value = self.add(self.assign(f"load i64, ptr {total}"), more)
                self.put(f"store i64 {value}, ptr {total}")
        self.segment(self.assign(f"load i64, ptr {place}"), failed)
        self.put(f"store i64 {self.assign(f'load i64, ptr {end}')}, ptr {cursor}")

    def task(self, table: str, board: str, cursor: str) -> None:
        at = self.assign(f"load i64, ptr {cursor}")
        address, chunks, buffers = [self.word("%segment", self.add(at, i)) for i in range(3)]
        first = self.add(at, 3)
        with self.loop("0", buffers) as i:
            pointer = self.word("%slots", self.word("%segment", self.add(first, i)))
            self.put(f"store i64 {pointer}, ptr {self.place(table, i)}")
        self.put(f"store i64 {self.add(first, buffers)}, ptr {cursor}")
        self.share(address, chunks, table, board)

    def check(self, i: str, at: str, failed: str) -> None:
        slot = self.word("%segment", self.add(self.add(at, 1), i))
        pointer = self.assign(f"inttoptr i64 {self.word('%slots', slot)} to ptr")
        bad = self.assign(f"icmp eq i8 {self.assign(f'load i8, ptr {pointer}')}, 0")
        before = self.assign(f"load i64, ptr {failed}")
        none = self.assign(f"icmp eq i64 {before}, 0")
        now = self.assign(f"and i1 {bad}, {none}")
        result = self.assign(f"select i1 {now}, i64 {self.add(i, 1)}, i64 {before}")
        self.put(f"store i64 {result}, ptr {failed}")


_LONG, _POINTER = ctypes.c_int64, ctypes.c_void_p


def _address_of(name: str) -> int:
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


SIGNALS = np.array(
    [
        _address_of(f"Py{name}")
        for name in ("GILState_Ensure", "Err_CheckSignals", "GILState_Release")
    ],
    np.int64,
)
"""Addresses of the functions by which a native loop lets Python look for signals."""


@functools.cache
def runner(*, release: bool = True) -> Any:
    """run(call) → failed check, 0 if all hold, −1 after a signal.

    release: let other Python threads run meanwhile. That is asked for with care: a thread that
    then waits for the interpreter's lock may wait longer than a small program takes.
    """
    kind = ctypes.CFUNCTYPE if release else ctypes.PYFUNCTYPE
    return kind(_LONG, _POINTER)(native.load(RunnerEmitter().run(), "run"))


@functools.cache
def work() -> Any:
    """work(desk, patience) → `ASLEEP` or `STOPPED`."""
    address = native.load(RunnerEmitter().run(), "work")
    return ctypes.CFUNCTYPE(_LONG, _POINTER, _LONG)(address)
