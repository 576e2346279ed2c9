"""Whole matrices of derivatives, and products with the Hessian."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neurona.autodiff.functional import grad, vjp
from neurona.autodiff.lifting import Argnums, places
from neurona.autodiff.reverse import zeros
from neurona.core.tensor import Tensor
from neurona.core.tree import flatten, unflatten
from neurona.ops.broadcast import broadcast_to, reshape
from neurona.ops.compare import equal
from neurona.ops.create import arange
from neurona.ops.join import stack
from neurona.ops.operand import cast


def hvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product H·v of the scalar function's Hessian with `tangents` v, in their structure.

    H is symmetric, so this is the pull-back of the gradient (Pearlmutter, "Fast exact
    multiplication by the Hessian", 1994, in reverse mode over reverse mode). Errors are those of
    `grad` and `vjp`.

    >>> import neurona as ne
    >>> ne.hvp(lambda x, y: x**2 * y, [3.0, 5.0], [1.0, 0.0])
    (Tensor(10., dtype=float32), Tensor(6., dtype=float32))
    """
    _, pullback = vjp(grad(fn, tuple(range(len(primals)))), *primals)
    return pullback(tuple(tangents))


def jacobian(fn: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that computes the derivative of every output of `fn` by every argument.

    For an output of shape (…m) and an argument of shape (…n) it is a tensor of shape (…m, …n),
    placed in the structure of the outputs and, inside that, of the argument. One reverse walk an
    output element. Errors are those of `vjp`.

    >>> import neurona as ne
    >>> ne.jacobian(lambda x: x * x)(ne.asarray([1.0, 2.0]))
    Tensor([[2., 0.],
            [0., 4.]], dtype=float32)
    """

    def computed(*args: Any, **kwargs: Any) -> Any:
        positions = places("jacobian", argnums, len(args))

        def of_chosen(*chosen: Any) -> Any:
            filled = list(args)
            for i, value in zip(positions, chosen, strict=True):
                filled[i] = value
            return fn(*filled, **kwargs)

        outputs, pullback = vjp(of_chosen, *[args[i] for i in positions])
        leaves, structure = flatten(outputs)
        blocks = []
        for k, output in enumerate(leaves):
            rows = []
            for one_hot in _basis(output):
                cotangents: list[Tensor | None] = [None] * len(leaves)
                cotangents[k] = one_hot
                row, inner = flatten(pullback(unflatten(structure, cotangents)))
                rows.append(row)
            parts = [_joined(output, list(part)) for part in zip(*rows, strict=True)]
            block = unflatten(inner, parts)
            blocks.append(block if isinstance(argnums, tuple) else block[0])
        return unflatten(structure, blocks)

    return computed


def _basis(output: Tensor) -> list[Tensor]:
    """The cotangents with a 1 at one element; a zero one where there is no element."""
    if not output.size:
        return [zeros(output)]
    place = arange(output.size)
    return [reshape(cast(equal(place, i), output.dtype), output.shape) for i in range(output.size)]


def _joined(output: Tensor, rows: list[Tensor]) -> Tensor:
    shape = (*output.shape, *rows[0].shape)
    return reshape(stack(rows), shape) if output.size else broadcast_to(rows[0], shape)


def hessian(fn: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that computes the second derivatives of the scalar function `fn`.

    For arguments of shapes (…m) and (…n) that is a tensor of shape (…m, …n), placed in the
    structure of the first and, inside that, of the second. Errors are those of `grad`.

    >>> import neurona as ne
    >>> ne.hessian(lambda x: ne.sum(x**3))(ne.asarray([1.0, 2.0]))
    Tensor([[ 6.,  0.],
            [ 0., 12.]], dtype=float32)
    """
    return jacobian(grad(fn, argnums), argnums)
