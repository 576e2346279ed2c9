"""What is timed call by call: operations in groups, and a network's inference."""

from __future__ import annotations

import fnmatch
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.case import nearest_name
from benchmarks.peers import Variant

Inputs = list[np.ndarray]
EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Call:
    """A computation ready to run, as a framework's build hands it to the worker.

    `run(i)` does it once; `arrays(result)` are its results as NumPy arrays. Loops of calls run
    inside `scope()`.
    """

    run: Callable[[int], Any]
    arrays: Callable[[Any], Sequence[np.ndarray]] = lambda result: [np.asarray(result)]
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext


Build = Callable[[Inputs, Mapping[str, Any]], Call]


@dataclass(frozen=True)
class Expected:
    """A result in float64, and how far float32 may be from it (broadcast over the result)."""

    value: np.ndarray
    allowed: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One computation to time.

    `expect(inputs)` computes in float64 what the results of call `checked_calls` (counted from 1)
    must be. `traffic` is the least number of bytes to move: every input read once, every result
    written once. `flops` is given where the work is arithmetic, `tokens` where a call makes some.
    `beside_copy` also measures how fast as many bytes can be copied. `variants` replaces a peer's,
    by the peer's name.
    """

    name: str
    description: str
    make_inputs: Callable[[np.random.Generator], Inputs]
    expect: Callable[[Inputs], list[Expected]]
    builds: Mapping[str, Build]
    traffic: int
    flops: int | None = None
    batch: int | None = None
    tokens: int | None = None
    checked_calls: int = 1
    beside_copy: bool = False
    variants: Mapping[str, tuple[Variant, ...]] = field(default_factory=dict)

    def inputs(self, seed: int) -> Inputs:
        """The inputs of this seed; the same in every process."""
        return self.make_inputs(np.random.default_rng(seed))


class Source(Protocol):
    """Where a worker finds an operation: the `SOURCE` of a module."""

    def operation(self, name: str) -> Operation:
        """The operation of this name; KeyError without one."""


@dataclass(frozen=True)
class Group:
    """Operations reported together, with the geometric mean of their ratios."""

    name: str
    description: str
    operations: tuple[Operation, ...]

    def operation(self, name: str) -> Operation:
        return {operation.name: operation for operation in self.operations}[name]


@dataclass(frozen=True)
class Network:
    """A network whose inference is timed; an operation is named by the batch size.

    `batches` are the sizes where none is asked for.
    """

    name: str
    description: str
    at_batch: Callable[[int], Operation]
    batches: tuple[int, ...]

    def operation(self, name: str) -> Operation:
        return self.at_batch(int(name))


def load_source(module: str) -> Source:
    """The operations that a module holds, such as "benchmarks.operations.matmul"."""
    source: Source = importlib.import_module(module).SOURCE
    return source


def group_names() -> list[str]:
    """Names of all groups: the modules of `benchmarks.operations`."""
    from benchmarks import operations

    return sorted(module.name for module in pkgutil.iter_modules(operations.__path__))


def network_names() -> list[str]:
    """Names of all networks: the modules of `benchmarks.inference`."""
    from benchmarks import inference

    return sorted(module.name for module in pkgutil.iter_modules(inference.__path__))


def choose_operations(wanted: Iterable[str]) -> list[Group]:
    """The groups named, cut down to the operations named as GROUP/OPERATION; all if none is.

    OPERATION may hold * and ?, as in file names. ValueError for an unknown name.
    """
    known = group_names()
    picked: dict[str, list[str] | None] = {}
    for text in wanted:
        group, _, operation = text.partition("/")
        if group not in known:
            raise ValueError(nearest_name("group", group, known))
        if not operation:
            picked[group] = None
        elif (names := picked.setdefault(group, [])) is not None:
            names.append(operation)
    groups = []
    for name, operations in (picked or dict.fromkeys(known)).items():
        group = load_source(f"benchmarks.operations.{name}")
        if not isinstance(group, Group):
            raise TypeError(f"benchmarks.operations.{name}.SOURCE must be a Group")
        if operations is not None:
            names = [operation.name for operation in group.operations]
            for pattern in operations:
                if not fnmatch.filter(names, pattern):
                    raise ValueError(nearest_name(f"operation of {name}", pattern, names))
            chosen = tuple(
                operation
                for operation in group.operations
                if any(fnmatch.fnmatchcase(operation.name, pattern) for pattern in operations)
            )
            group = Group(group.name, group.description, chosen)
        groups.append(group)
    return groups
