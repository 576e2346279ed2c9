"""What the derivatives of functions share: arguments as fresh leaves, and outcomes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurona.autodiff.marks import IDENTITY, fresh, stop_gradient
from neurona.autodiff.reverse import differentiable, pull, zeros
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError
from neurona.core.node import Node
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, set_grad_enabled
from neurona.core.tree import Structure, flatten, tree_map, unflatten
from neurona.core.variable import Variable
from neurona.ops.operand import operand

Argnums = int | tuple[int, ...]


def places(who: str, argnums: Argnums, count: int) -> tuple[int, ...]:
    """The positions that `argnums` names among `count` arguments, from the front."""
    given = argnums if isinstance(argnums, tuple) else (argnums,)
    found = tuple(operator.index(i) % count if -count <= i < count else count for i in given)
    if count in found or len(set(found)) < len(found):
        raise ArgumentError(
            f"{who}: argnums {argnums} must name different ones of the {count} positional arguments"
        )
    return found


class Arguments:
    """Differentiated arguments: `trees` to call the function with, their `leaves` one by one."""

    def __init__(self, who: str, values: Sequence[Any], positions: Sequence[int]) -> None:
        self.leaves: list[Tensor] = []
        self.structures: list[Structure] = []
        for position, value in zip(positions, values, strict=True):
            parts, structure = flatten(value)
            self.leaves += [_leaf(f"{who}: argument {position}", part) for part in parts]
            self.structures.append(structure)
        self.structure = Structure(tuple, (), tuple(self.structures))
        self.trees: tuple[Any, ...] = unflatten(self.structure, self.leaves)


def _leaf(where: str, value: Any) -> Tensor:
    if not isinstance(value, (Tensor, float, int, np.ndarray, np.generic)):
        raise ArgumentError(
            f"{where} has {'None' if value is None else f'a {type(value).__name__}'} in it; "
            "derivatives are taken by float tensors, arrays and numbers and nested tuples, lists "
            "and dicts of them; let the function close over the rest"
        )
    # A NumPy scalar has a dtype, though np.float64 is also a Python float.
    tensor = operand(np.asarray(value) if isinstance(value, np.generic) else value)
    if not dtypes.is_float(tensor.dtype):
        raise DTypeError(
            f"{where} is {tensor.dtype}; derivatives are taken by floats: cast it, or let the "
            "function close over it"
        )
    return fresh(tensor)


class Outcome:
    """What a function made of its lifted arguments.

    outputs, structure: its float tensors and how they lie. aux: what else it returned.
    keep: whether the results can be differentiated further, by something outside.
    """

    def __init__(
        self, who: str, run: Callable[[], Any], arguments: Arguments, has_aux: bool = False
    ) -> None:
        with set_grad_enabled(True):
            result = run()
        aux = None
        if has_aux:
            if type(result) is not tuple or len(result) != 2:
                raise ArgumentError(
                    f"{who}: with has_aux the function returns a pair, not {type(result).__name__}"
                )
            result, aux = result
        self.outputs, self.structure = flatten(result)
        for output in self.outputs:
            _check_output(who, output)
        trace = STATE.trace
        self._ends = [output._resolve(trace) for output in self.outputs]
        self._targets = [leaf._resolve(trace) for leaf in arguments.leaves]
        more = [x._resolve(trace) for x in flatten(aux)[0] if isinstance(x, Tensor)]
        self.keep = STATE.grad and _reaches_outside([*self._ends, *more], self._targets)
        self._aux = aux

    @property
    def value(self) -> Any:
        return self._settle(unflatten(self.structure, self.outputs))

    @property
    def aux(self) -> Any:
        return self._settle(self._aux)

    def _settle(self, tree: Any) -> Any:
        return tree if self.keep else tree_map(_cut, tree)

    def pull(self, seeds: Sequence[Tensor | None], *, free: bool = False) -> list[Tensor]:
        """The cotangents of the argument leaves for those of the outputs (None: 0)."""
        again = STATE.grad and (self.keep or any(s.requires_grad for s in seeds if s is not None))
        with set_grad_enabled(again):
            free = free and not again and STATE.trace is None
            found = pull(self._ends, seeds, self._targets, free=free)
            return [
                zeros(node) if one is None else one
                for node, one in zip(self._targets, found, strict=True)
            ]


def _check_output(who: str, output: Any) -> None:
    if not isinstance(output, Tensor):
        raise ArgumentError(
            f"{who}: the function returned {output!r}, not a tensor; only tensors have derivatives"
            " (has_aux=True lets it return something beside)"
        )
    if not dtypes.is_float(output.dtype):
        raise DTypeError(
            f"{who}: the function returned a {output.dtype} tensor, which has no derivative; "
            "return a float (has_aux=True lets it return something beside)"
        )


def _reaches_outside(ends: list[Node], targets: list[Node]) -> bool:
    """Whether a derivative flows on from `ends` to anything but leaves made by `fresh`."""
    if any(x.requires_grad for target in targets for x in target.inputs):
        return True
    stop = frozenset(id(node) for node in targets)
    return any(
        node.op is not IDENTITY and not any(x.requires_grad for x in node.inputs)
        for node in differentiable(ends, stop)
    )


def _cut(leaf: Any) -> Any:
    if isinstance(leaf, Tensor) and leaf.requires_grad and not isinstance(leaf, Variable):
        return stop_gradient(leaf)
    return leaf


def match(who: str, name: str, tree: Any, structure: Structure, other: str) -> list[Any]:
    """The leaves of `tree`, which must have this structure."""
    leaves, found = flatten(tree)
    if found != structure:
        raise ArgumentError(
            f"{who}: the {name} have the structure {found!r}, the {other} {structure!r}"
        )
    return leaves
