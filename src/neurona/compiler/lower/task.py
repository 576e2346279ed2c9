"""One step of a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from neurona.compiler.ir.loops import Kernel, Param
from neurona.compiler.ir.sizes import typical
from neurona.compiler.ir.storage import Key, Storage
from neurona.compiler.lower.control import Control
from neurona.compiler.machine import native
from neurona.compiler.machine.abreast import emit
from neurona.compiler.machine.convolution import ConvolutionEmitter, Direct
from neurona.compiler.machine.finish import (
    FinishingConvolution,
    FinishingEmitter,
    FinishingWinograd,
)
from neurona.compiler.machine.matmul import Matmul, MatmulEmitter
from neurona.compiler.machine.pack import PackEmitter, Packing
from neurona.compiler.machine.winograd import Winograd, WinogradEmitter
from neurona.core.node import Node

SHARED_FLOPS = 1 << 19
"""Arithmetic from which on a product is shared among threads: about 5 µs of one."""


class Written(Protocol):
    """A kernel that is neither loops nor a product and writes its code itself.

    kind: what `explain` calls it.
    """

    kind: ClassVar[str]

    def text(self) -> str:
        """LLVM IR of `void @kernel(ptr %table, i64 %first, i64 %last)`."""


@dataclass(frozen=True, eq=False)
class Task:
    """One step. `roles` says what it does with each buffer: read, write, update, scratch.

    A native task has `kernel` (loop IR), `matmul` or `direct` (a product or a convolution; the
    kernel, if there is one, is its epilogue, and its operands are the first buffers), `pack`
    (an operand's packing), `along` (a kernel of another kind) or `control` (a choice or a loop);
    any other evaluates its node in Python.
    """

    buffers: tuple[Storage, ...]
    roles: tuple[str, ...]
    nodes: tuple[Node, ...]
    chunks: int = 1
    kernel: Kernel | None = None
    matmul: Matmul | None = None
    direct: Direct | Winograd | None = None
    pack: Packing | None = None
    along: Written | None = None
    flops: int = 0
    control: Control | None = None

    @property
    def native(self) -> bool:
        """Whether it is one native function; native choices and loops are sections of several."""
        parts = (self.kernel, self.matmul, self.direct, self.pack, self.along)
        return any(part is not None for part in parts)

    @property
    def text(self) -> str:
        """LLVM IR of a native task."""
        if self.matmul is not None:
            if self.kernel is not None:
                return FinishingEmitter(self.matmul, self.kernel).run()
            return MatmulEmitter(self.matmul).run()
        if isinstance(self.direct, Winograd):
            if self.kernel is not None:
                return FinishingWinograd(self.direct, self.kernel).run()
            return WinogradEmitter(self.direct).run()
        if self.direct is not None:
            if self.kernel is not None:
                return FinishingConvolution(self.direct, self.kernel).run()
            return ConvolutionEmitter(self.direct).run()
        if self.pack is not None:
            return PackEmitter(self.pack).run()
        if self.along is not None:
            return self.along.text()
        if self.kernel is None:
            raise TypeError("a Python task has no LLVM IR")
        return emit(self.kernel, native.host().lanes)

    @property
    def operands(self) -> list[Key]:
        """Keys of what a product reads while it writes."""
        if isinstance(self.direct, Winograd):
            count = 4
        else:
            count = 2 if self.matmul is not None or self.direct is not None else 0
        return [storage.key for storage in self.buffers[:count]]

    @property
    def params(self) -> list[tuple[Storage, Param]]:
        """The buffers of the kernel, each with its param."""
        if self.kernel is None:
            return []
        buffers = self.buffers[len(self.operands) :]
        params = [param for param in self.kernel.params if param.role != "tile"]
        return list(zip(buffers, params, strict=True))

    @property
    def shared(self) -> bool:
        """Whether the chunks are worth handing to other threads.

        Small products are not: to hand them over, and to move what they read and leave from one
        core's cache to another's, takes longer than to compute them here.
        """
        small = self.matmul is not None and typical(self.matmul.flops) < SHARED_FLOPS
        return self.chunks > 1 and not small

    @property
    def work(self) -> int:
        """Roughly how long it takes: its arithmetic and the elements it touches."""
        return self.flops + sum(storage.size for storage in self.buffers)

    def reads(self) -> set[tuple[int, str]]:
        return {s.key for s, role in zip(self.buffers, self.roles, strict=True) if role != "write"}

    def writes(self) -> set[tuple[int, str]]:
        return {s.key for s, role in zip(self.buffers, self.roles, strict=True) if role != "read"}

    def __str__(self) -> str:
        return "+".join(dict.fromkeys(node.op.name for node in self.nodes))
