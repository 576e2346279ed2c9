"""Stable sorting of the lines along an axis: by insertion where they are short, else by digits.

A number becomes an unsigned key in whose order it stands: −0 as 0, NaN as the greatest. Keys and
indices go through the key's digits from the lowest up, each time in their order so far (Knuth,
"The Art of Computer Programming" 3, 5.2.5); a digit that all keys share is passed over.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

from neurona.compiler.ir.sizes import is_plain, plain
from neurona.compiler.machine.text import Text
from neurona.core import dtypes
from neurona.core.buffer import ALIGNMENT
from neurona.core.dtypes import DType

SHORT = 12
"""Elements for each digit up to which inserting one by one is quicker."""
CHUNK_WORK = 1 << 12
MAX_CHUNKS = 16
DIGIT = 8
"""Bits of a digit: 256 places to write to are as many as the caches bear."""
BUCKETS = 1 << DIGIT

_INFINITY = {
    dtypes.float16: 0x7C00, dtypes.bfloat16: 0x7F80, dtypes.float32: 0x7F800000,
    dtypes.float64: 0x7FF0000000000000,
}  # fmt: skip


@dataclass(frozen=True)
class Sorting:
    """A `Sort` of the contiguous (outer, extent, inner) elements from `offset` on."""

    kind: ClassVar[str] = "sort"
    outer: int
    extent: int
    inner: int
    descending: bool
    dtype: DType
    offset: int

    @property
    def lines(self) -> int:
        return self.outer * self.inner

    @property
    def chunks(self) -> int:
        work = plain(self.lines) * plain(self.extent)
        return max(1, min(MAX_CHUNKS, plain(self.lines), work // CHUNK_WORK))

    @property
    def digits(self) -> int:
        return self.dtype.itemsize * 8 // DIGIT

    @property
    def index_bytes(self) -> int:
        return 4 if self.extent < 1 << 31 else 8

    @property
    def parts(self) -> tuple[int, int, int, int, int]:
        """Where in a chunk's scratch keys, indices, those of the other copy and counts begin."""
        widths = (self.dtype.itemsize, self.index_bytes) * 2
        if is_plain(self.extent):
            sizes = [-(-width * self.extent // ALIGNMENT) * ALIGNMENT for width in widths]
        else:
            sizes = [8 * self.extent] * 4
        first, second, third, fourth = itertools.accumulate(sizes)
        return 0, first, second, third, fourth

    @property
    def scratch(self) -> int:
        """Bytes that a chunk needs."""
        return self.parts[4] + self.digits * BUCKETS * self.index_bytes

    @property
    def flops(self) -> int:
        """Moves, counted as if they were arithmetic."""
        return self.lines * self.extent * self.digits

    def text(self) -> str:
        return SortEmitter(self).run()


class SortEmitter(Text):
    """LLVM IR of a sort: table (input, scratch, result)."""

    def __init__(self, sorting: Sorting) -> None:
        super().__init__(1)
        self.sorting = sorting
        self.key_type = f"i{sorting.dtype.itemsize * 8}"
        self.index_type = f"i{sorting.index_bytes * 8}"

    def run(self) -> str:
        s = self.sorting
        by_digits = s.extent > SHORT * s.digits
        if by_digits:
            self.distribution()
        with self.function("void @kernel(ptr %table, i64 %first, i64 %last)"):
            x, scratch, result = [
                self.assign(f"load ptr, ptr {self.place('%table', i, 'ptr')}") for i in range(3)
            ]
            slots = [self.assign("alloca ptr") for _ in range(4)]
            rounded = self.assign(f"add i64 {s.lines}, {s.chunks - 1}")
            part = self.assign(f"sdiv i64 {rounded}, {s.chunks}")
            with self.loop("%first", "%last") as chunk:
                own = self.place(scratch, self.times(chunk, s.scratch), "i8")
                parts = [self.place(own, part, "i8") for part in s.parts]
                start = self.assign(f"mul i64 {chunk}, {part}")
                end = self.plus(start, part)
                stop = self.intrinsic("i64", "llvm.smin.i64", ("i64", end), ("i64", str(s.lines)))
                with self.loop(start, stop) as line:
                    outer = self.assign(f"sdiv i64 {line}, {s.inner}")
                    column = self.assign(f"srem i64 {line}, {s.inner}")
                    at = self.plus(self.times(outer, s.extent * s.inner), column)
                    source = self.place(x, self.plus(at, s.offset), self.key_type)
                    goal = self.place(result, at, "i64")
                    if by_digits:
                        self.tally(source, parts)
                        found = self.distribute(parts, slots)
                    else:
                        self.insert(source, parts)
                        found = parts[1]
                    self.save(found, goal)
        return "\n".join([*self.finished, *sorted(self.declarations)])

    # --- small pieces ---

    def place(self, base: str, at: str | int, kind: str) -> str:
        return self.assign(f"getelementptr inbounds {kind}, ptr {base}, i64 {at}")

    def plus(self, a: str, b: str | int) -> str:
        return self.assign(f"add nsw i64 {a}, {b}")

    def times(self, a: str, b: int) -> str:
        return self.assign(f"mul nsw i64 {a}, {b}")

    def read(self, base: str, at: str | int, kind: str) -> str:
        return self.assign(f"load {kind}, ptr {self.place(base, at, kind)}")

    def write(self, value: str, base: str, at: str | int, kind: str) -> None:
        self.put(f"store {kind} {value}, ptr {self.place(base, at, kind)}")

    def key(self, source: str, i: str) -> str:
        """The i-th element of a line as a key."""
        s, kind = self.sorting, self.key_type
        bits = s.dtype.itemsize * 8
        sign = 1 << (bits - 1)
        raw = self.read(source, self.times(i, s.inner), kind)
        key = raw
        if dtypes.is_float(s.dtype):
            size = self.assign(f"and {kind} {raw}, {sign - 1}")
            zero = self.assign(f"icmp eq {kind} {size}, 0")
            raw = self.assign(f"select i1 {zero}, {kind} 0, {kind} {raw}")
            negative = self.assign(f"ashr {kind} {raw}, {bits - 1}")
            flips = self.assign(f"or {kind} {negative}, {-sign}")
            key = self.assign(f"xor {kind} {raw}, {flips}")
            nan = self.assign(f"icmp ugt {kind} {size}, {_INFINITY[s.dtype]}")
            key = self.assign(f"select i1 {nan}, {kind} -1, {kind} {key}")
        elif s.dtype in dtypes.SIGNED:
            key = self.assign(f"xor {kind} {raw}, {-sign}")
        return self.assign(f"xor {kind} {key}, -1") if s.descending else key

    def widened(self, value: str, kind: str) -> str:
        return value if kind == "i64" else self.assign(f"zext {kind} {value} to i64")

    def narrow(self, i: str) -> str:
        """A counter as an index of the scratch."""
        if self.index_type == "i64":
            return i
        return self.assign(f"trunc i64 {i} to {self.index_type}")

    def save(self, indices: str, goal: str) -> None:
        s = self.sorting
        with self.loop("0", str(s.extent)) as i:
            index = self.widened(self.read(indices, i, self.index_type), self.index_type)
            self.write(index, goal, self.times(i, s.inner), "i64")

    # --- by insertion ---

    def insert(self, source: str, parts: list[str]) -> None:
        keys, indices = parts[:2]
        with self.loop("0", str(self.sorting.extent)) as i:
            key = self.key(source, i)
            tag = self.fresh("insert").removeprefix("%")
            self.put(f"br label %{tag}_from")
            self.label(f"{tag}_from")
            self.put(f"br label %{tag}")
            self.label(tag)
            self.put(f"%{tag}_at = phi i64 [ {i}, %{tag}_from ], [ %{tag}_before, %{tag}_move ]")
            some = self.assign(f"icmp sgt i64 %{tag}_at, 0")
            self.put(f"br i1 {some}, label %{tag}_look, label %{tag}_put")
            self.label(f"{tag}_look")
            self.put(f"%{tag}_before = sub i64 %{tag}_at, 1")
            other = self.read(keys, f"%{tag}_before", self.key_type)
            greater = self.assign(f"icmp ugt {self.key_type} {other}, {key}")
            self.put(f"br i1 {greater}, label %{tag}_move, label %{tag}_put")
            self.label(f"{tag}_move")
            self.write(other, keys, f"%{tag}_at", self.key_type)
            index = self.read(indices, f"%{tag}_before", self.index_type)
            self.write(index, indices, f"%{tag}_at", self.index_type)
            self.put(f"br label %{tag}")
            self.label(f"{tag}_put")
            self.write(key, keys, f"%{tag}_at", self.key_type)
            self.write(self.narrow(i), indices, f"%{tag}_at", self.index_type)

    # --- by digits ---

    def digit(self, key: str, shift: str | int) -> str:
        """The digit of a key that begins at bit `shift`, as an i64."""
        wide = self.widened(key, self.key_type)
        moved = self.assign(f"lshr i64 {wide}, {shift}")
        return self.assign(f"and i64 {moved}, {BUCKETS - 1}")

    def tally(self, source: str, parts: list[str]) -> None:
        """Keys and indices of a line, and how often each value of each digit occurs."""
        s = self.sorting
        keys, indices, _, _, counts = parts
        size = s.digits * BUCKETS * s.index_bytes
        cleared = (("ptr", counts), ("i8", "0"), ("i64", str(size)), ("i1", "false"))
        self.put(self.call("void", "llvm.memset.p0.i64", *cleared))
        with self.loop("0", str(s.extent)) as i:
            key = self.key(source, i)
            self.write(key, keys, i, self.key_type)
            self.write(self.narrow(i), indices, i, self.index_type)
            for number in range(s.digits):
                at = self.plus(self.digit(key, number * DIGIT), number * BUCKETS)
                self.count_up(counts, at)

    def count_up(self, counts: str, at: str) -> str:
        """Add 1 to a count; what it was, as an i64."""
        kind = self.index_type
        before = self.read(counts, at, kind)
        self.write(self.assign(f"add {kind} {before}, 1"), counts, at, kind)
        return self.widened(before, kind)

    def distribute(self, parts: list[str], slots: list[str]) -> str:
        """Go through the digits; where the indices are in the end."""
        s = self.sorting
        for part, slot in zip(parts, slots, strict=False):
            self.put(f"store ptr {part}, ptr {slot}")
        with self.loop("0", str(s.digits)) as number:
            counts = self.place(parts[4], self.times(number, BUCKETS), self.index_type)
            shift = self.times(number, DIGIT)
            first = self.digit(self.read(parts[0], 0, self.key_type), shift)
            alike = self.read(counts, first, self.index_type)
            differ = self.assign(f"icmp ne {self.index_type} {alike}, {s.extent}")
            tag = self.fresh("digit").removeprefix("%")
            self.put(f"br i1 {differ}, label %{tag}, label %{tag}_done")
            self.label(tag)
            copies = [self.assign(f"load ptr, ptr {slot}") for slot in slots]
            pointers = [f"ptr {copy}" for copy in copies]
            self.call_own("@distribute", *pointers, f"ptr {counts}", f"i64 {shift}")
            for copy, slot in zip((*copies[2:], *copies[:2]), slots, strict=True):
                self.put(f"store ptr {copy}, ptr {slot}")
            self.put(f"br label %{tag}_done")
            self.label(f"{tag}_done")
        return self.assign(f"load ptr, ptr {slots[1]}")

    def distribution(self) -> None:
        """The function that puts keys and indices where their digit at bit `shift` says."""
        names = ("keys", "indices", "to_keys", "to_indices", "counts")
        pointers = ", ".join(f"ptr noalias %{name}" for name in names)
        with self.function(f"internal void @distribute({pointers}, i64 %shift)"):
            kind = self.index_type
            total = self.assign(f"alloca {kind}")
            self.put(f"store {kind} 0, ptr {total}")
            with self.loop("0", str(BUCKETS)) as i:
                before = self.assign(f"load {kind}, ptr {total}")
                after = self.assign(f"add {kind} {before}, {self.read('%counts', i, kind)}")
                self.write(before, "%counts", i, kind)
                self.put(f"store {kind} {after}, ptr {total}")
            with self.loop("0", str(self.sorting.extent)) as i:
                key = self.read("%keys", i, self.key_type)
                index = self.read("%indices", i, self.index_type)
                digit = self.digit(key, "%shift")
                at = self.count_up("%counts", digit)
                self.write(key, "%to_keys", at, self.key_type)
                self.write(index, "%to_indices", at, self.index_type)
