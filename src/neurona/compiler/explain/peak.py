"""What one thread of this machine can do at best, found by running loops made for it."""

from __future__ import annotations

import ctypes
import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from neurona.compiler.machine import native
from neurona.core.buffer import address, aligned_empty
from neurona.core.dtypes import float32

CHAINS = 16
"""Independent accumulators: latency times throughput of any processor so far."""
SIZES = (1 << 14, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
"""Bytes that are walked over and over to see how fast they come."""
SECONDS = 0.01
"""Each run takes at least a tenth of this, all runs of a loop about twice as long."""


@dataclass(frozen=True)
class Peak:
    """flops: float32 operations a second, a fused multiply-add counting as two.

    bandwidths: (bytes that are in use, bytes read or written a second when they are).
    """

    flops: float
    bandwidths: tuple[tuple[int, float], ...]

    def bandwidth(self, nbytes: int) -> float:
        """Bytes a second where `nbytes` are in use."""
        return next(
            (rate for size, rate in self.bandwidths if nbytes <= size), self.bandwidths[-1][1]
        )

    def seconds(self, flops: float, nbytes: int) -> float:
        """The least time for so much arithmetic on so much memory, done at the same time."""
        return max(flops / self.flops, nbytes / self.bandwidth(nbytes))


@functools.cache
def peak() -> Peak:
    """Measured once in a process, in about a tenth of a second."""
    lanes = native.host().lanes
    multiply_add = _function(_multiply_add(lanes))
    flops = 2 * lanes * CHAINS * _best_rate(lambda repeats: multiply_add(None, 0, repeats))
    sweep = _function(_sweep(lanes))
    memory = aligned_empty((SIZES[-1] // 4,), float32)
    memory[...] = 0

    def walk(size: int) -> Callable[[int], None]:
        return lambda repeats: sweep(address(memory), size // (4 * lanes), repeats)

    rates = [(size, 2 * size * _best_rate(walk(size))) for size in SIZES]
    return Peak(flops, tuple(rates))


def _function(text: str) -> Callable[..., None]:
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    return kind(native.load(text, "measured"))


def _best_rate(call: Callable[[int], None]) -> float:
    """Repeats per second, the best of several short runs."""
    repeats, best, end = 1, 0.0, time.perf_counter() + 2 * SECONDS
    while time.perf_counter() < end or not best:
        start = time.perf_counter()
        call(repeats)
        took = time.perf_counter() - start
        if took < SECONDS / 10:
            repeats *= 2
        else:
            best = max(best, repeats / took)
    return best


def _multiply_add(lanes: int) -> str:
    """x ← x·a + b on `CHAINS` vectors, `repeats` times."""
    vector = f"<{lanes} x float>"
    half = "splat (float 0.5)"
    chains = range(CHAINS)
    # Different from each other, that none of them is left out.
    starts = [f"splat (float {(c + 1) / 4})" for c in chains]
    phis = [f"  %x{c} = phi {vector} [ {starts[c]}, %entry ], [ %y{c}, %loop ]" for c in chains]
    call = f"call {vector} @llvm.fma.v{lanes}f32"
    steps = [f"  %y{c} = {call}({vector} %x{c}, {vector} {half}, {vector} {half})" for c in chains]
    sums = [
        f"  %s{c + 1} = fadd {vector} %{f's{c}' if c else 'y0'}, %y{c + 1}"
        for c in range(CHAINS - 1)
    ]
    return "\n".join([
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
        "define void @measured(ptr %table, i64 %first, i64 %repeats) #0 {",
        "entry:", f"  %out = alloca {vector}, align 64", "  br label %loop",
        "loop:", "  %i = phi i64 [ 0, %entry ], [ %next, %loop ]", *phis, *steps,
        "  %next = add i64 %i, 1", "  %more = icmp slt i64 %next, %repeats",
        "  br i1 %more, label %loop, label %done",
        "done:", *sums, f"  store volatile {vector} %s{CHAINS - 1}, ptr %out, align 64",
        "  ret void", "}",
    ])  # fmt: skip


def _sweep(lanes: int) -> str:
    """p ← p + p for every vector of the memory, `repeats` times."""
    vector, align = f"<{lanes} x float>", 4 * lanes
    return "\n".join([
        "define void @measured(ptr %memory, i64 %vectors, i64 %repeats) #0 {",
        "entry:", "  br label %outer",
        "outer:", "  %r = phi i64 [ 0, %entry ], [ %r.next, %end ]", "  br label %inner",
        "inner:", "  %i = phi i64 [ 0, %outer ], [ %i.next, %inner ]",
        f"  %at = getelementptr {vector}, ptr %memory, i64 %i",
        f"  %old = load {vector}, ptr %at, align {align}",
        f"  %new = fadd {vector} %old, %old",
        f"  store {vector} %new, ptr %at, align {align}",
        "  %i.next = add i64 %i, 1", "  %i.more = icmp slt i64 %i.next, %vectors",
        "  br i1 %i.more, label %inner, label %end",
        "end:", "  %r.next = add i64 %r, 1", "  %r.more = icmp slt i64 %r.next, %repeats",
        "  br i1 %r.more, label %outer, label %done",
        "done:", "  ret void", "}",
    ])  # fmt: skip
