"""Recomputation: less memory for more arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from neurona.autodiff.marks import BARRIER, tie, token
from neurona.autodiff.reverse import pull
from neurona.core.apply import apply
from neurona.core.op import Op
from neurona.core.subgraph import Recorded, Subgraph, record
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, no_grad, set_grad_enabled
from neurona.core.tree import flatten, unflatten
from neurona.core.variable import Variable


def checkpoint(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, of which only the inputs are kept for the backward pass; the rest is computed again.

    Griewank and Walther, "Algorithm 799: Revolve" (2000); Chen et al., "Training deep nets with
    sublinear memory cost" (2016). Values and derivatives are those of `fn`, of every order, also by
    the Variables and tensors it closes over; random draws repeat, Variables are written once.
    `fn` is recorded, so it may not ask a tensor for its value (`TraceError`).

    >>> import neurona as ne
    >>> block = ne.checkpoint(lambda x: ne.exp(ne.sin(x)))
    >>> ne.grad(block)(0.0)
    Tensor(1., dtype=float32)
    """

    @functools.wraps(fn)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not STATE.grad:
            return fn(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        places = [
            i
            for i, leaf in enumerate(leaves)
            if isinstance(leaf, Tensor) and not isinstance(leaf, Variable)
        ]
        returned: list[Any] = []

        def run(tensors: list[Tensor]) -> list[Tensor]:
            filled = list(leaves)
            for i, tensor in zip(places, tensors, strict=True):
                filled[i] = tensor
            call_args, call_kwargs = unflatten(structure, filled)
            returned.extend(flatten(fn(*call_args, **call_kwargs)))
            return [leaf for leaf in returned[0] if isinstance(leaf, Tensor)]

        recorded = record(run, [leaves[i] for i in places])
        results = iter(_call(recorded, [leaves[i] for i in places]))
        out_leaves, out_structure = returned
        return unflatten(
            out_structure, [next(results) if isinstance(x, Tensor) else x for x in out_leaves]
        )

    return checkpointed


def _call(recorded: Recorded, arguments: list[Tensor]) -> list[Tensor]:
    """The results of the body for these arguments, tied to its recomputation."""
    trace = STATE.trace
    inputs = [Tensor(x._resolve(trace)) for x in (*arguments, *recorded.captured)]
    with no_grad():
        values = recorded.body.replay(inputs)
    after = len(values) - len(recorded.checks)
    for ok, error in zip(values[after:], recorded.checks, strict=True):
        if trace is not None:
            trace.check(ok._node, error)
        elif not ok:
            raise error
    for variable, value in zip(recorded.written, values[recorded.results : after], strict=True):
        variable.assign(value)
    return tie(values[: recorded.results], _recomputation(recorded.body), *inputs)


def _recomputation(body: Subgraph) -> Op:
    def vjp(cotangents: dict[int, Tensor], out: Tensor, *inputs: Tensor) -> list[Tensor | None]:
        again = STATE.grad
        after = next(iter(cotangents.values()))
        with set_grad_enabled(True):
            behind = [apply(BARRIER, x, after) for x in inputs]
            values = body.replay(behind)
        targets = [x for x in behind if x.requires_grad]
        found = pull(
            [values[i]._node for i in cotangents],
            list(cotangents.values()),
            [x._node for x in targets],
            free=not again and STATE.trace is None,
        )
        parts = iter(found)
        return [next(parts) if x.requires_grad else None for x in behind]

    return token("checkpoint", vjp)
