"""What is done with a product's results where they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn, optim
from neurona.compiler.lower.task import Task
from neurona.compiler.machine.finish import strip_width
from neurona.compiler.run.pool import POOL
from neurona.nn import functional
from tests.compiler.guards import guarded
from tests.compiler.programs import copies, entries, program_of
from tests.ops.closeness import assert_close

Array = np.ndarray[Any, Any]

FINISHES: dict[str, Callable[..., Any]] = {
    "bias and activation": lambda p, x, y, b, z: ne.tanh(p + b),
    "stored too": lambda p, x, y, b, z: (p, ne.maximum(p + b, 0.0), p * 2.0),
    "residual": lambda p, x, y, b, z: z + p * 0.5,
    "from the left": lambda p, x, y, b, z: z - p,
    "column of its own": lambda p, x, y, b, z: p * z[..., :1],
    "cast": lambda p, x, y, b, z: ne.astype(p + b, ne.float64) * 0.5,
    "mask": lambda p, x, y, b, z: ne.where(z > 0.0, p, -p),
    "column sums": lambda p, x, y, b, z: (p * 2.0, ne.sum(p * z, axis=tuple(range(p.ndim - 1)))),
    "sum of all": lambda p, x, y, b, z: ne.sum(p * z),
    "row sums": lambda p, x, y, b, z: ne.sum(p + b, axis=-1),
    "softmax": lambda p, x, y, b, z: ne.softmax(p + b, axis=-1),
    "mean of rows' extremes": lambda p, x, y, b, z: ne.mean(ne.max(p, axis=-1)),
    "standardised columns": lambda p, x, y, b, z: p - ne.mean(p, axis=-2, keepdims=True),
    "transposed": lambda p, x, y, b, z: ne.exp(p.mT * 0.125) + 1.0,
    "with its transposed neighbour": lambda p, x, y, b, z: p.mT - z.mT,
    "two products": lambda p, x, y, b, z: ne.tanh(p) * (x @ (y * 2.0)),
    "two products of it": lambda p, x, y, b, z: (p + b) @ (p + b).mT,
    "product of what it meets": lambda p, x, y, b, z: z * 2.0 + (z * 2.0) @ (p.mT @ p) * 0.01,
    "one batch for all": lambda p, x, y, b, z: p + p[(0,) * (p.ndim - 2)],
    "rolled": lambda p, x, y, b, z: p + ne.roll(p, 1, axis=-1),
}  # fmt: skip
SHAPES = [((10,), 30, 7), ((13, 33), 5, 33), ((30,), 10, 784), ((64,), 70, 300), ((2,), 2, 2),
          ((3, 1, 17), 6, 40), ((2, 3, 29), 20, 31), ((50,), 3, 10)]  # fmt: skip


def products(program: Any) -> list[Task]:
    return [task for task in program.plan.tasks if task.matmul is not None]


def flat(value: Any) -> list[Array]:
    return [one.numpy() for one in (value if isinstance(value, tuple) else (value,))]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", FINISHES)
def test_finishes_of_a_product(name: str, shape: tuple[tuple[int, ...], int, int]) -> None:
    (*lead, m), k, n = shape
    rng = np.random.default_rng(3)
    finish = FINISHES[name]
    for dtype, transposed in (("float32", False), ("float64", True)):
        x = rng.normal(size=(*lead, m, k)).astype(dtype)
        y = rng.normal(size=(n, k) if transposed else (k, n)).astype(dtype)
        b, z = rng.normal(size=n).astype(dtype), rng.normal(size=(*lead, m, n)).astype(dtype)

        def function(x: Any, y: Any, b: Any, z: Any, turn: bool = transposed) -> Any:
            y = y.mT if turn else y
            return finish(x @ y, x, y, b, z)

        compiled = ne.compile(function)
        with guarded():
            actual = flat(compiled(x, y, b, z))
        expected = flat(function(*[ne.asarray(v.astype(np.float64)) for v in (x, y, b, z)]))
        for mine, other in zip(actual, expected, strict=True):
            assert_close(mine.astype(dtype), other.astype(dtype), 400, np.abs(other).max(), name)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_as_without_fusion(dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (ne.astype(rng.normal(size=s), dtype) for s in ((40, 20), (20, 50)))

    def function(x: Any, y: Any) -> Any:
        p = ne.maximum(x @ y, 0.0)
        return p, ne.sum(p, axis=0), p == ne.max(p)

    for mine, other in zip(ne.compile(function)(x, y), function(x, y), strict=True):
        unit = 0.0 if mine.dtype == bool else float(2.0 ** (-7 if dtype == "bfloat16" else -10))
        wide = [ne.astype(v, "float64").numpy() for v in (mine, other)]
        np.testing.assert_allclose(wide[0], wide[1], rtol=2 * unit, atol=unit)


@pytest.mark.parametrize("name", ["bias and activation", "column sums", "softmax", "sum of all"])
def test_is_part_of_the_product(name: str) -> None:
    shapes = ((40, 20), (20, 12), (12,), (40, 12))
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    function = ne.compile(lambda x, y, b, z: FINISHES[name](x @ y, x, y, b, z))
    tasks = [str(task) for task in program_of(function, *arrays).plan.tasks if task.pack is None]
    assert tasks[0].startswith(("matmul+", "greater+matmul"))
    assert len(tasks) == (2 if "sum" in name else 1), tasks  # tiles' sums are added up at the end


def test_no_memory_for_a_product_that_nobody_else_wants() -> None:
    arrays = [np.ones(shape, np.float32) for shape in ((100, 64), (64, 300))]
    program = program_of(ne.compile(lambda x, y: ne.tanh(x @ y)), *arrays)
    assert program.plan.arena()[1] < 100 * 300 * 4
    (product,) = products(program)
    assert product.matmul is not None
    assert strip_width(product.matmul) < 300


@pytest.mark.parametrize("wide", [10, 33, 700])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_weights_are_updated_where_their_gradients_are_made(name: str, wide: int) -> None:
    """In place, without memory for the gradient; the same as without compilation."""
    rng = np.random.default_rng(1)
    x, target = rng.normal(size=(20, 30)), rng.normal(size=(20, wide))

    def train(compiled: bool) -> tuple[Any, list[Array]]:
        model = nn.Sequential(nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, wide))
        model.load_state_dict(
            {k: np.cos(np.arange(v.size)).reshape(v.shape).astype(v.dtype) * 0.3
             for k, v in model.state_dict().items()}
        )  # fmt: skip
        optimizer = getattr(optim, name)(model.parameters(), learning_rate=0.01)

        def step(x: Any, y: Any) -> Any:
            loss = functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = ne.compile(step) if compiled else step
        for _ in range(3):
            run(*[ne.asarray(v.astype(np.float32)) for v in (x, target)])
        return run, [v.numpy() for v in model.parameters()]

    run, ours = train(True)
    _, theirs = train(False)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)
    (entry,) = entries(run)
    program = entry.program
    assert not copies(program)
    slots = program.plan.slots
    variables = set(program.input_slots)
    updating = [t for t in products(program) if {slots[key] for key in t.writes()} & variables]
    assert len(updating) == 2


def test_an_operand_is_not_overwritten_by_its_own_product() -> None:
    start = np.random.default_rng(0).normal(size=(40, 700)).astype(np.float32)
    weight = ne.Variable(start)

    def update(x: Any) -> None:
        weight.assign(weight - (weight @ x) * 0.1)

    program = program_of(ne.compile(update), np.eye(700, k=1, dtype=np.float32) * 2)
    expected = start - 0.2 * np.roll(start, 1, axis=1) * (np.arange(700) > 0)
    np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert len(copies(program)) == 1


def test_threads_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=s).astype(np.float32) for s in ((90, 120), (120, 330)))

    def function(x: Any, y: Any) -> Any:
        p = ne.tanh(x @ y)
        return p, ne.sum(p, axis=0), ne.softmax(p @ p[:20].mT, axis=-1)

    compiled = ne.compile(function)
    with monkeypatch.context() as without:
        without.setattr(POOL, "shut", True)
        alone = flat(compiled(x, y))
    for _ in range(5):
        for one, other in zip(flat(compiled(x, y)), alone, strict=True):
            assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("shape", [(6, 100, 300), (10, 784, 30), (17, 140, 9)])
def test_dot_products_finish_their_results(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    rng = np.random.default_rng(0)
    x, weight = (rng.normal(size=s).astype(np.float32) / 10 for s in ((m, k), (n, k)))

    def function(x: Any, weight: Any) -> Any:
        p = x @ weight.mT
        return ne.sigmoid(p), ne.sum(p * p, axis=0), ne.softmax(p, axis=-1), ne.sum(p, axis=1)

    program = program_of(ne.compile(function), x, weight)
    (product,) = products(program)
    assert product.matmul is not None
    assert product.matmul.dots
    assert product.kernel is not None
    for one, other in zip(ne.compile(function)(x, weight), function(x, weight), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=2e-6)


def nielsen_step() -> Any:
    model = nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10), nn.Sigmoid())
    optimizer = optim.SGD(model.parameters(), learning_rate=3.0)

    def step(x: Any, target: Any) -> Any:
        loss = functional.mse_loss(model(x), target, reduction="sum") * 0.05
        loss.backward()
        optimizer.step()
        return loss

    return ne.compile(step)


def test_a_step_of_a_small_network() -> None:
    """Five products with what is done with their results, the factor of the loss, two biases."""
    arrays = [np.ones(shape, np.float32) for shape in ((10, 784), (10, 10))]
    program = program_of(nielsen_step(), *arrays)
    tasks = [task for task in program.plan.tasks if task.pack is None]
    assert len(tasks) == 8, [str(task) for task in tasks]
    assert all(task.kernel is not None for task in products(program))
    assert len(products(program)) == 5
