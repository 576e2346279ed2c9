"""How much a step of a loop does at once, and what is done before the loop."""

from __future__ import annotations

from collections.abc import Collection

from neurona.compiler.ir import functions
from neurona.compiler.ir.loops import Nest
from neurona.compiler.ir.scalar import INDEX, Expr

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


def fixed_parts(nest: Nest, constant: Collection[str]) -> list[Expr]:
    """The largest parts of a nest's work that its innermost loop does not change.

    constant: the buffers whose elements may be read before the loop.
    """
    moves: dict[int, bool] = {}
    parts: list[Expr] = []
    roots = [fold.value for fold in nest.folds]
    roots += [part for store in nest.stores for part in (store.offset, store.value)]
    stack = list(roots)
    while stack:
        expr = stack[-1]
        waiting = [arg for arg in expr.args if id(arg) not in moves]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if id(expr) in moves:
            continue
        own = expr.head == "variable" and expr.payload == nest.loops[-1][0]
        own |= expr.head == "load" and expr.payload not in constant
        moves[id(expr)] = own or any(moves[id(arg)] for arg in expr.args)
        if moves[id(expr)]:
            parts += [arg for arg in expr.args if not moves[id(arg)]]
    parts += [root for root in roots if not moves[id(root)]]
    return [part for part in parts if part.args]
