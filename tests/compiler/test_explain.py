"""`Compiled.explain`: the stages are those of the program, and nothing is run for real."""

import numpy as np
import pytest

import neurona as ne


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


def test_shows_graph_kernels_and_their_shares(step_and_weight):
    step, _ = step_and_weight
    explanation = step.explain(np.ones((5, 4), np.float32))
    text = str(explanation)
    assert "matmul(in0" in text
    assert "tanh" in text
    products = [kernel for kernel in explanation.kernels if kernel.kind == "product"]
    assert [kernel.flops for kernel in products] == [2 * 5 * 4 * 3] * 2
    assert all(kernel.seconds > 0 for kernel in explanation.kernels)
    assert explanation.arena > 0


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
    assert list(explanation.seconds) == ["passes", "fusion and loops", "plan", "machine code"]
    assert all(seconds > 0 for seconds in explanation.seconds.values())
    assert "compiled in" in str(explanation)
