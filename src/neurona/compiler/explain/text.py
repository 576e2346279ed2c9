"""An explanation as text of 100 columns: what is long is told in short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurona.compiler.explain.explanation import Explanation, KernelReport

WIDTH = 100
MOST_NODES = 100
MOST_KERNELS = 40
MOST_BUFFERS = 6


def printed(explanation: Explanation) -> Iterator[str]:
    """The lines."""
    yield from _graph(explanation.graph)
    yield ""
    yield from _kernels(explanation)
    yield ""
    yield from _memory(explanation)
    yield ""
    stages = ", ".join(f"{name} {1e3 * t:.0f}" for name, t in explanation.seconds.items())
    yield f"compiled in {1e3 * sum(explanation.seconds.values()):.0f} ms: {stages}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _graph(lines: list[str]) -> Iterator[str]:
    yield f"graph ({len(lines) - 1} nodes)"
    if len(lines) > MOST_NODES:
        left = len(lines) - MOST_NODES
        half = MOST_NODES // 2
        lines = [*lines[:half], f"… {left} more lines in .graph", *lines[-half:]]
    for line in lines:
        yield _cut(f"  {line}")


def _kernels(explanation: Explanation) -> Iterator[str]:
    kernels = explanation.kernels
    rates = [rate / 1e9 for _, rate in explanation.peak.bandwidths]
    yield (
        f"kernels on one thread, whose peak is {explanation.peak.flops / 1e9:.0f} GFLOP/s and "
        f"{rates[-1]:.0f} (memory) to {rates[0]:.0f} (cache) GB/s, measured"
    )
    rows = _equal_together(kernels)
    total = sum(k.seconds for k in kernels if not k.place) or 1.0
    heads = ("#", "times", "µs", "share", "GFLOP/s", "GB/s", "of peak", "kernel")
    yield "  {:>4} {:>5} {:>9} {:>6} {:>7} {:>6} {:>7}  {}".format(*heads)
    for number, members in rows:
        yield _cut(_row(number, members, total))
    yield (
        f"  {len(kernels)} kernels, {explanation.different} different; "
        f"{1e6 * total:.2f} µs without prologue, branches and bodies"
    )


def _equal_together(kernels: list[KernelReport]) -> list[tuple[int, list[KernelReport]]]:
    """Kernels with their numbers; of many, the equal ones of one place in one row."""
    if len(kernels) <= MOST_KERNELS:
        return [(i, [kernel]) for i, kernel in enumerate(kernels)]
    rows: dict[tuple[int | str, str], tuple[int, list[KernelReport]]] = {}
    for i, kernel in enumerate(kernels):
        same = kernel.equal if kernel.seconds else kernel.name
        rows.setdefault((same, kernel.place), (i, []))[1].append(kernel)
    return list(rows.values())


def _row(number: int, members: list[KernelReport], total: float) -> str:
    first = members[0]
    seconds = sum(kernel.seconds for kernel in members)
    name = f"{'' if first.place in ('', 'prologue') else '  '}{first.name}"
    notes = [first.kind] if first.kind in ("python", "pack", "control") else []
    notes += [first.place] if first.place else []
    name += f" ({', '.join(notes)})" if notes else ""
    if not seconds:
        return f"  {number:>4} {len(members):>5} {'':>9} {'':>6} {'':>7} {'':>6} {'':>7}  {name}"
    share = "" if first.place else f"{seconds / total:.1%}"
    least = sum(kernel.fraction * kernel.seconds for kernel in members)
    return (
        f"  {number:>4} {len(members):>5} {1e6 * seconds:>9.2f} {share:>6} "
        f"{sum(k.flops for k in members) / seconds / 1e9:>7.1f} "
        f"{sum(k.bytes for k in members) / seconds / 1e9:>6.1f} {least / seconds:>7.0%}  {name}"
    )


def _memory(explanation: Explanation) -> Iterator[str]:
    memory = explanation.memory
    yield (
        f"memory: arena {memory.arena:,} bytes, kept by the prologue {memory.kept:,}, "
        f"results {memory.results:,}"
    )
    for buffer in memory.buffers[:MOST_BUFFERS]:
        values = ", then ".join(buffer.values)
        span = f"tasks {buffer.first}…{buffer.last}"
        yield _cut(f"  {buffer.nbytes:>13,} at {buffer.offset:>13,}  {span:<14}  {values}")
    if len(memory.buffers) > MOST_BUFFERS:
        yield f"  … {len(memory.buffers) - MOST_BUFFERS} smaller ones in .memory.buffers"
