"""Least and greatest floats of a loop, NaN if there is one."""

from __future__ import annotations

import math

from neurona.compiler.ir.loops import Fold
from neurona.compiler.ir.scalar import Expr


def fold_extreme(name: str, combine: str, start: Expr, value: Expr, folds: list[Fold]) -> Expr:
    """Add the folds for the "minimum" or "maximum" of `value` to `folds`; the result.

    A comparison that heeds NaN takes several instructions, each waiting for the last one. So the
    order is looked at without, and NaN is found by its bits, the greatest but for the sign.
    """
    k = value.k
    bits = k.call("bits", value)
    size = bits & ((1 << (8 * bits.dtype.itemsize - 1)) - 1)
    infinity = k.call("bits", k.constant(math.inf, value.dtype))
    folds.append(Fold(name, "least" if combine == "minimum" else "greatest", start, value))
    folds.append(Fold(f"{name}_bits", "maximum", k.constant(0, bits.dtype), size))
    found = k.variable(name, value.dtype)
    nan = k.variable(f"{name}_bits", bits.dtype) > infinity
    return k.where(nan, k.constant(math.nan, value.dtype), found)
