"""Random structured programs: eager and compiled results are those of plain Python.

All arithmetic is in int64 or of booleans, so results are equal, not close.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurona as ne

SIZE = 3
REGISTERS = 3

Register = st.integers(0, REGISTERS - 1)
Statement = tuple[Any, ...]
"""A statement on the registers r[0]… (vectors of `SIZE` int64) and one Variable v:

("arithmetic", target, operator, a, b)   r[target] = r[a] operator r[b], modulo 1009
("look up", target, a, b)                r[target] = r[a][r[b] mod SIZE]
("read", target)                         r[target] = v
("write", source)                        v = r[source]
("draw", target)                         r[target] = random numbers
("if", a, block, block)                  by whether the sum of r[a] is even
("for", a, block)                        r[a][0] mod 4 times; i is added to r[a] after each round
("while", a, block)                      as long as r[a][0] is odd, seven times at most
("switch", a, blocks)                    by r[a][1] mod their number
("scan", a, b, reverse, block)           for each x of r[b]: r[a] += x, the block, x = r[a][0];
                                         then the x are r[b]
"""


def statements(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    block = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.just("if"), Register, block, block),
        st.tuples(st.just("for"), Register, block),
        st.tuples(st.just("while"), Register, block),
        st.tuples(st.just("switch"), Register, st.lists(block, min_size=1, max_size=3)),
        st.tuples(st.just("scan"), Register, Register, st.booleans(), block),
    )


simple = st.one_of(
    st.tuples(st.just("arithmetic"), Register, st.sampled_from("+-*"), Register, Register),
    st.tuples(st.just("look up"), Register, Register, Register),
    st.tuples(st.just("read"), Register),
    st.tuples(st.just("write"), Register),
    st.tuples(st.just("draw"), Register),
)
programs = st.lists(st.recursive(simple, statements, max_leaves=8), min_size=1, max_size=4)


def compute(operator: str, a: Any, b: Any) -> Any:
    return (a + b if operator == "+" else a - b if operator == "-" else a * b) % 1009


def in_python(block: list[Statement], r: list[Any], v: list[Any], generator: Any) -> None:
    """The program in NumPy, in place."""
    for statement in block:
        match statement:
            case ("arithmetic", target, operator, a, b):
                r[target] = compute(operator, r[a], r[b])
            case ("look up", target, a, b):
                r[target] = r[a][r[b] % SIZE]
            case ("read", target):
                r[target] = v[0]
            case ("write", source):
                v[0] = r[source]
            case ("draw", target):
                r[target] = ne.random.integers(0, 50, (SIZE,), generator=generator).numpy()
            case ("if", a, yes, no):
                in_python(yes if r[a].sum() % 2 == 0 else no, r, v, generator)
            case ("for", a, inner):
                for i in range(r[a][0] % 4):
                    in_python(inner, r, v, generator)
                    r[a] = r[a] + i
            case ("while", a, inner):
                rounds = 0
                while r[a][0] % 2 == 1 and rounds < 7:
                    in_python(inner, r, v, generator)
                    rounds += 1
            case ("switch", a, blocks):
                in_python(blocks[r[a][1] % len(blocks)], r, v, generator)
            case ("scan", a, b, reverse, inner):
                xs, found = r[b], [0] * SIZE
                for t in reversed(range(SIZE)) if reverse else range(SIZE):
                    r[a] = (r[a] + xs[t]) % 1009
                    in_python(inner, r, v, generator)
                    found[t] = r[a][0]
                r[b] = np.array(found)


def in_tensors(block: list[Statement], r: list[Any], v: ne.Variable, generator: Any) -> list[Any]:
    """The registers after the program, in tensor ops."""
    r = list(r)

    def then(inner: list[Statement]) -> Any:
        return lambda r: in_tensors(inner, r, v, generator)

    for statement in block:
        match statement:
            case ("arithmetic", target, operator, a, b):
                r[target] = compute(operator, r[a], r[b])
            case ("look up", target, a, b):
                r[target] = ne.take(r[a], r[b] % SIZE)
            case ("read", target):
                r[target] = v + 0
            case ("write", source):
                v.assign(r[source])
            case ("draw", target):
                r[target] = ne.random.integers(0, 50, (SIZE,), generator=generator)
            case ("if", a, yes, no):
                r = ne.cond(ne.sum(r[a]) % 2 == 0, then(yes), then(no), r)
            case ("for", a, inner):

                def step(i: Any, r: Any, a: int = a, inner: Any = inner) -> Any:
                    r = in_tensors(inner, r, v, generator)
                    r[a] = r[a] + i
                    return r

                r = ne.fori_loop(0, r[a][0] % 4, step, r)
            case ("while", a, inner):
                _, r = ne.while_loop(
                    lambda c, a=a: (c[1][a][0] % 2 == 1) & (c[0] < 7),
                    lambda c, inner=inner: (c[0] + 1, in_tensors(inner, c[1], v, generator)),
                    (0, r),
                )
            case ("switch", a, blocks):
                r = ne.switch(r[a][1] % len(blocks), [then(one) for one in blocks], r)
            case ("scan", a, b, reverse, inner):

                def along(r: Any, x: Any, a: int = a, inner: Any = inner) -> Any:
                    r = list(r)
                    r[a] = (r[a] + x) % 1009
                    r = in_tensors(inner, r, v, generator)
                    return r, r[a][0]

                r, row = ne.scan(along, r, r[b], reverse=reverse)
                r[b] = row
    return r


MANY = settings.default.max_examples >= 1000


@pytest.mark.timeout(0)
@settings(max_examples=2000 if MANY else 60)
@given(programs, st.lists(st.integers(-9, 9), min_size=9, max_size=9))
def test_programs_do_what_python_does(block: list[Statement], numbers: list[int]) -> None:
    start = np.array(numbers, np.int64).reshape(REGISTERS, SIZE)
    generators = [ne.random.Generator(3) for _ in range(3)]
    variables = [ne.Variable(np.arange(SIZE)) for _ in range(2)]
    eager, ours = [
        lambda r, v=v, g=g: in_tensors(block, [r[i] for i in range(REGISTERS)], v, g)
        for v, g in zip(variables, generators, strict=False)
    ]
    compiled = ne.compile(ours)
    value = [np.arange(SIZE)]
    for call in range(2):
        expected = list(start + call)
        in_python(block, expected, value, generators[2])
        for found in (eager(ne.asarray(start + call)), compiled(start + call)):
            np.testing.assert_array_equal(np.stack([x.numpy() for x in found]), expected)
        for variable in variables:
            np.testing.assert_array_equal(variable.numpy(), value[0])
    assert generators[0].state == generators[1].state == generators[2].state
