"""What conditionals and loops share: the trees they take and return, and recorded bodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurona.autodiff.marks import IDENTITY
from neurona.core import dtypes
from neurona.core.apply import apply
from neurona.core.errors import ArgumentError, DTypeError, NeuronaError, ShapeError
from neurona.core.node import Node, placeholder
from neurona.core.op import Spec
from neurona.core.subgraph import Recorded, Subgraph
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Trace
from neurona.core.tree import Structure, flatten, paths, unflatten
from neurona.core.variable import Variable
from neurona.ops.operand import literal, operand, renew


@dataclass(frozen=True)
class Form:
    """A tree without its tensors. None stands for nothing: it is part of the form."""

    structure: Structure
    empty: tuple[bool, ...]

    def fill(self, tensors: Sequence[Tensor]) -> Any:
        rest = iter(tensors)
        return unflatten(self.structure, [None if gap else next(rest) for gap in self.empty])

    @property
    def places(self) -> list[str]:
        """How one gets to each tensor, as Python would write it."""
        pairs = zip(paths(self.structure), self.empty, strict=True)
        return [path for path, gap in pairs if not gap]

    def __repr__(self) -> str:
        return repr(self.fill([_STAR] * self.empty.count(False)))


class _Star:
    def __repr__(self) -> str:
        return "*"


_STAR: Any = _Star()


def take_apart(tree: Any, like: Sequence[Tensor] = ()) -> tuple[list[Tensor], Form]:
    """The leaves of `tree` as tensors with handles of their own and firm dtypes, and its form.

    like: tensors whose dtypes the numbers among the leaves take, as they would in a sum.
    """
    leaves, structure = flatten(tree)
    form = Form(structure, tuple([leaf is None for leaf in leaves]))
    given = [leaf for leaf in leaves if leaf is not None]
    if len(like) != len(given):
        return [_firm(leaf) for leaf in given], form
    return [_firm(leaf, other) for leaf, other in zip(given, like, strict=True)], form


def _firm(leaf: Any, other: Tensor | None = None) -> Tensor:
    if isinstance(leaf, (bool, int, float)) and not isinstance(leaf, np.generic):
        dtype = dtypes.number_dtype(leaf)
        return literal(leaf, dtypes.weak_dtype(dtype, other.dtype) if other is not None else dtype)
    tensor = renew(operand(leaf))
    if tensor._node.weak:
        tensor = apply(IDENTITY, tensor)
        tensor._node.weak = False
    return tensor


def scalar(who: str, name: str, value: Any, kind: str) -> Tensor:
    """`value` as a 0-d tensor that is a boolean or (kind "integer") an integer."""
    (tensor,), _ = take_apart([operand(value)])
    fits = dtypes.is_integer(tensor.dtype) if kind == "integer" else tensor.dtype == dtypes.bool_
    if not fits:
        mend = "compare, as in x > 0" if kind == "boolean" else "cast it with astype"
        raise DTypeError(f"{who}: the {name} is {tensor.dtype}, not {kind}; {mend}")
    if tensor.shape != ():
        mend = "; reduce it with all or any" if kind == "boolean" else ""
        raise ShapeError(f"{who}: the {name} has shape {tensor.shape}, not (); one is needed{mend}")
    return tensor


def agree(
    who: str,
    names: tuple[str, str],
    forms: tuple[Form, Form],
    specs: tuple[Sequence[Spec], Sequence[Spec]],
    mend: str,
    hidden: str = "",
) -> None:
    """Raise unless both trees have the same form, and their leaves the same shapes and dtypes.

    hidden: what the messages leave out at the beginning of each path.
    """
    if forms[0] != forms[1]:
        raise ArgumentError(
            f"{who}: {names[0]} has the structure {forms[0]!r}, {names[1]} {forms[1]!r}; {mend}"
        )
    for path, first, second in zip(forms[0].places, *specs, strict=True):
        if first != second:
            kind = ShapeError if first.shape != second.shape else DTypeError
            leaf = path.removeprefix(hidden)
            raise kind(
                f"{who}: {names[0]}{leaf} is {first.dtype} {first.shape}, {names[1]}{leaf} "
                f"{second.dtype} {second.shape}; {mend}"
            )


def specs_of(tensors: Sequence[Tensor | Node]) -> list[Spec]:
    return [Spec(x.shape, x.dtype) for x in tensors]


@dataclass(frozen=True)
class Joined:
    """Recorded functions of the same arguments, made to take and to give the same.

    bodies: their inputs are the arguments and then `captured`; their outputs the results, the new
        values of `written` (the old one where a function does not write) and the truth of each
        error's check (true where it is another function's).
    """

    bodies: tuple[Subgraph, ...]
    captured: tuple[Tensor, ...]
    results: int
    written: tuple[Variable, ...]
    errors: tuple[NeuronaError, ...]


def join(recorded: Sequence[Recorded], arguments: int) -> Joined:
    """See `Joined`; all have this number of arguments and equally many results."""
    captured = {id(x): x for one in recorded for x in one.captured}
    written = {id(v): v for one in recorded for v in one.written}
    errors = [error for one in recorded for error in one.checks]
    nowhere = Trace()
    nowhere.open = False
    bodies: list[Subgraph] = []
    passed = 0
    for one in recorded:
        inputs, outputs = one.body.inputs, one.body.outputs
        handles = map(id, one.captured)
        places = dict(zip(handles, inputs[arguments:], strict=True))
        for key, handle in captured.items():
            if key not in places:
                spec = Spec(handle.shape, handle.dtype)
                places[key] = placeholder(spec, nowhere, requires_grad=handle.requires_grad)
        after = one.results + len(one.written)
        mine = map(id, one.written)
        news = dict(zip(mine, outputs[one.results : after], strict=True))
        truths = [literal(True, dtypes.bool_)._node] * len(errors)
        truths[passed : passed + len(one.checks)] = outputs[after:]
        passed += len(one.checks)
        bodies.append(
            Subgraph(
                [*inputs[:arguments], *[places[key] for key in captured]],
                [
                    *outputs[: one.results],
                    *[news.get(key, places[key]) for key in written],
                    *truths,
                ],
            )
        )
    return Joined(
        tuple(bodies),
        tuple(captured.values()),
        recorded[0].results,
        tuple(written.values()),
        tuple(errors),
    )


def settle(
    values: Sequence[Tensor], results: int, written: Sequence[Variable], errors: Any
) -> list[Tensor]:
    """Write the Variables, hand on the checks; what is left are the results."""
    after = results + len(written)
    for variable, value in zip(written, values[results:after], strict=True):
        variable.assign(value)
    trace = STATE.trace
    for ok, error in zip(values[after:], errors, strict=True):
        if trace is not None:
            trace.check(ok._resolve(trace), error)
        elif not ok:
            raise error
    return list(values[:results])
