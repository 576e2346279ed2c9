"""Kernels whose every access is checked while they run, those that depend on data too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from neurona.compiler.ir.loops import Kernel, Param, Store
from neurona.compiler.ir.scalar import Expr
from neurona.compiler.lower import task
from neurona.compiler.machine.emit import Emitter
from neurona.compiler.machine.text import Value
from neurona.core.buffer import address

OUTSIDE = np.zeros(1, np.int64)
"""Counts accesses outside of their buffers; the address is part of the checked kernels."""


class CheckedEmitter(Emitter):
    """Counts in `OUTSIDE` before every read and write that is not inside its buffer."""

    def load(self, expr: Expr) -> Value:
        self.look(self.params[expr.payload], expr.args[0])
        return super().load(expr)

    def store(self, store: Store, value: Value) -> None:
        self.look(self.params[store.param], store.offset)
        super().store(store, value)

    def look(self, param: Param, offset: Expr) -> None:
        if self.vector_variable is not None and self.varies(offset):
            wide = f"<{self.lanes} x i64>"
            places = self.widen(self.value(offset))
            limit = self.splat(str(param.size), "i64")
            bad = self.assign(f"icmp uge {wide} {places}, {limit}")
            if self.mask is not None:
                bad = self.assign(f"and <{self.lanes} x i1> {bad}, {self.mask}")
            kind = f"v{self.lanes}i1"
            bad = self.intrinsic(
                "i1", f"llvm.vector.reduce.or.{kind}", (f"<{self.lanes} x i1>", bad)
            )
        else:
            place = self.scalar(offset).text
            bad = self.assign(f"icmp uge i64 {place}, {param.size}")
        count = self.assign(f"zext i1 {bad} to i64")
        where = self.assign(f"inttoptr i64 {address(OUTSIDE)} to ptr")
        self.put(f"atomicrmw add ptr {where}, i64 {count} monotonic")


@contextmanager
def checked() -> Iterator[None]:
    """Programs compiled in the body stay within their buffers, else it fails."""
    OUTSIDE[0] = 0

    def emit(kernel: Kernel, lanes: int) -> str:
        return CheckedEmitter(kernel, lanes).run()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "emit", emit)
        yield
    assert OUTSIDE[0] == 0, f"{OUTSIDE[0]} accesses outside of their buffers"
