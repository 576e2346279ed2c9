"""Which token comes next: scores with temperature, top-k and top-p, and a draw."""

from __future__ import annotations

import neurona as ne
from neurona.core.arguments import is_real, whole
from neurona.core.errors import ArgumentError
from neurona.core.tensor import Tensor
from neurona.ops.generator import Generator


def keep_top_k(scores: Tensor, k: int) -> Tensor:
    """`scores` (batch, vocabulary), −∞ for all below the k-th largest of the row.

    Those equal to it are kept. A `k` of the vocabulary's size or more keeps all.

    >>> keep_top_k(ne.asarray([[1.0, 3.0, 2.0]]), 2)
    Tensor([[-inf,   3.,   2.]], dtype=float32)
    """
    best, _ = ne.top_k(scores, min(whole("keep_top_k", "k", k), scores.shape[1]))
    return ne.where(scores >= best[:, -1:], scores, -ne.inf)


def keep_top_p(scores: Tensor, p: float | Tensor) -> Tensor:
    """`scores` (batch, vocabulary), −∞ but for the fewest most probable whose sum is at least p.

    Holtzman, Buys, Du, Forbes and Choi, "The curious case of neural text degeneration" (2020). Of
    tokens as probable as the last one taken all are kept; the most probable always is.

    >>> keep_top_p(ne.log(ne.asarray([[0.5, 0.3, 0.2]])), 0.7)
    Tensor([[-0.6931472, -1.2039728,       -inf]], dtype=float32)
    """
    ordered = ne.sort(scores, descending=True)
    probabilities = ne.softmax(ordered, axis=1)
    before = ne.cumulative_sum(probabilities, axis=1) - probabilities
    # The first stands before all sums, also where they are rounded.
    taken = (before < p) | (ne.arange(scores.shape[1]) == 0)
    least = ne.min(ne.where(taken, ordered, ne.inf), axis=1, keepdims=True)
    return ne.where(scores >= least, scores, -ne.inf)


def choose(
    scores: Tensor,
    *,
    temperature: float | Tensor,
    top_k: int | None,
    top_p: float | Tensor | None,
    random: Generator | None,
) -> Tensor:
    """A token for each row of `scores` (batch, vocabulary): int64 (batch,).

    p ∝ exp(score / temperature), then of the k most probable, then of the fewest whose sum is p.
    random: where the draws come from; None takes the most probable token.
    """
    if random is None:
        return ne.argmax(scores, axis=1)
    scores = scores / temperature
    if top_k is not None:
        scores = keep_top_k(scores, top_k)
    if top_p is not None:
        scores = keep_top_p(scores, top_p)
    return ne.random.categorical(scores, generator=random)


def check_choice(temperature: float, top_k: int | None = None, top_p: float | None = None) -> None:
    """Raise `ArgumentError` for values that name no distribution."""
    if not is_real(temperature) or not 0 <= temperature < float("inf"):
        raise ArgumentError(
            f"generation: temperature {temperature!r} must be at least 0 and finite"
        )
    if top_k is not None:
        whole("generation", "top_k", top_k)
    if top_p is not None and (not is_real(top_p) or not 0 < top_p <= 1):
        raise ArgumentError(f"generation: top_p {top_p!r} must be in (0, 1]")
