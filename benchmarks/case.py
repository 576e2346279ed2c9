"""What a benchmark case is: data, initial weights, work per step, and a build per framework."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.peers import Variant  # which needs `nearest_name`

Arrays = dict[str, np.ndarray]
Batch = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Problem:
    """The one starting point that all frameworks share.

    `weights` uses PyTorch's names and layouts; `batches` are cycled over, step i trains on
    batch i mod len(batches).
    """

    weights: Arrays
    batches: Sequence[Batch]


@dataclass(frozen=True)
class Training:
    """A network ready to train, as a framework's build hands it to the worker.

    `step(i)` runs one training step and returns its loss, in the framework's own type and
    perhaps still being computed; `wait(loss)` completes all outstanding work and returns the loss
    as a float; `state()` copies parameters and buffers out under the names of `Problem.weights`.
    `step_memory()` is the most memory, in bytes, that a step holds at one time beside parameters,
    buffers, optimiser slots and the batch: activations, gradients, results, scratch.
    """

    step: Callable[[int], Any]
    state: Callable[[], Arrays]
    wait: Callable[[Any], float] = float
    step_memory: Callable[[], int] | None = None


Build = Callable[[Problem, Mapping[str, Any]], Training]


@dataclass(frozen=True)
class Tolerance:
    """How far a framework may be from the reference over the checked steps.

    `loss` bounds |loss − reference| ÷ |reference| at every step. `change` bounds, for every array
    of the state, the distance from the reference's final value divided by the distance the
    reference moved from the initial value: it sees a wrong learning rate, a forgotten weight
    decay or running statistics that stand still, which a loss curve may hide.
    """

    steps: int
    loss: float
    change: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training benchmark; a module of `benchmarks.cases` holds it under the name `CASE`.

    `flops` counts the multiplications and additions of the contractions in one step (forward,
    and both gradients where they are needed). `traffic` is the least number of bytes that one
    step must read and write beside them: parameters, optimiser slots and the batch.
    `undetermined` names arrays of the state that arithmetic alone does not determine, with the
    reason given where the case is written; they are left out of the check. `variants` are run
    beside a peer's own, by the peer's name.
    """

    name: str
    description: str
    batch: int
    flops: int
    traffic: int
    tolerance: Tolerance
    make_weights: Callable[[np.random.Generator], Arrays]
    make_batches: Callable[[np.random.Generator], list[Batch]]
    builds: Mapping[str, Build]
    undetermined: frozenset[str] = field(default_factory=frozenset)
    variants: Mapping[str, tuple[Variant, ...]] = field(default_factory=dict)

    def problem(self, seed: int) -> Problem:
        """The weights and batches of this seed; the same in every process."""
        rng = np.random.default_rng(seed)
        return Problem(weights=self.make_weights(rng), batches=self.make_batches(rng))


def case_names() -> list[str]:
    """Names of all cases: the modules of `benchmarks.cases`, with - for _."""
    from benchmarks import cases

    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(cases.__path__))


def case_module(name: str) -> str:
    """The module that holds the case of this name."""
    return f"benchmarks.cases.{name.replace('-', '_')}"


def load_case(module: str) -> Case:
    """The case that a module holds, such as "benchmarks.cases.mlp"."""
    case = importlib.import_module(module).CASE
    if not isinstance(case, Case):
        raise TypeError(f"{module}.CASE must be a Case, got {type(case).__name__}")
    return case


def nearest_name(kind: str, name: str, known: Sequence[str]) -> str:
    """An error text for an unknown name: what is unknown, the nearest known one, and all."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(known)}."
