"""Pieces of memory that tasks read and write."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurona.core.dtypes import DType
from neurona.core.node import Node

Key = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Storage:
    """Memory a kernel uses: of a node's value, or the kernel's own (`role` partial or scratch)."""

    node: Node
    role: str
    size: int
    dtype: DType

    @property
    def key(self) -> Key:
        return id(self.node), self.role


def storage_of(node: Node) -> Storage:
    return Storage(node, "value", max(1, math.prod(node.shape)), node.dtype)
