"""The state that a recurrent network carries from batch to batch: truncated backpropagation."""

from __future__ import annotations

from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.core.tree import flatten, tree_map, unflatten
from neurona.data.windows import WindowLoader
from neurona.nn.module import Module
from neurona.train.parts import Part


def begin(network: Module, batch: int) -> Any:
    """The state before the first token of so many sequences: a tree of tensors."""
    start: Any = network
    with no_grad():
        return tree_map(lambda leaf: leaf.detach(), start.begin(batch))


def going_on(state: Any) -> dict[str, Any]:
    """The arguments of a step that goes on from a state; none without one, which is faster."""
    return {} if state is None else {"state": state}


def read_on(network: Module, x: Any, state: Any) -> tuple[Tensor, Any]:
    """The output of a network that goes on from a state, and the state after it.

    No gradient flows through either. Raises `ShapeError` where the state changes its form.
    """
    reader: Any = network
    output, after = reader.read(x, state)
    before, form = flatten(state)
    leaves, found = flatten(after)
    kinds = [[(leaf.shape, leaf.dtype) for leaf in one] for one in (before, leaves)]
    if form != found or kinds[0] != kinds[1]:
        raise ShapeError(
            f"{type(network).__name__}.read: the state after reading is {found} of {kinds[1]}, "
            f"before it {form} of {kinds[0]}; read must return the state as it takes it"
        )
    return output, unflatten(form, [leaf.detach() for leaf in leaves])


def arrays_of(state: Any) -> dict[str, Array]:
    """The leaves of a state by number."""
    return {str(i): leaf.numpy() for i, leaf in enumerate(flatten(state)[0])}


def check_carries(network: Module, part: Part, name: str) -> None:
    """Raise `ArgumentError` unless the network and the data can carry a state on."""
    missing = [method for method in ("begin", "read") if not hasattr(network, method)]
    if missing:
        raise ArgumentError(
            f"carry_state: {type(network).__name__} has no {missing[0]}(); a network that carries "
            "its state has begin(batch) -> state and read(tokens, state) -> (scores, state)"
        )
    if not isinstance(part.loader, WindowLoader):
        raise ArgumentError(
            f"carry_state: the {name} data must be windows that go on from batch to batch, made "
            "with data.windows(ids, batch_size=…, length=…)"
        )
