"""Sums that pick one element: Σ over c of (v(c) where c = i, else 0) is v(i)."""

from __future__ import annotations

from neurona.compiler.ir.scalar import Expr


def picked(value: Expr, column: str, extent: int) -> Expr | None:
    """What the sum of `value` over the column loop is, if only the column i counts; else None.

    i may lie outside of the columns; the sum is 0 then.
    """
    if value.payload != "where" or value.args[0].payload != "equal":
        return None
    (here, there), inside, outside = value.args[0].args, value.args[1], value.args[2]
    if here.head != "variable" or here.payload != column:
        here, there = there, here
    zero = outside.head == "constant" and outside.payload == 0
    if here.head != "variable" or here.payload != column or _uses(there, column) or not zero:
        return None
    k = value.k
    place = k.maximum(k.minimum(there, extent - 1), 0)
    # A sum begins with 0, which makes 0 of −0.
    found = outside + _at(inside, column, place)
    return k.where(k.call("equal", place, there), found, outside)


def _uses(root: Expr, name: str) -> bool:
    stack, seen = [root], set()
    while stack:
        expr = stack.pop()
        if expr.head == "variable" and expr.payload == name:
            return True
        if id(expr) not in seen:
            seen.add(id(expr))
            stack += expr.args
    return False


def _at(root: Expr, name: str, place: Expr) -> Expr:
    """`root` with `place` for the loop variable `name`."""
    made: dict[int, Expr] = {}
    stack = [root]
    while stack:
        expr = stack[-1]
        waiting = [arg for arg in expr.args if id(arg) not in made]
        if waiting:
            stack += waiting
            continue
        stack.pop()
        if expr.head == "variable" and expr.payload == name:
            made[id(expr)] = place
        else:
            made[id(expr)] = expr.k.remake(expr, tuple(made[id(arg)] for arg in expr.args))
    return made[id(root)]
