"""The JAX side that the cases share: optimiser rules, one jitted update with donated state."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Problem, Training

Tree = dict[str, jax.Array]
Rule = tuple[
    Callable[[Tree], Any], Callable[[Tree, Tree, Any], tuple[Tree, Any]]
]  # (init(parameters), apply(parameters, gradients, slots))


def sgd(learning_rate: float) -> Rule:
    """p ← p − η g."""

    def apply(parameters: Tree, gradients: Tree, slots: Any) -> tuple[Tree, Any]:
        return jax.tree.map(lambda p, g: p - learning_rate * g, parameters, gradients), slots

    return lambda parameters: (), apply


def momentum(learning_rate: float, factor: float) -> Rule:
    """v ← μ v + g, p ← p − η v."""

    def apply(parameters: Tree, gradients: Tree, velocity: Any) -> tuple[Tree, Any]:
        velocity = jax.tree.map(lambda v, g: factor * v + g, velocity, gradients)
        return jax.tree.map(lambda p, v: p - learning_rate * v, parameters, velocity), velocity

    return lambda parameters: jax.tree.map(jnp.zeros_like, parameters), apply


def adam(learning_rate: float, weight_decay: float = 0.0) -> Rule:
    """Adam (Kingma and Ba 2015); with `weight_decay` AdamW, p shrinks by η·decay first."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def init(parameters: Tree) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return zeros, jax.tree.map(jnp.copy, zeros), jnp.float32(0)

    def apply(parameters: Tree, gradients: Tree, slots: Any) -> tuple[Tree, Any]:
        m, v, t = slots
        t = t + 1
        m = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, m, gradients)
        v = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, v, gradients)
        # 1 − βᵗ without the cancellation that costs float32 two digits.
        first, second = -jnp.expm1(t * math.log(beta1)), -jnp.expm1(t * math.log(beta2))
        rate, root = learning_rate / first, jnp.sqrt(second)
        keep = 1 - learning_rate * weight_decay
        updated = jax.tree.map(
            lambda p, m, v: keep * p - rate * m / (jnp.sqrt(v) / root + epsilon), parameters, m, v
        )
        return updated, (m, v, t)

    return init, apply


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Mean of −log softmax(logits)[label]; logits (batch, classes), labels (batch,)."""
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -jnp.mean(picked)


def jax_training(
    problem: Problem,
    options: Mapping[str, Any],
    loss_of: Callable[..., tuple[jax.Array, Tree]],
    rule: Rule,
    buffers: tuple[str, ...] = (),
) -> Training:
    """A training step in JAX: one jitted update whose state is donated.

    `loss_of(parameters, buffers, *batch)` returns the loss and the new buffers; `buffers` names
    the arrays that are not trained. Option `dispatch` is "async" (JAX's default) or "sync",
    which costs less per call where a step is short.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", options.get("dispatch") != "sync")
    arrays = {name: jnp.array(value) for name, value in problem.weights.items()}
    kept = {name: arrays.pop(name) for name in buffers}
    init, apply = rule
    batches = [
        tuple(jnp.array(p, dtype=jnp.int32 if p.dtype.kind == "i" else p.dtype) for p in batch)
        for batch in problem.batches
    ]
    training_state = (arrays, kept, init(arrays))

    @partial(jax.jit, donate_argnums=0)
    def update(state: Any, *batch: jax.Array) -> tuple[Any, jax.Array]:
        parameters, kept, slots = state
        grad = jax.value_and_grad(loss_of, has_aux=True)
        (loss, kept), gradients = grad(parameters, kept, *batch)
        parameters, slots = apply(parameters, gradients, slots)
        return (parameters, kept, slots), loss

    def step(i: int) -> jax.Array:
        nonlocal training_state
        training_state, loss = update(training_state, *batches[i % len(batches)])
        return loss

    def wait(loss: jax.Array) -> float:
        jax.block_until_ready(training_state)
        return float(loss)

    def state() -> dict[str, np.ndarray]:
        return {name: np.array(a) for part in training_state[:2] for name, a in part.items()}

    def step_memory() -> int:
        # XLA's buffers for intermediates, and results that do not take a donated argument's place.
        needs = update.lower(training_state, *batches[0]).compile().memory_analysis()
        new = needs.output_size_in_bytes - needs.alias_size_in_bytes
        return needs.temp_size_in_bytes + new

    return Training(step=step, state=state, wait=wait, step_memory=step_memory)
