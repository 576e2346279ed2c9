"""How much a step of a loop does at once."""

from __future__ import annotations

from neurona.compiler import functions
from neurona.compiler.loops import Nest
from neurona.compiler.scalar import INDEX

LIGHT, HEAVY = 12, 30
"""Instructions up to which a step of a loop works on four vectors, and on two."""


def side_by_side(nest: Nest) -> int:
    """How many vectors a step works on, so that no instruction has to wait for the last one.

    As many as the registers have room for; functions of the C library work on numbers.
    """
    work, seen = 0, set()
    stack = [fold.value for fold in nest.folds]
    for store in nest.stores:
        stack += [store.value, store.offset]
    while stack:
        expr = stack.pop()
        if id(expr) in seen:
            continue
        seen.add(id(expr))
        if expr.head == "call":
            simpler = functions.expand(expr.k, expr.payload, expr.args)
            if simpler is not None:
                stack.append(simpler)
                continue
            if expr.payload in functions.LIBRARY:
                return 1
            work += expr.dtype != INDEX
        work += expr.head == "lookup"
        stack.extend(expr.args)
    return 4 if work <= LIGHT else 2 if work <= HEAVY else 1
