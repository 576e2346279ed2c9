"""Memory used twice: what may be written over what, and how little a program makes do with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.compiler.ir.loops import Fold, Kernel, Nest, Param, Statement, Store, check
from neurona.compiler.ir.scalar import Builder
from neurona.compiler.lower.arena import may_replace, place
from neurona.compiler.program import Program
from neurona.core import dtypes
from neurona.graph.order import topological
from tests.compiler.programs import program_of

F32 = dtypes.float32
k = Builder()
ROW, COLUMN = k.variable("r0"), k.variable("c0")
HERE = ROW * 8 + COLUMN
OLD = k.load("old", HERE, F32)
LOOP = (("c0", 8),)


def kernel(*body: Statement, after: tuple[Statement, ...] = (), dtype: Any = F32) -> Kernel:
    params = (
        Param("old", F32, 48, "read"),
        Param("new", dtype, 48, "write"),
        Param("other", F32, 48, "write"),
    )
    return check(Kernel("kernel", params, 2, (("r0", 6),), body, after=after))


def replaces(*body: Statement, **options: Any) -> bool:
    return may_replace(kernel(*body, **options), "new", "old")


def test_an_element_may_be_written_where_it_was_read() -> None:
    assert replaces(Nest(LOOP, (Store("new", HERE, OLD * 2),)))
    assert replaces(Nest(LOOP, (Store("new", HERE, OLD), Store("other", HERE, OLD * 2))))


def test_not_where_another_element_is_read() -> None:
    shifted = k.load("old", ROW * 8 + (7 - COLUMN), F32)
    assert not replaces(Nest(LOOP, (Store("new", HERE, shifted),)))
    assert not replaces(Nest(LOOP, (Store("new", HERE, OLD + shifted),)))


def test_a_row_may_be_read_before_it_is_written_but_not_after() -> None:
    start = k.constant(0, F32)
    total = Nest(LOOP, (), (Fold("f0", "add", start, OLD),))
    write = Nest(LOOP, (Store("new", HERE, OLD - k.variable("f0", F32)),))
    assert replaces(total, write)
    read = Nest(LOOP, (Store("other", HERE, OLD),))
    assert not replaces(Nest(LOOP, (Store("new", HERE, k.constant(1, F32)),)), read)
    at_the_end = Store("other", k.variable("chunk"), k.load("old", k.variable("chunk"), F32))
    assert not replaces(total, write, after=(at_the_end,))


def test_elements_of_another_size_do_not_fit() -> None:
    wide = Nest(LOOP, (Store("new", HERE, k.cast(OLD, dtypes.float64)),))
    assert not replaces(wide, dtype=dtypes.float64)


def test_first_fit_puts_what_does_not_meet_in_the_same_place() -> None:
    sizes = {(i, "value"): size for i, size in enumerate((64, 128, 64, 256))}
    spans = {(0, "value"): (0, 1), (1, "value"): (1, 2), (2, "value"): (2, 3), (3, "value"): (3, 4)}
    offsets, total = place(sizes, spans)
    assert total == 256 + 64
    assert offsets[3, "value"] == offsets[1, "value"] == 0
    assert offsets[0, "value"] == 128
    assert offsets[2, "value"] == 256


def test_a_chain_of_kernels_keeps_one_value() -> None:
    def chain(x: Any) -> Any:
        x = ne.tanh(x)
        for _ in range(5):
            x = x / ne.sum(x, axis=0)  # a kernel of its own, since it waits for the sum
        return x * 1

    x = np.random.default_rng(0).uniform(1, 2, size=(512, 64)).astype(np.float32)
    program = program_of(ne.compile(chain), x)
    assert program.size < 1.5 * x.nbytes
    np.testing.assert_allclose(ne.compile(chain)(x).numpy(), chain(x).numpy(), rtol=1e-5)


def deep_step(
    optimizer: type[optim.Optimizer],
    depth: int,
    width: int,
    batch: int,
    activation: type[nn.Module] = nn.Tanh,
) -> Program:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), activation())]
    model = nn.Sequential(*layers)
    update = optimizer(model.parameters(), learning_rate=0.01)

    @ne.compile
    def step(x: Any) -> Any:
        loss = ne.mean(model(x) ** 2)
        loss.backward()
        update.step()
        return loss

    return program_of(step, np.ones((batch, width), np.float32))


@pytest.mark.parametrize("optimizer", [optim.SGD, optim.Adam])
def test_a_gradient_is_used_as_soon_as_it_is_there(optimizer: type[optim.Optimizer]) -> None:
    width, batch = 64, 4
    sizes = [deep_step(optimizer, depth, width, batch).size for depth in (6, 12)]
    # Six more layers need room for their activations, not for their gradients.
    assert sizes[1] - sizes[0] < 6 * 4 * width * width / 2


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid, nn.Tanh])
def test_activations_are_all_that_a_deep_network_keeps(activation: type[nn.Module]) -> None:
    width, batch = 32, 256
    value = 4 * batch * width
    sizes = [deep_step(optim.SGD, depth, width, batch, activation).size for depth in (6, 12)]
    assert sizes[1] - sizes[0] == 6 * value


@pytest.mark.parametrize(
    ("activation", "kept"),
    [
        (nn.GELU, 1),
        (lambda: nn.GELU(approximate="tanh"), 1),
        (nn.SiLU, 1),
        (nn.Hardswish, 1),
        (nn.Softsign, 2),
    ],
)
def test_of_a_product_and_its_activation_only_the_product_is_kept(
    activation: Any, kept: int
) -> None:
    """The activation, which the next weight's gradient reads, is computed with its derivative.

    Softsign's derivative is computed from the activation, which is kept with the product.
    """
    width, batch = 32, 1024
    value = 4 * batch * width
    sizes = [deep_step(optim.SGD, depth, width, batch, activation).size for depth in (6, 12)]
    assert sizes[1] - sizes[0] == 6 * kept * value


@pytest.mark.parametrize("activation", [nn.GELU, nn.SiLU, nn.Mish, nn.Softsign])
def test_what_is_computed_again_is_the_same(activation: Any) -> None:
    ne.random.seed(0)
    model = nn.Sequential(nn.Linear(32, 64), activation(), nn.Linear(64, 64), activation())

    def gradients(x: Any) -> Any:
        return ne.gradients([ne.mean(model(x) ** 2)], model.parameters())

    x = ne.asarray(np.random.default_rng(0).normal(size=(1024, 32)).astype(np.float32))
    for got, wanted in zip(ne.compile(gradients)(x), gradients(x), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=2e-3, atol=1e-6)


def test_what_is_kept_anyway_or_costs_less_is_not_computed_again() -> None:
    """A rectifier's mask is a quarter of its argument; exp(w) is computed once for all runs."""
    w = ne.Variable(np.ones((256, 256), np.float32))
    x = np.ones((256, 256), np.float32)
    of_weights = ne.compile(lambda x: ne.tanh(x @ x) @ x * ne.exp(w) * (ne.exp(w) + 1))
    rectified = deep_step(optim.SGD, 4, 32, 1024, nn.LeakyReLU)
    small = deep_step(optim.SGD, 4, 32, 64, nn.GELU)
    dear = deep_step(optim.SGD, 4, 32, 1024, nn.ELU)
    for program in (program_of(of_weights, x), rectified, small, dear):
        assert not [node for node in topological(program.outputs) if node.op.name == "barrier"]
