"""`compile`: a Python function as a native program for each kind of arguments it meets."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.compiler.access import Access
from neurona.compiler.arguments import (
    describe,
    describe_mapping,
    in_native_order,
    symbol,
    without_extents,
)
from neurona.compiler.explain import Explanation
from neurona.compiler.family import Family, Recording
from neurona.compiler.run.memory import NOTHING
from neurona.compiler.stages import Stages
from neurona.core.buffer import Buffer
from neurona.core.locks import object_lock
from neurona.core.node import Node, known
from neurona.core.op import CONSTANT, Array
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Modes, Trace, recording
from neurona.core.tree import LEAF, Structure, flatten, tree_map, unflatten


class Entry:
    """One recorded and compiled call of a function."""

    def __init__(
        self,
        trace: Trace,
        results: list[Any],
        structure: Structure,
        stages: Stages,
        family: Family,
    ) -> None:
        self.structure = structure
        self.single = structure == LEAF and isinstance(results[0], Tensor)
        self.guards = trace.guards
        self.epoch = Modes.epoch
        numbers: dict[Node, int] = {}
        self.leaves: list[tuple[int, Any]] = []
        """For each leaf of what is returned the number of its result, −1 for others; the leaf."""
        for result in results:
            if isinstance(result, Tensor):
                node = result._resolve(trace)
                self.leaves.append((numbers.setdefault(node, len(numbers)), None))
            else:
                self.leaves.append((-1, result))
        nodes = list(numbers)
        tensors = all(place >= 0 for place, _ in self.leaves)
        plain = structure.kind in (tuple, list) and set(structure.children) == {LEAF}
        self.flat = structure.kind if plain and tensors else None
        """The type of what is returned if that is a plain sequence of tensors."""
        # Only now, since a result may be what was captured or read for the first time.
        self.captures = list(trace.captures.values())
        self.specs = [placeholder.spec for _, placeholder in self.captures]
        self.reads = list(trace.reads)
        written = [(v, node) for v, node in trace.writes.items() if node is not trace.reads[v]]
        changing = dict(written)
        steady = [variable for variable in self.reads if variable not in changing]
        inputs = [
            *trace.inputs,
            *[placeholder for _, placeholder in self.captures],
            *[trace.reads[variable] for variable in self.reads],
        ]
        recorded = Recording(
            tuple(extent for node in inputs for extent in node.shape),
            inputs,
            nodes,
            [(trace.reads[variable], node) for variable, node in written],
            trace.checks,
            [trace.reads[variable] for variable in steady],
            stages,
        )
        self.program, self.n = family.program(recorded)
        self.access = Access(self.program, self.reads, list(changing), steady, self.n)
        self.returned = [node.spec for node in nodes]

    def fits(self) -> bool:
        """Whether the Python state and the captured tensors are still like those recorded."""
        if self.epoch != Modes.epoch:
            if any(probe() != seen for probe, seen in self.guards):
                return False
            self.epoch = Modes.epoch
        return not self.captures or all(
            handle._node.shape == spec.shape and handle._node.dtype == spec.dtype
            for (handle, _), spec in zip(self.captures, self.specs, strict=True)
        )

    def run(self, arrays: list[Array]) -> Any:
        if self.captures:
            arrays += [_row_major(handle._concrete("compile")) for handle, _ in self.captures]
        if self.reads:
            results = self.access.run(arrays)
        else:
            results = self.program.run(arrays, NOTHING, self.n)
        if self.single:
            return Tensor(known(self.returned[0], results[0]))
        # `known` written out: small programs take little longer than this.
        tensors = [
            Tensor(Node(CONSTANT, (), {}, spec, Buffer(array)))
            for spec, array in zip(self.returned, results, strict=True)
        ]
        if self.flat is not None:
            return self.flat([tensors[place] for place, _ in self.leaves])
        leaves = [fixed if place < 0 else tensors[place] for place, fixed in self.leaves]
        return unflatten(self.structure, leaves)

    def explain(self, arrays: list[Array]) -> Explanation:
        """What the program does, measured on copies of these inputs and of the Variables."""
        captured = [handle._concrete("compile") for handle, _ in self.captures]
        variables = [variable.buffer.array for variable in self.reads]
        origins = ["argument"] * len(arrays) + ["captured tensor"] * len(captured)
        origins += [f"Variable {variable.name or ''}".strip() for variable in self.reads]
        return Explanation(self.program, [*arrays, *captured, *variables], origins)


class Compiled:
    """What `compile` returns: call it like the function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.entries: dict[Any, list[Entry]] = {}
        self.families: dict[Any, Family] = {}
        self._lock = object_lock()
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if STATE.trace is not None:
            return self.function(*args, **kwargs)
        arrays: list[Array] = []
        key = [STATE.grad]
        describe(args, key, arrays)
        if kwargs:
            describe_mapping(kwargs, key, arrays)
        signature = tuple(key)
        for entry in self.entries.get(signature, ()):
            if entry.fits():
                return entry.run(arrays)
        if not all(array.dtype.isnative for array in arrays):
            args, kwargs = in_native_order((args, kwargs))
            return self(*args, **kwargs)
        return self._enter(signature, args, kwargs).run(arrays)

    def _enter(self, signature: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Entry:
        with self._lock:
            family = self.families.setdefault(without_extents(signature), Family())
            entry = self._record(args, kwargs, family)
            self.entries.setdefault(signature, []).insert(0, entry)
        return entry

    def prepare(self, *args: Any, **kwargs: Any) -> None:
        """Record and compile for arguments like these, as the first call would, and run nothing."""
        args, kwargs = in_native_order((args, kwargs))
        key: list[Any] = [STATE.grad]
        describe(args, key, [])
        if kwargs:
            describe_mapping(kwargs, key, [])
        signature = tuple(key)
        if not any(entry.fits() for entry in self.entries.get(signature, ())):
            self._enter(signature, args, kwargs)

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """The stages of the program for these arguments: graph, kernels, loop IR, LLVM, assembly.

        The function is recorded and compiled for them, but not run: Variables keep their values.
        """
        args, kwargs = in_native_order((args, kwargs))
        arrays: list[Array] = []
        describe((args, kwargs), [], arrays)
        return self._record(args, kwargs, Family()).explain(arrays)

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any], family: Family) -> Entry:
        stages = Stages()
        with recording() as trace:
            args, kwargs = tree_map(lambda leaf: symbol(leaf, trace), (args, kwargs))
            results, structure = flatten(self.function(*args, **kwargs))
            stages.end("recording")
            return Entry(trace, results, structure, stages, family)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The function as a method, with its object as a static argument."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"compile({getattr(self.function, '__qualname__', self.function)})"


def _row_major(array: Array) -> Array:
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def compile(function: Callable[..., Any]) -> Compiled:
    """`function` as a native program for each combination of ranks, dtypes and modes.

    The first call with new shapes, dtypes or static arguments records the function with symbolic
    tensors, compiles what was recorded and runs it; later calls run at once. Once an extent has had
    two sizes (a last batch, a server's requests), one program serves all others. Arguments may be
    tensors, NumPy arrays and Python numbers, in nested tuples, lists and dicts; numbers become 0-d
    tensors, other values (bools, strings, None, objects) are static. Variables that the function
    reads or assigns keep their value between calls. Python's own effects (printing, appending)
    happen only while recording.

    Raises `TraceError` where the function asks a tensor for its value.

    >>> import neurona as ne
    >>> @ne.compile
    ... def square(x):
    ...     return x * x
    >>> square(ne.asarray([1.0, 2.0]))
    Tensor([1., 4.], dtype=float32)
    """
    return Compiled(function)
