"""`Compiled.explain`: the stages are those of the program, and nothing is run for real."""

import json
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.compiler.explain import Explanation
from tests.compiler.programs import program_of


@pytest.fixture
def step_and_weight():
    weight = ne.Variable(np.ones((3, 4), np.float32), name="w")

    @ne.compile
    def step(x):
        loss = ne.mean(ne.tanh(x @ weight.T))
        loss.backward()
        weight.assign(weight - 0.1 * weight.grad)
        return loss

    return step, weight


def training_step(depth: int, width: int, batch: int) -> Any:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*layers)
    optimizer = optim.Adam(model.parameters())

    @ne.compile
    def step(x: Any) -> Any:
        loss = ne.mean(model(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    return step, np.ones((batch, width), np.float32)


@pytest.fixture(scope="module")
def deep() -> Explanation:
    step, x = training_step(depth=20, width=16, batch=8)
    return step.explain(x)


def test_shows_graph_kernels_and_their_shares(step_and_weight):
    step, _ = step_and_weight
    explanation = step.explain(np.ones((5, 4), np.float32))
    assert explanation.graph[0] == "in0 = input(argument)  float32[5, 4]"
    assert "in1 = input(Variable w)  float32[3, 4]" in explanation.graph
    text = str(explanation)
    assert "matmul(in0" in text
    assert "tanh" in text
    products = [kernel for kernel in explanation.kernels if kernel.kind == "product"]
    assert [kernel.flops for kernel in products] == [2 * 5 * 4 * 3] * 2
    assert all(kernel.seconds > 0 for kernel in explanation.kernels)
    assert all(kernel.fraction > 0 for kernel in explanation.kernels)


def test_shows_loops_llvm_and_assembly(step_and_weight):
    step, _ = step_and_weight
    explanation = step.explain(np.ones((5, 4), np.float32))
    (tanh,) = [i for i, k in enumerate(explanation.kernels) if "tanh" in k.name]
    assert "tanh(" in explanation.loops(tanh)
    assert "define void @kernel" in explanation.llvm(tanh)
    assert "ret" in explanation.assembly(tanh)
    (product, _) = [i for i, k in enumerate(explanation.kernels) if k.kind == "product"]
    assert "Matmul(" in explanation.loops(product)
    assert "fma" in explanation.llvm(product)


def test_changes_no_variable(step_and_weight):
    step, weight = step_and_weight
    step.explain(np.ones((5, 4), np.float32))
    np.testing.assert_array_equal(weight.numpy(), np.ones((3, 4)))
    assert weight.version == 0


def test_tells_what_the_stages_of_compilation_took(step_and_weight):
    step, _ = step_and_weight
    explanation = step.explain(np.ones((5, 4), np.float32))
    stages = ["recording", "passes", "fusion and loops", "plan", "machine code"]
    assert list(explanation.seconds) == stages
    assert all(seconds > 0 for seconds in explanation.seconds.values())
    assert "compiled in" in str(explanation)


def test_memory_is_that_of_the_program() -> None:
    step, x = training_step(depth=3, width=32, batch=64)
    memory = step.explain(x).memory
    program = program_of(step, x)
    assert (memory.arena, memory.kept, memory.results) == (program.size, program.plan.kept_size, 4)
    assert memory.total == memory.arena + memory.kept + memory.results
    ends = [buffer.offset + buffer.nbytes for buffer in memory.buffers]
    assert max(ends) <= memory.arena < max(ends) + 64
    sizes = [buffer.nbytes for buffer in memory.buffers]
    assert sizes == sorted(sizes, reverse=True)


def test_values_in_one_place_are_listed_in_turn() -> None:
    @ne.compile
    def shares(x: ne.Tensor) -> ne.Tensor:
        parts = ne.exp(x)
        return (parts / ne.sum(parts @ x)) @ x

    memory = shares.explain(np.ones((32, 32), np.float32)).memory
    turns = [buffer.values for buffer in memory.buffers if len(buffer.values) > 1]
    assert any("exp" in values[0] and "divide" in values[1] for values in turns)


def test_kernels_of_branches_and_loops_are_listed_within() -> None:
    @ne.compile
    def function(x: Any, rounds: Any) -> Any:
        y = ne.fori_loop(0, rounds, lambda i, y: ne.tanh(y), x)
        return ne.cond(ne.sum(y) > 0, ne.exp, lambda y: ne.sin(y) * 2, y)

    explanation = function.explain(np.ones(100, np.float32), 3)
    found = {kernel.name: kernel for kernel in explanation.kernels}
    names = list(found)
    loop, choice = names.index("loop"), names.index("switch")
    assert found["loop"].kind == found["switch"].kind == "control"
    assert found["tanh"].place == f"in {loop}"
    assert {found["sin+multiply"].place, found["exp"].place} == {
        f"branch {i} of {choice}" for i in (0, 1)
    }
    assert found["tanh"].seconds > 0
    assert "tanh(" in explanation.loops(names.index("tanh"))
    lines = explanation.graph
    (body,) = [line for line in lines if "= tanh" in line]
    assert body.startswith("    ")
    assert len([line for line in lines if line.startswith("  with ")]) == 3


def test_what_python_runs_is_marked() -> None:
    sort = ne.compile(lambda x: ne.numpy_function(np.sort, ne.exp(x), result=((3,), ne.float32)))
    explanation = sort.explain(np.ones(3, np.float32))
    assert [kernel.kind for kernel in explanation.kernels] == ["loops", "python"]
    assert [kernel.seconds > 0 for kernel in explanation.kernels] == [True, False]
    assert "(python)" in str(explanation)


def test_equal_layers_are_compiled_once(deep: Explanation) -> None:
    assert len(deep.kernels) > 80
    assert deep.different < 40
    for i, kernel in enumerate(deep.kernels):
        assert kernel.equal <= i
        assert deep.kernels[kernel.equal].name == kernel.name
    assert len({kernel.equal for kernel in deep.kernels}) == deep.different


def test_a_large_program_is_told_in_short(deep: Explanation) -> None:
    lines = str(deep).splitlines()
    assert len(lines) < 180
    assert max(map(len, lines)) <= 100
    assert any("more lines in .graph" in line for line in lines)
    # One row for all the products of the layers.
    rows = [line.split() for line in lines if "  matmul+" in line]
    assert any(int(row[1]) >= 19 for row in rows)


def test_json_has_it_all(deep: Explanation) -> None:
    record = json.loads(deep.json())
    assert set(record) == {"graph", "kernels", "memory", "seconds", "peak"}
    assert len(record["kernels"]) == len(deep.kernels)
    assert record["memory"]["arena"] == deep.memory.arena
    assert record["graph"] == deep.graph


def test_the_peak_is_measured(deep: Explanation) -> None:
    assert deep.peak.flops > 1e9
    rates = [rate for _, rate in deep.peak.bandwidths]
    assert min(rates) > 1e8
    assert deep.peak.bandwidth(1) == rates[0]
    assert deep.peak.bandwidth(1 << 40) == rates[-1]
    assert deep.peak.seconds(deep.peak.flops, 1) == 1
