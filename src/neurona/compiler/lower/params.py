"""The buffers of a kernel that is being built, and how ops read their inputs from them."""

from __future__ import annotations

from typing import Any

from neurona.compiler.ir.loops import Param
from neurona.compiler.ir.scalar import INDEX, Builder, Expr
from neurona.compiler.ir.storage import Storage, storage_of
from neurona.compiler.ir.views import Layout, layout
from neurona.core.node import Node
from neurona.core.op import LITERAL


class Params:
    """Names the buffers as they are used; `k` makes the expressions."""

    def __init__(self, layouts: dict[int, Layout]) -> None:
        self.k = Builder()
        self.layouts = layouts
        self.params: dict[tuple[int, str], tuple[str, Storage, str]] = {}

    def param(self, storage: Storage, role: str) -> str:
        """The name of the buffer in this kernel; a buffer read and written becomes `update`."""
        name, _, before = self.params.get(storage.key, (f"b{len(self.params)}", storage, role))
        self.params[storage.key] = (name, storage, role if role == before else "update")
        return name

    def read(self, storage: Storage, offset: Expr) -> Expr:
        return self.k.load(self.param(storage, "read"), offset, storage.dtype)

    def declared(self) -> tuple[Param, ...]:
        """The kernel's params, in the order of `buffers`."""
        return tuple(Param(n, s.dtype, s.size, role) for n, s, role in self.params.values())

    def buffers(self) -> tuple[Storage, ...]:
        return tuple(storage for _, storage, _ in self.params.values())


class Reader:
    """An input of an op: `reader[index]` is one of its elements."""

    def __init__(self, params: Params, node: Node) -> None:
        self.params = params
        self.node = node
        self.shape = node.shape
        self.dtype = node.dtype

    def __getitem__(self, index: Any) -> Expr:
        k = self.params.k
        place = layout(self.node, self.params.layouts)
        if place is None:
            raise TypeError(f"{self.node!r} has no strides")
        if place.base.op is LITERAL:
            return k.constant(place.base.array.item(), self.dtype)
        offset = k.constant(place.offset, INDEX)
        for i, stride in zip(index, place.strides, strict=True):
            offset = offset + k.cast(k.lift(i, INDEX), INDEX) * stride
        return self.params.read(storage_of(place.base), offset)
