"""What this machine can do at best: multiply-adds per second, bytes per second.

Loops are generated for the vector width of the processor and run on as many threads as the
frameworks get. For peak and bandwidth the best of many short runs counts, so that a passing
disturbance does not; copies are timed in rounds beside the frameworks and count as they come.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np

CHAINS = 16  # independent accumulators: latency × throughput of any processor so far
ROUND_SECONDS = 0.002  # shorter than the scheduler's slice: some rounds pass undisturbed
MEASURE_SECONDS = 0.3


def measure_peak(threads: int) -> float:
    """Most float32 operations per second, a fused multiply-add counting as two."""
    width = vector_width()
    engine = _Functions(_peak_source(width))
    run = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_int64, ctypes.c_float, ctypes.c_float)(
        engine["peak"]
    )

    def call(thread: int, repeats: int) -> None:
        run(repeats, 0.999, 0.001)

    return 2 * width * CHAINS * _best_rate(call, threads)


def measure_bandwidth(threads: int, working_set: int) -> float:
    """Most bytes read or written per second when float32 values are updated in place.

    `working_set` bytes in all are walked over and over, so that they stay in the cache that
    would hold them in a training step.
    """
    width = vector_width()
    engine = _Functions(_sweep_source(width))
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(engine["sweep"])
    vectors = max(1, working_set // (4 * width * threads))
    parts = [np.zeros(vectors * width + width, np.float32) for _ in range(threads)]
    aligned = [-(-part.ctypes.data // 64) * 64 for part in parts]

    def call(thread: int, repeats: int) -> None:
        run(aligned[thread], vectors, repeats)

    return 2 * 4 * width * vectors * _best_rate(call, threads)


class CopyLoops:
    """Copying from one array into another, with ordinary stores and with stores past the caches.

    `traffic` bytes in all are read or written by a copy, shared out among the threads.
    """

    def __init__(self, threads: int, traffic: int) -> None:
        width = vector_width()
        self._threads = threads
        self._vectors = max(1, traffic // (8 * width * threads))
        self._loops = {}
        for stores, past in (("ordinary", False), ("non-temporal", True)):
            functions = _Functions(_copy_source(width, past_caches=past))
            kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2)
            self._loops[stores] = (functions, kind(functions["copy"]))
        size = self._vectors * width + 16
        self._arrays = [[np.ones(size, np.float32) for _ in range(2)] for _ in range(threads)]
        self._places = [
            [-(-array.ctypes.data // 64) * 64 for array in pair] for pair in self._arrays
        ]
        self._bytes = 8 * width * self._vectors

    def rates(self, seconds: float) -> dict[str, float]:
        """Bytes read and written per second, for each kind of store over half of `seconds`."""
        return {stores: self._rate(run, seconds / 2) for stores, (_, run) in self._loops.items()}

    def _rate(self, run: Callable[..., None], seconds: float) -> float:
        rates = [0.0] * self._threads
        together = threading.Barrier(self._threads)

        def call(thread: int, repeats: int) -> None:
            source, target = self._places[thread]
            run(source, target, self._vectors, repeats)

        def measure(thread: int) -> None:
            repeats = 1
            while _seconds(call, thread, repeats) < ROUND_SECONDS:
                repeats *= 2
            together.wait()
            done, start = 0, time.perf_counter()
            while not done or time.perf_counter() - start < seconds:
                call(thread, repeats)
                done += repeats
            rates[thread] = done * self._bytes / (time.perf_counter() - start)

        _on_all(measure, self._threads)
        return sum(rates)


def vector_width() -> int:
    """float32 lanes of this processor's widest register."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") else 4


def _best_rate(call: Callable[[int, int], None], threads: int) -> float:
    """Repeats per second of all threads at once, each at its best; `call(thread, repeats)`.

    The call must free the GIL, so that the threads do run at once.
    """
    rates = [0.0] * threads
    together = threading.Barrier(threads)

    def measure(thread: int) -> None:
        repeats = 1
        while _seconds(call, thread, repeats) < ROUND_SECONDS:
            repeats *= 2
        together.wait()
        end, rounds = time.perf_counter() + MEASURE_SECONDS, []
        while time.perf_counter() < end or len(rounds) < 3:
            rounds.append(_seconds(call, thread, repeats))
        # The last round may have had the memory to itself, others being done.
        rates[thread] = repeats / min(rounds[:-1])

    _on_all(measure, threads)
    return sum(rates)


def _on_all(measure: Callable[[int], None], threads: int) -> None:
    """`measure(thread)` on every thread at once."""
    others = [threading.Thread(target=measure, args=(thread,)) for thread in range(1, threads)]
    for other in others:
        other.start()
    measure(0)
    for other in others:
        other.join()


def _seconds(call: Callable[[int, int], None], thread: int, repeats: int) -> float:
    start = time.perf_counter()
    call(thread, repeats)
    return time.perf_counter() - start


class _Functions(dict[str, int]):
    """Addresses of a module's functions, and the compiler that keeps them alive."""

    def __init__(self, source: str) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
        )
        module = llvm.parse_assembly(source)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        names = [function.name for function in module.functions if not function.is_declaration]
        super().__init__((name, self._engine.get_function_address(name)) for name in names)


def _splat(vector: str, scalar: str, name: str) -> str:
    lanes = vector.split()[0][1:]
    return (
        f"  %{name}.0 = insertelement {vector} poison, float %{scalar}, i32 0\n"
        f"  %{name} = shufflevector {vector} %{name}.0, {vector} poison,"
        f" <{lanes} x i32> zeroinitializer\n"
    )


def _peak_source(width: int) -> str:
    """Each repeat does `CHAINS` independent vector steps x ← x·a + b."""
    vector = f"<{width} x float>"
    phis = "".join(
        f"  %x{c} = phi {vector} [ %a, %entry ], [ %y{c}, %loop ]\n" for c in range(CHAINS)
    )
    steps = "".join(
        f"  %y{c} = call {vector} @llvm.fma.v{width}f32({vector} %x{c}, {vector} %a, {vector} %b)\n"
        for c in range(CHAINS)
    )
    sums = "".join(
        f"  %s{c + 1} = fadd {vector} %{f's{c}' if c else 'y0'}, %y{c + 1}\n"
        for c in range(CHAINS - 1)
    )
    return (
        f"declare {vector} @llvm.fma.v{width}f32({vector}, {vector}, {vector})\n"
        "define float @peak(i64 %repeats, float %scale, float %shift) {\nentry:\n"
        f"{_splat(vector, 'scale', 'a')}{_splat(vector, 'shift', 'b')}  br label %loop\n"
        "loop:\n  %i = phi i64 [ 0, %entry ], [ %next, %loop ]\n"
        f"{phis}{steps}  %next = add i64 %i, 1\n"
        "  %more = icmp slt i64 %next, %repeats\n  br i1 %more, label %loop, label %done\n"
        f"done:\n{sums}  %result = extractelement {vector} %s{CHAINS - 1}, i32 0\n"
        "  ret float %result\n}\n"
    )


def _sweep_source(width: int) -> str:
    """Each repeat reads and writes every vector of the array once, p ← p + p."""
    vector = f"<{width} x float>"
    return (
        "define void @sweep(ptr %values, i64 %vectors, i64 %repeats) {\nentry:\n"
        "  br label %outer\n"
        "outer:\n  %r = phi i64 [ 0, %entry ], [ %r.next, %outer.end ]\n  br label %inner\n"
        "inner:\n  %i = phi i64 [ 0, %outer ], [ %i.next, %inner ]\n"
        f"  %at = getelementptr {vector}, ptr %values, i64 %i\n"
        f"  %old = load {vector}, ptr %at, align {4 * width}\n"
        f"  %new = fadd {vector} %old, %old\n"
        f"  store {vector} %new, ptr %at, align {4 * width}\n"
        "  %i.next = add i64 %i, 1\n  %i.more = icmp slt i64 %i.next, %vectors\n"
        "  br i1 %i.more, label %inner, label %outer.end\n"
        "outer.end:\n  %r.next = add i64 %r, 1\n  %r.more = icmp slt i64 %r.next, %repeats\n"
        "  br i1 %r.more, label %outer, label %done\n"
        "done:\n  ret void\n}\n"
    )


def _copy_source(width: int, *, past_caches: bool) -> str:
    """Each repeat copies every vector of one array into another, t ← s."""
    vector = f"<{width} x float>"
    hint = ", !nontemporal !0" if past_caches else ""
    return (
        "define void @copy(ptr %source, ptr %target, i64 %vectors, i64 %repeats) {\nentry:\n"
        "  br label %outer\n"
        "outer:\n  %r = phi i64 [ 0, %entry ], [ %r.next, %outer.end ]\n  br label %inner\n"
        "inner:\n  %i = phi i64 [ 0, %outer ], [ %i.next, %inner ]\n"
        f"  %from = getelementptr {vector}, ptr %source, i64 %i\n"
        f"  %to = getelementptr {vector}, ptr %target, i64 %i\n"
        f"  %value = load {vector}, ptr %from, align {4 * width}\n"
        f"  store {vector} %value, ptr %to, align {4 * width}{hint}\n"
        "  %i.next = add i64 %i, 1\n  %i.more = icmp slt i64 %i.next, %vectors\n"
        "  br i1 %i.more, label %inner, label %outer.end\n"
        "outer.end:\n  %r.next = add i64 %r, 1\n  %r.more = icmp slt i64 %r.next, %repeats\n"
        "  br i1 %r.more, label %outer, label %done\n"
        "done:\n  ret void\n}\n"
        "!0 = !{i32 1}\n"
    )
