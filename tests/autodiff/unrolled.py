"""What `scan` computes, as Python's loop."""

from __future__ import annotations

from typing import Any

import neurona as ne
from neurona.core.tree import flatten, tree_map, unflatten


def unrolled(
    f: Any, init: Any, xs: Any = None, *, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """`scan` of at least one step, whose graph has every step."""
    carry = tree_map(ne.asarray, init)
    time = length if xs is None else flatten(xs)[0][0].shape[0]
    rows: list[Any] = [None] * time
    for t in reversed(range(time)) if reverse else range(time):
        x = None if xs is None else tree_map(lambda leaf, t=t: leaf[t], xs)
        carry, rows[t] = f(carry, x)
    leaves, structure = zip(*map(flatten, rows), strict=True)
    stacks = [None if row[0] is None else ne.stack(row) for row in zip(*leaves, strict=True)]
    return carry, unflatten(structure[0], stacks)
