"""Derivatives as functions of functions: grad, value_and_grad, vjp, jvp.

Each differentiated argument enters the function as a fresh leaf (`identity`), at which the reverse
walk ends, so that derivatives nest: an inner one never takes up what an outer one differentiates.
Where nothing outside can be differentiated (no Variable, no outer derivative, or inside `no_grad`)
the results are plain values and the graph is let go of.

Arguments are float tensors, arrays or numbers, or nested tuples, lists and dicts of them; a
derivative has the structure of what it is taken by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neurona.autodiff.lifting import Argnums, Arguments, Outcome, match, places
from neurona.autodiff.marks import fresh
from neurona.autodiff.reverse import initial_cotangent, pull, zeros
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, set_grad_enabled
from neurona.core.tree import unflatten


def grad(
    fn: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes the gradient of the scalar function `fn`.

    argnums: by which positional arguments; an int gives that one's gradient, a tuple a tuple.
    has_aux: `fn` returns (scalar, aux); the result is then (gradient, aux).
    Arguments and errors are those of `value_and_grad`.

    >>> import neurona as ne
    >>> cube = lambda x: x**3
    >>> ne.grad(cube)(2.0), ne.grad(ne.grad(cube))(2.0), ne.grad(ne.grad(ne.grad(cube)))(2.0)
    (Tensor(12., dtype=float32), Tensor(12., dtype=float32), Tensor(6., dtype=float32))
    """

    def gradient(*args: Any, **kwargs: Any) -> Any:
        outcome, slope = _value_and_grad("grad", fn, argnums, has_aux, args, kwargs)
        return (slope, outcome.aux) if has_aux else slope

    return gradient


def value_and_grad(
    fn: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that computes (fn(…), its gradient) in one go; see `grad`.

    With `has_aux` the result is ((scalar, aux), gradient). What `fn` does not depend on has the
    gradient 0. Raises `ShapeError` if the value of `fn` has more than one element, `DTypeError` if
    it or an argument to differentiate by is not float, `ArgumentError` for one that is no tensor.

    >>> import neurona as ne
    >>> ne.value_and_grad(lambda x, y: x * y, argnums=(0, 1))(4.0, -3.0)
    (Tensor(-12., dtype=float32), (Tensor(-3., dtype=float32), Tensor(4., dtype=float32)))
    """

    def computed(*args: Any, **kwargs: Any) -> Any:
        outcome, slope = _value_and_grad("value_and_grad", fn, argnums, has_aux, args, kwargs)
        return ((outcome.value, outcome.aux) if has_aux else outcome.value), slope

    return computed


def _value_and_grad(
    who: str,
    fn: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Outcome, Any]:
    positions = places(who, argnums, len(args))
    chosen = Arguments(who, [args[i] for i in positions], positions)
    filled = list(args)
    for i, tree in zip(positions, chosen.trees, strict=True):
        filled[i] = tree
    outcome = Outcome(who, lambda: fn(*filled, **kwargs), chosen, has_aux)
    if len(outcome.outputs) != 1:
        raise ArgumentError(
            f"{who}: the function returned {len(outcome.outputs)} tensors; one scalar is needed "
            "(has_aux=True lets it return something beside; vjp takes several)"
        )
    seed = initial_cotangent(outcome.outputs[0], None, who)
    slopes = unflatten(chosen.structure, outcome.pull([seed], free=True))
    return outcome, slopes if isinstance(argnums, tuple) else slopes[0]


def vjp(fn: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(outputs of `fn` at `primals`, the function that pulls cotangents back).

    The pull-back maps cotangents u, in the outputs' structure (None for 0; without argument: 1, for
    a scalar), to the tuple of uᵀJ, one a primal. It may be called again. With `has_aux`, `fn`
    returns (outputs, aux) and the result is (outputs, pull-back, aux). Errors are those of
    `value_and_grad`, and `ArgumentError` for cotangents of another structure.

    >>> import neurona as ne
    >>> y, pullback = ne.vjp(lambda x: x * x, ne.asarray([1.0, 2.0]))
    >>> pullback(ne.asarray([1.0, 10.0]))
    (Tensor([ 2., 40.], dtype=float32),)
    """
    chosen = Arguments("vjp", primals, range(len(primals)))
    outcome = Outcome("vjp", lambda: fn(*chosen.trees), chosen, has_aux)

    def pullback(cotangents: Any = None) -> tuple[Any, ...]:
        seeds: list[Tensor | None]
        if cotangents is None:
            seeds = [initial_cotangent(output, None, "vjp") for output in outcome.outputs]
        else:
            given = match("vjp", "cotangents", cotangents, outcome.structure, "outputs")
            seeds = [
                None if u is None else initial_cotangent(output, u, "vjp")
                for output, u in zip(outcome.outputs, given, strict=True)
            ]
        result: tuple[Any, ...] = unflatten(chosen.structure, outcome.pull(seeds))
        return result

    return (outcome.value, pullback, outcome.aux) if has_aux else (outcome.value, pullback)


def jvp(fn: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(outputs of `fn` at `primals`, their change J·v along `tangents` v).

    The pull-back u ↦ uᵀJ is linear in u, so its own pull-back is v ↦ J·v: two reverse walks, and
    no second set of rules.
    tangents: one a primal, of its structure, shapes and dtypes. Errors are those of `vjp`.

    >>> import neurona as ne
    >>> ne.jvp(lambda x: x * x, [ne.asarray([1.0, 2.0])], [ne.asarray([1.0, 10.0])])
    (Tensor([1., 4.], dtype=float32), Tensor([ 2., 40.], dtype=float32))
    """
    chosen = Arguments("jvp", primals, range(len(primals)))
    given = match("jvp", "tangents", tuple(tangents), chosen.structure, "primals")
    if any(v is None for v in given):
        raise ArgumentError("jvp: a tangent is None; give zeros where nothing changes")
    along = [
        initial_cotangent(x, v, "jvp", names=("tangent", "primal"))
        for x, v in zip(chosen.leaves, given, strict=True)
    ]
    outcome = Outcome("jvp", lambda: fn(*chosen.trees), chosen)
    with set_grad_enabled(True):
        dummies = [fresh(zeros(output)) for output in outcome.outputs]
        ends = [output._resolve(STATE.trace) for output in outcome.outputs]
        pulled = pull(ends, dummies, [leaf._node for leaf in chosen.leaves])
    pairs = [(x, v) for x, v in zip(pulled, along, strict=True) if x is not None]
    with set_grad_enabled(STATE.grad and (outcome.keep or any(v.requires_grad for v in along))):
        changes = pull(
            [x._node for x, _ in pairs], [v for _, v in pairs], [u._node for u in dummies]
        )
        filled = [zeros(u) if one is None else one for u, one in zip(dummies, changes, strict=True)]
    return outcome.value, unflatten(outcome.structure, filled)
