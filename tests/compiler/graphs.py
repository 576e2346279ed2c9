"""Random whole graphs: a list of steps over a pool of values, drawn with Hypothesis.

A `Graph` is data (inputs, Variables, steps, outputs), so that a failing one prints as what it is
and can be run again: eagerly, recorded, or compiled. While it is drawn every step is also done
eagerly, so that later steps fit the shapes and dtypes that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

import neurona as ne
from neurona.autodiff.reverse import gradients
from neurona.core import dtypes
from neurona.core.dtypes import DType
from neurona.core.tensor import Tensor
from neurona.core.variable import Variable
from neurona.ops.operand import renew
from tests.compiler import chains  # noqa: F401  (its makers register themselves)
from tests.compiler.drawing import MAKERS
from tests.compiler.vocabulary import do
from tests.ops.record import tensor

Array = np.ndarray[Any, Any]
Draw = Callable[..., Any]


@dataclass(frozen=True)
class Step:
    """One line of a graph: `name` of the values `args` (places in the pool) with `options`."""

    name: str
    args: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{self.name}({', '.join(f'v{i}' for i in self.args)}; {options})"


@dataclass
class Graph:
    """A function of `inputs` and Variables with initial values `state`."""

    inputs: list[Array]
    state: list[Array]
    steps: list[Step]
    outputs: list[int]
    by: list[int] = field(default_factory=list)
    """Variables to differentiate by; the last output is then the scalar to differentiate."""
    twice: bool = False
    """Whether the gradients' squares are differentiated again."""

    def variables(self) -> list[Variable]:
        return [Variable(value, name=f"w{i}") for i, value in enumerate(self.state)]

    def function(self, variables: Sequence[Variable]) -> Callable[..., list[Tensor]]:
        """What `compile` gets: the graph on these Variables."""

        def run(*inputs: Any) -> list[Tensor]:
            pool: list[Any] = [*inputs]
            for step in self.steps:
                run_step(step, pool, variables)
            results = [pool[i] for i in self.outputs]
            wanted = [variables[i] for i in self.by]
            if wanted:
                slopes = gradients(results[-1], wanted)
                results += slopes
            if self.twice:
                size = sum((ne.sum(s * s) for s in slopes[1:]), ne.sum(slopes[0] * slopes[0]))
                # Of a choice, eager mode knows only the branch that it took.
                zeros = [ne.zeros(v.shape, dtype=v.dtype) for v in wanted]
                results += gradients(size, wanted) if size.requires_grad else zeros
            return results

        return run

    def __repr__(self) -> str:
        lines = [f"v{i} = input {x.dtype}{list(x.shape)}" for i, x in enumerate(self.inputs)]
        lines += [f"w{i} = variable {x.dtype}{list(x.shape)}" for i, x in enumerate(self.state)]
        place = len(self.inputs)
        for step in self.steps:
            if step.name == "assign":
                lines.append(f"w{step.options['variable']}.assign(v{step.args[0]})")
                continue
            lines.append(f"v{place} = {step}")
            place += 1
        by = f" by {[f'w{i}' for i in self.by]}" if self.by else ""
        by += ", twice" if self.twice else ""
        return "\n".join(["Graph", *lines, f"return {[f'v{i}' for i in self.outputs]}{by}"])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def run_step(step: Step, pool: list[Any], variables: Sequence[Variable]) -> None:
    if step.name == "read":
        variable = variables[step.options["variable"]]
        # The handle stands for the value of the moment it is used, its renewal for that of now.
        pool.append(variable if step.options["late"] else renew(variable))
    elif step.name == "assign":
        variables[step.options["variable"]].assign(pool[step.args[0]])
    else:
        pool.append(do(step.name, [pool[i] for i in step.args], step.options))


# --- data ---

COMMON = (dtypes.float32,) * 8 + (dtypes.float64,) * 2
RARE = (
    dtypes.float16, dtypes.bfloat16, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64,
    dtypes.uint8, dtypes.uint16, dtypes.uint32, dtypes.uint64, dtypes.bool_,
)  # fmt: skip
LARGE = ((300, 257, 2), (1000, 70, 3), (70, 1000, 1), (20_001, 4, 1), (4, 20_001, 1), (515, 515, 1))
"""Extents of graphs that are worth sharing among threads."""
ODD_FLOATS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, 6e4, -3e38, 1e-42)


def data(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType, kind: str) -> Array:
    """tidy: small multiples of ¼, on which sums are exact. wild: with NaN, ∞, extremes."""
    return np.asarray(_drawn(rng, shape, dtype, kind))


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType, kind: str) -> Any:
    if dtype == dtypes.bool_:
        return rng.random(shape) < 0.5
    if dtypes.is_integer(dtype):
        info = np.iinfo(dtype)
        if kind == "wild":
            return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
        return np.asarray(rng.integers(0 if dtype in dtypes.UNSIGNED else -5, 6, shape)).astype(
            dtype
        )
    if kind == "tidy":
        return (np.asarray(rng.integers(-8, 9, shape)) / 4).astype(dtype)
    x = np.asarray(rng.normal(0, 1.5, shape))
    if kind == "wild":
        odd = rng.choice(ODD_FLOATS, shape)
        x = np.where(rng.random(shape) < 0.1, odd, x)
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def shapes(draw: Draw, *, large: bool) -> list[tuple[int, ...]]:
    """Shapes that broadcast, contract and join with each other often."""
    if large:
        a, b, c = draw(st.sampled_from(LARGE))
        return [(a, b), (a, b), (b,), (a, 1), (1, b), (b, a), (c, a, b), (a,)]
    extents = st.sampled_from((1, 2, 3, 3, 4, 5, 7, 8, 16, 17, 33))
    a, b, c = draw(extents), draw(extents), draw(extents)
    match draw(st.integers(0, 19)):
        case 0:
            a = 0
        case 1:
            b = 0
        case 2:
            a, b, c = 300, 257, 2
        case 3:
            a, b, c = 9001, 3, 1
    return [(a, b), (a, b), (b,), (a, 1), (1, b), (), (b, a), (c, a, b), (a, c), (b, c), (a,)]


@st.composite
def graphs(
    draw: Draw, *, differentiate: bool = False, state: bool = False, large: bool = False
) -> Graph:
    """A graph of 4 to 20 steps.

    state: with Variables that are read and assigned. differentiate: with gradients of a scalar.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(("tidy", "tidy", "normal", "normal", "wild")))
    known = shapes(draw, large=large)
    common = st.sampled_from(COMMON if draw(st.integers(0, 2)) else COMMON[:2] + RARE)
    if differentiate:
        common = st.sampled_from(COMMON if draw(st.integers(0, 4)) else dtypes.FLOATS)
        kind = "normal" if kind == "wild" else kind
    shape = st.sampled_from(known)
    inputs = [data(rng, draw(shape), draw(common), kind) for _ in range(draw(st.integers(1, 3)))]
    count = draw(st.integers(1, 3)) if state or differentiate else 0
    specs = [(draw(shape), draw(common)) for _ in range(count)]
    if state and count > 1 and draw(st.booleans()):
        specs[1] = specs[0]  # a pair that can be swapped
    values = [data(rng, s, d, kind) for s, d in specs]
    graph = Graph(inputs, values, [], [])
    Builder(draw, graph, known, rng, differentiate).fill(state=state)
    return graph


class Builder:
    """Draws steps into a graph, doing each one as it goes."""

    def __init__(
        self,
        draw: Draw,
        graph: Graph,
        known: list[tuple[int, ...]],
        rng: np.random.Generator,
        differentiate: bool,
    ) -> None:
        self.draw = draw
        self.differentiate = differentiate
        self.graph = graph
        self.known = known
        self.rng = rng
        self.variables = graph.variables()
        self.pool: list[Tensor] = [tensor(x) for x in graph.inputs]

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def flag(self) -> bool:
        return bool(self.draw(st.booleans()))

    def draw_order(self, count: int) -> tuple[int, ...]:
        return tuple(self.draw(st.permutations(range(count))))

    def value(self, test: Callable[[Tensor], bool] = lambda x: True) -> int | None:
        """A place in the pool whose value passes the test, late ones more often."""
        places = [i for i, x in enumerate(self.pool) if test(x)]
        if not places:
            return None
        recent = places[-3:]
        return int(self.draw(st.sampled_from(places + recent + recent)))

    def add(self, name: str, *args: int, **options: Any) -> int:
        """Do a step and keep it; the place of its result."""
        step = Step(name, args, options)
        run_step(step, self.pool, self.variables)
        self.graph.steps.append(step)
        return len(self.pool) - 1

    def fill(self, *, state: bool) -> None:
        for i in range(len(self.variables)):
            self.add("read", variable=i, late=state and self.flag())
        names = list(MAKERS)
        for _ in range(self.choose(4, 6, 8, 10, 12, 20)):
            MAKERS[self.draw(st.sampled_from(names))](self)
            if state and self.integer(0, 3) == 0:
                self.assign()
        if state:
            self.assign()
        self.finish()

    def assign(self) -> None:
        """Give a Variable a value: another's, a view, an input, or something computed."""
        which = self.integer(0, len(self.variables) - 1)
        variable = self.variables[which]
        fits = self.value(lambda x: x.shape == variable.shape and x.dtype == variable.dtype)
        if fits is None:
            near = self.value(lambda x: x.shape == variable.shape)
            if near is None:
                return
            fits = self.add("astype", near, dtype=variable.dtype.name)
        step = Step("assign", (fits,), {"variable": which})
        run_step(step, self.pool, self.variables)
        self.graph.steps.append(step)
        if self.flag():
            self.add("read", variable=which, late=self.flag())

    def give_more(self) -> None:
        """Outputs once more, inputs as they came, and views of both."""
        outputs = self.graph.outputs
        outputs += [self.choose(*outputs), self.integer(0, len(self.graph.inputs) - 1)]
        which = self.choose(*outputs)
        outputs.append(self.add("reshape", which, shape=(self.pool[which].size,)))
        outputs.append(self.add("flip", outputs[-1]))

    def finish(self) -> None:
        graph, last = self.graph, len(self.pool) - 1
        if not self.differentiate:
            several = st.lists(st.integers(0, last), max_size=4)
            graph.outputs = [last, *self.draw(several)]
            if self.integer(0, 3) == 0:
                graph.outputs = list(range(len(graph.inputs), last + 1)) or [last]
            if self.integer(0, 3) == 0:
                self.give_more()
            return
        terms = [i for i, x in enumerate(self.pool) if dtypes.is_float(x.dtype)][-3:]
        total = None
        for i in terms:
            part = self.add("astype", self.add("mean", i), dtype="float64")
            total = part if total is None else self.add("add", total, part)
        graph.outputs = [*([last] if self.flag() else []), len(self.pool) - 1]
        floats = [i for i, v in enumerate(self.variables) if dtypes.is_float(v.dtype)]
        if floats:
            graph.by = floats[: self.integer(1, len(floats))]
            graph.twice = self.integer(0, 3) == 0
