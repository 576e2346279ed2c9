"""From loop IR to LLVM IR text: explicit vectors, one function a kernel.

The innermost loop of a nest runs in vectors of `Target.lanes` elements with a masked last step.
Values that do not depend on it are scalars, computed before it. The function is

    void kernel(ptr table, i64 first, i64 last)

with a table of the params' addresses; it runs the chunks first … last − 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from neurona.compiler.ir import functions
from neurona.compiler.ir.loops import (
    Fold,
    Kernel,
    KernelError,
    Nest,
    Param,
    Statement,
    Store,
    affine,
)
from neurona.compiler.ir.scalar import INDEX, Expr
from neurona.compiler.ir.sizes import Size
from neurona.compiler.machine.steps import fixed_parts, side_by_side
from neurona.compiler.machine.text import Text, Value, llvm_type, memory_type
from neurona.core.dtypes import DType


class Emitter(Text):
    """Writes one kernel. `lanes` is the width of vectors in elements."""

    def __init__(self, kernel: Kernel, lanes: int) -> None:
        super().__init__(lanes)
        self.kernel = kernel
        self.allocas: list[str] = []
        self.params: dict[str, Param] = {param.name: param for param in kernel.params}
        self.scopes: list[dict[Any, Value]] = [{}]
        self.vector_variable: str | None = None
        self.base_scope: dict[Any, Value] = {}
        self.mask: str | None = None

    # --- control ---

    @contextmanager
    def scope(self) -> Iterator[None]:
        self.scopes.append({})
        yield
        self.scopes.pop()

    @contextmanager
    def loop(self, start: str, stop: str, step: int = 1) -> Iterator[str]:
        with super().loop(start, stop, step) as i, self.scope():
            yield i

    def know(self, name: str, text: str, dtype: DType = INDEX) -> None:
        self.scopes[-1][name] = Value(text, dtype, False)

    # --- the kernel ---

    def run(self) -> str:
        kernel = self.kernel
        with self.inner_function("body", "first", "last"), self.loop("%first", "%last") as chunk:
            self.know("chunk", chunk)
            self.block(kernel.before)
            self.rows(chunk)
            self.block(kernel.after)
        with self.function(f"void @{kernel.name}(ptr %table, i64 %first, i64 %last)"):
            pointers = [f"ptr {pointer}" for pointer in self.table(len(kernel.params))]
            self.call_own("@body", *pointers, "i64 %first", "i64 %last")
            if any(param.streamed for param in kernel.params):
                self.order_stores()
        hint = ["!0 = !{i32 1}"] if any("!nontemporal" in line for line in self.finished) else []
        return "\n".join([*self.finished, *sorted(self.declarations), *hint])

    @contextmanager
    def inner_function(self, name: str, *numbers: str) -> Iterator[None]:
        """A function of the buffers, since only arguments can be noalias, and some numbers."""
        buffers = [f"ptr {'' if p.shared else 'noalias '}%{p.name}" for p in self.kernel.params]
        parameters = ", ".join([*buffers, *[f"i64 %{number}" for number in numbers]])
        with self.function(f"internal void @{name}({parameters})"):
            yield
            self.lines[:0] = self.allocas

    def rows(self, chunk: str) -> None:
        if not self.kernel.rows:
            self.block(self.kernel.body)
            return
        # The rows of a chunk are as `chunk_bounds` says.
        extent, chunks = self.extent(self.kernel.rows[0][1]), self.kernel.chunks
        rounded = self.assign(f"add i64 {extent}, {chunks - 1}")
        part = self.assign(f"sdiv i64 {rounded}, {chunks}")
        start = self.assign(f"mul nsw i64 {chunk}, {part}")
        end = self.assign(f"add nsw i64 {start}, {part}")
        stop = self.intrinsic("i64", "llvm.smin.i64", ("i64", end), ("i64", extent))
        self.nested([(n, self.extent(e)) for n, e in self.kernel.rows], start, stop)

    def extent(self, extent: int | Expr) -> str:
        return self.scalar(extent).text if isinstance(extent, Expr) else str(extent)

    def nested(self, loops: list[tuple[str, str]], start: str, stop: str) -> None:
        name, _ = loops[0]
        if len(loops) == 1:
            self.each_row(name, start, stop)
            return
        with self.loop(start, stop) as i:
            self.know(name, i)
            self.nested(loops[1:], "0", loops[1][1])

    def each_row(self, name: str, start: str, stop: str) -> None:
        with self.loop(start, stop) as i:
            self.know(name, i)
            self.block(self.kernel.body)

    def block(self, statements: tuple[Statement, ...]) -> None:
        for statement in statements:
            if isinstance(statement, Store):
                self.store(statement, self.value(statement.value))
            else:
                self.nest(statement)

    # --- nests ---

    def nest(self, nest: Nest) -> None:
        extent = nest.loops[-1][1] if nest.loops else 0
        side = side_by_side(nest)
        if isinstance(extent, int) and extent < 2 * side * self.lanes:
            side = 1
        ways = [1, side] if side > 1 else [1]
        slots = {way: {f.name: self.open_fold(f, way) for f in nest.folds} for way in ways}
        self.nest_loops(nest, nest.loops, slots)
        for fold in nest.folds:
            self.close_fold(fold, {way: slots[way][fold.name] for way in ways})

    def nest_loops(
        self,
        nest: Nest,
        loops: tuple[tuple[str, int | Expr], ...],
        slots: dict[int, dict[str, str]],
    ) -> None:
        if not loops:  # of a scalar
            with self.scope():
                self.work(nest, slots[1])
            return
        name, extent = loops[0]
        stop = self.extent(extent)
        if len(loops) > 1:
            with self.loop("0", stop) as i:
                self.know(name, i)
                self.nest_loops(nest, loops[1:], slots)
            return
        with self.scope():
            # A loop that may be empty must not read.
            first = [p.name for p in self.kernel.params if p.role == "read" and not p.shared]
            for part in fixed_parts(nest, first if isinstance(extent, int) and extent else ()):
                self.value(part)
            self.inner_loop(nest, name, stop, slots)

    def inner_loop(
        self, nest: Nest, name: str, stop: str, slots: dict[int, dict[str, str]]
    ) -> None:
        start = "0"
        for way in sorted(slots, reverse=True):
            end = self.multiple_below(stop, way * self.lanes)
            if end != start:
                with self.vectors(way), self.loop(start, end, self.lanes) as i:
                    self.step(nest, name, i, slots[way], None)
            start = end
        if not stop.isdigit():
            with self.loop(start, stop, self.lanes) as i:
                left = self.assign(f"sub nsw i64 {stop}, {i}")
                lanes = self.splat(left, "i64")
                mask = self.assign(f"icmp slt <{self.lanes} x i64> {self.lane_numbers()}, {lanes}")
                self.step(nest, name, i, slots[1], mask)
        elif rest := int(stop) % self.lanes:
            bits = ", ".join(f"i1 {'true' if j < rest else 'false'}" for j in range(self.lanes))
            with self.scope():
                self.step(nest, name, start, slots[1], f"<{bits}>")

    def step(
        self, nest: Nest, name: str, base: str, slots: dict[str, str], mask: str | None
    ) -> None:
        """One vector of the innermost loop, from iteration `base` on."""
        self.vector_variable, self.mask = name, mask
        self.base_scope = {name: Value(base, INDEX, False)}
        self.work(nest, slots)
        self.vector_variable, self.mask = None, None

    def work(self, nest: Nest, slots: dict[str, str]) -> None:
        """What is inside the loops: all reads, then the folds and stores."""
        values = [self.value(store.value) for store in nest.stores]
        for fold in nest.folds:
            self.value(fold.value)
        for fold in nest.folds:
            self.fold(fold, slots[fold.name])
        for store, value in zip(nest.stores, values, strict=True):
            self.store(store, value)

    # --- folds ---

    def open_fold(self, fold: Fold, way: int) -> str:
        with self.vectors(way):
            kind = self.vector(llvm_type(fold.value.dtype), True)
            slot = self.fresh("fold")
            self.allocas.append(f"  {slot} = alloca {kind}, align 64")
            start = self.scalar(fold.start)
            self.put(f"store {kind} {self.widen(start)}, ptr {slot}, align 64")
        return slot

    def fold(self, fold: Fold, slot: str) -> None:
        kind = self.vector(llvm_type(fold.value.dtype), True)
        value = Value(self.widen(self.value(fold.value)), fold.value.dtype, True)
        old = Value(self.assign(f"load {kind}, ptr {slot}, align 64"), value.dtype, True)
        new = self.instruction(fold.combine, [old, value], value.dtype)
        if self.mask is not None:
            text = self.assign(
                f"select <{self.lanes} x i1> {self.mask}, {kind} {new.text}, {kind} {old.text}"
            )
            new = Value(text, value.dtype, True)
        self.put(f"store {kind} {new.text}, ptr {slot}, align 64")

    def close_fold(self, fold: Fold, slots: dict[int, str]) -> None:
        """Combine the lanes pairwise; the result is known by the fold's name from here on."""
        dtype, scalar = fold.value.dtype, llvm_type(fold.value.dtype)
        lanes = max(slots) * self.lanes
        text = ""
        while lanes > 1:
            if lanes // self.lanes in slots and lanes % self.lanes == 0:
                wide = f"<{lanes} x {scalar}>"
                slot = slots[lanes // self.lanes]
                part = self.assign(f"load {wide}, ptr {slot}, align 64")
                text = self.combine(fold, [text, part], lanes) if text else part
            half = lanes // 2
            parts = []
            for first in (0, half):
                picks = ", ".join(f"i32 {first + j}" for j in range(half))
                parts.append(
                    self.assign(
                        f"shufflevector <{lanes} x {scalar}> {text}, "
                        f"<{lanes} x {scalar}> poison, <{half} x i32> <{picks}>"
                    )
                )
            text = self.combine(fold, parts, half)
            lanes = half
        self.know(fold.name, self.assign(f"extractelement <1 x {scalar}> {text}, i32 0"), dtype)

    def combine(self, fold: Fold, texts: list[str], lanes: int) -> str:
        saved, self.lanes = self.lanes, lanes
        dtype = fold.value.dtype
        values = [Value(text, dtype, True) for text in texts]
        text = self.instruction(fold.combine, values, dtype).text
        self.lanes = saved
        return text

    # --- memory ---

    def address(self, param: Param, offset: str) -> str:
        kind = memory_type(param.dtype)
        return self.assign(f"getelementptr inbounds {kind}, ptr %{param.name}, i64 {offset}")

    def stride(self, offset: Expr) -> int | None:
        """Elements from one lane to the next; None if that is not constant."""
        if self.vector_variable is None or not self.varies(offset):
            return 0
        if offset.head == "variable":
            return 1
        if offset.head != "call" or offset.payload not in ("add", "subtract", "multiply"):
            return None
        a, b = offset.args
        left, right = self.stride(a), self.stride(b)
        if left is None or right is None:
            return None
        if offset.payload != "multiply":
            return left + right if offset.payload == "add" else left - right
        factor, step = (a, right) if left == 0 else (b, left)
        return factor.payload * step if factor.head == "constant" else None

    def varies(self, expr: Expr) -> bool:
        """Whether the value differs from lane to lane."""
        stack, seen = [expr], set()
        while stack:
            part = stack.pop()
            if part.head == "variable" and part.payload == self.vector_variable:
                return True
            if id(part) not in seen:
                seen.add(id(part))
                stack.extend(part.args)
        return False

    def load(self, expr: Expr) -> Value:
        param = self.params[expr.payload]
        kind = memory_type(param.dtype)
        stride = self.stride(expr.args[0])
        if stride == 0:
            pointer = self.address(param, self.scalar(expr.args[0]).text)
            return self.from_memory(self.assign(f"load {kind}, ptr {pointer}"), param.dtype, False)
        wide = self.vector(kind, True)
        align = param.dtype.itemsize
        if stride == 1:
            pointer = self.address(param, self.scalar(expr.args[0]).text)
            if self.mask is None:
                return self.from_memory(
                    self.assign(f"load {wide}, ptr {pointer}, align {align}"), param.dtype, True
                )
            text = self.masked_load(wide, kind, f"ptr {pointer}", align)
            return self.from_memory(text, param.dtype, True)
        offsets = self.widen(self.value(expr.args[0]))
        pointers = self.assign(
            f"getelementptr inbounds {kind}, ptr %{param.name}, <{self.lanes} x i64> {offsets}"
        )
        name = f"llvm.masked.gather.{self.suffix(kind, True)}.v{self.lanes}p0"
        text = self.intrinsic(
            wide,
            name,
            (f"<{self.lanes} x ptr>", pointers),
            ("i32", str(align)),
            (f"<{self.lanes} x i1>", self.mask or "splat (i1 true)"),
            (wide, "zeroinitializer"),
        )
        return self.from_memory(text, param.dtype, True)

    def masked_load(self, wide: str, kind: str, pointer: str, align: int) -> str:
        return self.intrinsic(
            wide,
            f"llvm.masked.load.{self.suffix(kind, True)}.p0",
            ("ptr", pointer.removeprefix("ptr ")),
            ("i32", str(align)),
            (f"<{self.lanes} x i1>", self.mask or "splat (i1 true)"),
            (wide, "zeroinitializer"),
        )

    def store(self, store: Store, value: Value) -> None:
        param = self.params[store.param]
        kind = memory_type(param.dtype)
        stride = self.stride(store.offset)
        if self.vector_variable is None or stride == 0:
            if value.wide:
                raise KernelError(f"kernel {self.kernel.name}: {param.name} gets a vector")
            text = self.to_memory(value, param.dtype)
            pointer = self.address(param, self.scalar(store.offset).text)
            self.put(f"store {kind} {text}, ptr {pointer}")
        else:
            self.store_vector(store, param, kind, value, stride)
        # What was read before may have changed now.
        for scope in self.scopes:
            for key in [k for k in scope if isinstance(k, tuple) and k[1] == store.param]:
                del scope[key]

    def store_vector(
        self, store: Store, param: Param, kind: str, value: Value, stride: int | None
    ) -> None:
        value = Value(self.widen(value), value.dtype, True)
        text = self.to_memory(value, param.dtype)
        wide, align = self.vector(kind, True), param.dtype.itemsize
        mask = self.mask or "splat (i1 true)"
        if stride == 1:
            pointer = self.address(param, self.scalar(store.offset).text)
            if self.mask is None:
                past = self.alignment(store, param)
                hint = f"{past}, !nontemporal !0" if past else str(align)
                self.put(f"store {wide} {text}, ptr {pointer}, align {hint}")
                return
            if self.mask.count("i1 true") == 1:
                # LLVM 22 makes four bytes of a narrowed element that a constant mask leaves alone.
                one = self.assign(f"extractelement {wide} {text}, i64 0")
                self.put(f"store {kind} {one}, ptr {pointer}, align {align}")
                return
            name = f"llvm.masked.store.{self.suffix(kind, True)}.p0"
            target, target_type = pointer, "ptr"
        else:
            offsets = self.widen(self.value(store.offset))
            target = self.assign(
                f"getelementptr inbounds {kind}, ptr %{param.name}, <{self.lanes} x i64> {offsets}"
            )
            target_type = f"<{self.lanes} x ptr>"
            name = f"llvm.masked.scatter.{self.suffix(kind, True)}.v{self.lanes}p0"
        flags = f"<{self.lanes} x i1>"
        self.declare("void", name, wide, target_type, "i32", flags)
        self.put(
            f"call void @{name}({wide} {text}, {target_type} {target}, i32 {align}, {flags} {mask})"
        )

    def alignment(self, store: Store, param: Param) -> int:
        """Bytes to which all vectors of a streamed param are aligned, if it is known, else 0."""
        form = (affine(store.offset) if param.streamed else None) or {"": 1}
        steps = [step for name, step in form.items() if name != self.vector_variable]
        if self.vector_variable not in form or any(step % self.lanes for step in steps):
            return 0
        return min(64, self.lanes * param.dtype.itemsize)

    # --- values ---

    def scalar(self, expr: Expr) -> Value:
        """The value at the first lane."""
        variable = self.vector_variable
        if variable is None or not self.varies(expr):
            return self.value(expr)
        # The scope of the step holds vectors; scalars at its first lane have one of their own.
        scopes, self.scopes = self.scopes, [*self.scopes[:-1], self.base_scope]
        self.vector_variable = None
        result = self.value(expr)
        self.vector_variable, self.scopes = variable, scopes
        return result

    def value(self, root: Expr) -> Value:
        """Emit `root` (with an explicit stack), every shared part once."""
        stack = [root]
        while stack:
            expr = stack[-1]
            if self.find(expr) is not None:
                stack.pop()
                continue
            simpler = self.simpler(expr)
            waiting = [arg for arg in self.needs(expr, simpler) if self.find(arg) is None]
            if waiting:
                stack.extend(reversed(waiting))
                continue
            stack.pop()
            self.remember(expr, self.emit(expr, simpler))
        result = self.find(root)
        if result is None:
            raise KernelError(f"kernel {self.kernel.name}: {root} has no value")
        return result

    def needs(self, expr: Expr, simpler: Expr | None) -> tuple[Expr, ...]:
        if simpler is not None:
            return (simpler,)
        return () if expr.head == "load" else expr.args

    def simpler(self, expr: Expr) -> Expr | None:
        return functions.expand(expr.k, expr.payload, expr.args) if expr.head == "call" else None

    def key(self, expr: Expr) -> Any:
        # Loads are forgotten when their buffer is written, so their key names it.
        return (id(expr), expr.payload) if expr.head == "load" else id(expr)

    def find(self, expr: Expr) -> Value | None:
        if expr.head == "constant":
            return Value(self.literal(expr.payload, expr.dtype, False), expr.dtype, False)
        key = expr.payload if expr.head == "variable" else self.key(expr)
        for scope in reversed(self.scopes):
            if key in scope:
                return scope[key]
        if expr.head == "variable" and expr.payload == self.vector_variable:
            base = self.splat(self.base_scope[key].text, "i64")
            text = self.assign(f"add nsw <{self.lanes} x i64> {base}, {self.lane_numbers()}")
            value = self.scopes[-1][key] = Value(text, INDEX, True)
            return value
        return None

    def remember(self, expr: Expr, value: Value) -> None:
        self.scopes[-1][self.key(expr)] = value

    def emit(self, expr: Expr, simpler: Expr | None) -> Value:
        if simpler is not None:
            found = self.find(simpler)
            if found is None:
                raise KernelError(f"kernel {self.kernel.name}: {simpler} has no value")
            return found
        if expr.head == "load":
            return self.load(expr)
        if expr.head not in ("call", "lookup"):
            raise KernelError(f"kernel {self.kernel.name}: {expr} is not known here")
        values = []
        for arg in expr.args:
            found = self.find(arg)
            if found is None:
                raise KernelError(f"kernel {self.kernel.name}: {arg} has no value")
            values.append(found)
        if expr.head == "lookup":
            return self.lookup(expr.payload, values[0])
        wide = any(value.wide for value in values)
        if wide:
            values = [self.to_wide(arg, v) for arg, v in zip(expr.args, values, strict=True)]
        if expr.payload in functions.INSTRUCTIONS:
            return self.instruction(expr.payload, values, expr.dtype)
        return self.library(expr.payload, values, expr.dtype)

    def to_wide(self, expr: Expr, value: Value) -> Value:
        if expr.head == "constant" and not isinstance(expr.payload, Size):
            return Value(self.literal(expr.payload, expr.dtype, True), expr.dtype, True)
        return Value(self.widen(value), value.dtype, True)
