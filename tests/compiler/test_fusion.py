"""What becomes one kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.nn import functional
from tests.compiler.programs import copies, loops, program_of
from tests.ops.closeness import assert_close

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 100)).astype(np.float32)
LABELS = RNG.integers(0, 100, 64)


def kernels(function: Any, *args: Any) -> list[str]:
    program = program_of(ne.compile(function), *args)
    assert all(task.native for task in program.plan.tasks)
    return loops(program)


CHAINS = {
    "arithmetic": lambda x: ne.exp(-x * x + 1.0) / 3.0,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "softmax": lambda x: ne.softmax(x, axis=-1),
    "log softmax": lambda x: ne.log_softmax(x, axis=-1),
    "logsumexp": lambda x: ne.logsumexp(x, axis=-1),
    "row mean": lambda x: ne.mean(x, axis=1),
    "layer norm": lambda x: functional.layer_norm(x, (100,)),
    "two results of a row": lambda x: (ne.max(x * x, axis=1), ne.sum(x * x, axis=1)),
    "standardised rows": lambda x: (x - ne.mean(x, axis=1, keepdims=True)) / 2.0,
    "comparison and choice": lambda x: ne.where(x > 0.0, x, ne.expm1(x)),
    "transposed result": lambda x: ne.exp(x).T,
}


@pytest.mark.parametrize("name", CHAINS)
def test_one_kernel(name: str) -> None:
    made = kernels(CHAINS[name], X)
    assert len(made) == 1, made


def test_pooling_and_its_gradient_are_a_kernel_each() -> None:
    """The positions are found where the maxima are; ReLU comes along."""
    x = RNG.normal(size=(2, 3, 6, 5)).astype(np.float32)
    (forward,) = kernels(lambda x: functional.relu(functional.max_pool2d(x, 2)), x)
    assert forward == "window_max+less_equal+where"

    def loss(x: Any) -> Any:
        return ne.sum(functional.max_pool2d(functional.relu(x), 3, 2, 1) ** 2)

    # The rectifier comes behind the maximum, which it leaves where it is.
    forward, backward = kernels(lambda x: ne.grad(loss)(x), x)
    assert forward == "window_max+less_equal+where+multiply+add+window_argmax"
    assert backward == "window_put"


def test_layer_norm_with_parameters_is_one_kernel() -> None:
    assert len(kernels(nn.LayerNorm(100), X)) == 1


def test_several_results_of_one_domain_share_a_kernel() -> None:
    made = kernels(lambda x: (ne.exp(x), ne.exp(x) + 1.0, ne.exp(x) * x), X)
    assert len(made) == 1


def test_unrelated_results_do_not_depend_on_each_other() -> None:
    made = kernels(lambda x, y: (ne.exp(x), ne.exp(y)), X, X[:3])
    assert len(made) == 2


def test_cross_entropy_with_its_gradient() -> None:
    """The label check, the loss of each row, its mean, and the gradient."""
    logits = ne.Variable(X)

    def loss_and_gradient(y: Any) -> Any:
        loss = functional.cross_entropy(logits, y)
        (slope,) = ne.gradients(loss, [logits])
        return loss, slope

    made = kernels(loss_and_gradient, LABELS)
    assert len(made) <= 4, made


@pytest.mark.parametrize("shape", [(), (7,), (64, 100), (3, 5, 7)])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_an_optimiser_updates_a_parameter_in_one_kernel(name: str, shape: tuple[int, ...]) -> None:
    """And one more for what all parameters share: the bias correction of a step."""
    weight = ne.Variable(np.ones(shape, np.float32))
    options = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(optim, name)([weight], learning_rate=0.1, **options)

    def update(gradient: Any) -> None:
        weight.grad = gradient
        optimizer.step()

    program = program_of(ne.compile(update), np.ones(shape, np.float32))
    # What all share is a scalar, as a parameter of one element is.
    assert len(loops(program)) == (1 if name == "SGD" or shape == () else 2), loops(program)
    assert not copies(program)


def mlp_step(name: str) -> Any:
    ne.random.seed(0)
    model = nn.Sequential(nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = getattr(optim, name)(model.parameters(), learning_rate=0.1)

    def step(x: Any, y: Any) -> Any:
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return ne.compile(step)


@pytest.mark.parametrize(("name", "most"), [("SGD", 10), ("Adam", 11)])
def test_a_training_step_of_a_multilayer_perceptron(name: str, most: int) -> None:
    """Five products, and loops for: the label check; bias and ReLU; bias and the loss of each row;
    its mean; the gradient of the logits with that of their bias; ReLU's gradient with that of its
    bias; four updates; and for Adam what they share.
    """
    program = program_of(mlp_step(name), X, LABELS % 10)
    products = [task for task in program.plan.tasks if task.matmul is not None]
    assert len(products) == 5
    made = loops(program)
    assert len(made) <= most, made
    assert not copies(program)


# --- what must stay apart, or comes out wrong ---

SQUARE = RNG.normal(size=(17, 17)).astype(np.float32)

MIXED = {
    "with its transpose": lambda x: ne.exp(x) + ne.exp(x).T,
    "with itself rolled": lambda x: ne.exp(x) + ne.roll(ne.exp(x), 1, axis=1),
    "with itself flipped": lambda x: ne.exp(x) * ne.flip(ne.exp(x), axis=0),
    "row sums beside column sums": lambda x: ne.sum(x, axis=0) + ne.sum(x, axis=1),
    "sums over sums": lambda x: x - ne.sum(ne.sum(x, axis=1, keepdims=True) * x, axis=0),
    "columns, then rows": lambda x: ne.softmax(ne.softmax(x, axis=0), axis=1),
    "rows, then columns": lambda x: ne.softmax(ne.softmax(x, axis=1), axis=0),
    "total taken off": lambda x: ne.exp(x - ne.max(x)) / ne.sum(ne.exp(x - ne.max(x))),
    "row result used as column": lambda x: x * ne.sum(x, axis=1),
    "place of the extreme": lambda x: ne.exp(x) * ne.argmax(ne.exp(x), axis=0),
    "extreme and its users": lambda x: (
        (ne.exp(x) == ne.max(ne.exp(x), axis=0)) | ne.isnan(ne.exp(x))
    ),
    "looked up in itself": lambda x: ne.take(ne.exp(x), [3, 0, -1], axis=0)[0] + ne.exp(x),
    "diagonal": lambda x: ne.where(ne.eye(17) > 0.0, ne.exp(x), ne.sum(x, axis=0)),
    "product between": lambda x: ne.exp(ne.exp(x) @ (x * 0.1)) + ne.exp(x),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXED)
def test_domains_that_do_not_fit_together(name: str) -> None:
    function = MIXED[name]
    actual = ne.compile(function)(SQUARE).numpy()
    expected = function(ne.asarray(SQUARE.astype(np.float64))).numpy()
    if actual.dtype == bool:
        np.testing.assert_array_equal(actual, function(ne.asarray(SQUARE)).numpy())
    else:
        scale = np.abs(expected).max()
        assert_close(actual, expected.astype(np.float32), 64, scale, name)


def test_what_the_backward_pass_needs_is_computed_there() -> None:
    w = ne.Variable(np.eye(8, dtype=np.float32))

    @ne.compile
    def step(x: Any) -> Any:
        ne.sum(ne.tanh(x @ w) @ w).backward()
        gradient, w.grad = w.grad, None
        return gradient

    tasks = program_of(step, np.ones((4, 8), np.float32)).plan.tasks
    assert [str(task) for task in tasks if "tanh" in str(task)] == ["matmul+tanh"]


@pytest.mark.parametrize("special", [np.nan, 0.0, -0.0, np.inf, -np.inf])
def test_a_rectifier_s_gradient_by_its_result(special: float) -> None:
    def slope(x: Any) -> Any:
        return ne.grad(lambda x: ne.sum(nn.functional.relu(x) ** 2))(x)

    x = np.array([-1.0, special, 2.0], np.float32)
    np.testing.assert_array_equal(ne.compile(slope)(x).numpy(), slope(x).numpy())
