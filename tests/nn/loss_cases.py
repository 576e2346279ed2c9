"""One record a loss, compared with PyTorch in `test_losses`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import neurona as ne
from neurona.nn import functional as F
from tests.nn.golden import Values, pattern

X = pattern((4, 3), 1, 2.0)
T = pattern((4, 3), 2, 2.0)
P = 0.5 + pattern((4, 3), 3, 0.49)
Q = 0.5 + pattern((4, 3), 4, 0.5)
SHARES = np.exp(T) / np.exp(T).sum(1, keepdims=True)
LOGARITHMS = np.log(np.exp(X) / np.exp(X).sum(1, keepdims=True))
LABELS = np.array([2, 0, 1, 2])
IGNORED = np.array([2, -100, 1, 2])
WEIGHT = np.array([0.5, 2.0, 1.25])
TOKENS = pattern((4, 2, 3), 7, 2.0)
IDS = np.array([[2, 0], [1, 1], [0, 2], [1, 0]])
IMAGES = pattern((2, 3, 2, 2), 5, 2.0)
PIXELS = np.array([[[0, 2], [1, 1]], [[2, 0], [0, 1]]])


@dataclass(frozen=True)
class LossCase:
    """ours, torch: the loss of (input, target); torch gets its module and its functional first."""

    name: str
    ours: Callable[[Any, Any], Any]
    input: Any
    target: Any
    torch: Callable[[Any, Any, Any], Any] | None

    def values(self) -> Values:
        """The loss and its gradient by the input."""
        x = ne.asarray(self.input).requires_grad_()
        loss = self.ours(x, self.target)
        loss.backward(ne.asarray(pattern(loss.shape, 6) if loss.ndim else np.float64(1)))
        return {"loss": loss.numpy(), "gradient": x.grad.numpy()}

    def from_torch(self) -> Values:
        """The same from PyTorch."""
        import torch

        x = torch.from_numpy(np.array(self.input)).requires_grad_()
        loss = self.torch(torch.nn.functional, x, torch.from_numpy(np.array(self.target)))
        shape = tuple(loss.shape)
        loss.backward(torch.from_numpy(pattern(shape, 6)) if shape else None)
        return {"loss": loss.detach().numpy(), "gradient": x.grad.numpy()}


def _reductions(
    name: str, ours: Any, torch: Any, input: Any, target: Any, kinds: tuple[str, ...]
) -> list[LossCase]:
    return [
        LossCase(
            f"{name}, {kind}",
            lambda x, t, kind=kind: ours(x, t, reduction=kind),
            input,
            target,
            lambda f, x, t, kind=kind: torch(f, x, t, reduction=kind),
        )
        for kind in kinds
    ]


def _tensor(array: Any) -> Any:
    import torch

    return torch.from_numpy(array)


THREE = ("mean", "sum", "none")
LOSSES = (
    *_reductions("mse_loss", F.mse_loss, lambda f, *a, **k: f.mse_loss(*a, **k), X, T, THREE),
    *_reductions("l1_loss", F.l1_loss, lambda f, *a, **k: f.l1_loss(*a, **k), X, T, THREE),
    LossCase(
        "quadratic_cost",
        F.quadratic_cost,
        X,
        T,
        lambda f, x, t: f.mse_loss(x, t, reduction="sum") / (2 * len(x)),
    ),
    LossCase(
        "huber_loss",
        lambda x, t: F.huber_loss(x, t, delta=0.7),
        X,
        T,
        lambda f, x, t: f.huber_loss(x, t, delta=0.7),
    ),
    LossCase(
        "smooth_l1_loss",
        lambda x, t: F.smooth_l1_loss(x, t, beta=0.7),
        X,
        T,
        lambda f, x, t: f.smooth_l1_loss(x, t, beta=0.7),
    ),
    LossCase(
        "smooth_l1_loss, β 0",
        lambda x, t: F.smooth_l1_loss(x, t, beta=0),
        X,
        T,
        lambda f, x, t: f.smooth_l1_loss(x, t, beta=0.0),
    ),
    *_reductions(
        "cross_entropy",
        F.cross_entropy,
        lambda f, *a, **k: f.cross_entropy(*a, **k),
        X,
        LABELS,
        THREE,
    ),
    *_reductions(
        "cross_entropy, all options",
        lambda x, t, **k: F.cross_entropy(x, t, weight=WEIGHT, label_smoothing=0.2, **k),
        lambda f, x, t, **k: f.cross_entropy(
            x, t, weight=_tensor(WEIGHT), label_smoothing=0.2, **k
        ),
        X,
        IGNORED,
        THREE,
    ),
    LossCase(
        "cross_entropy, a class ignored",
        lambda x, t: F.cross_entropy(x, t, ignore_index=2, weight=WEIGHT),
        X,
        LABELS,
        lambda f, x, t: f.cross_entropy(x, t, ignore_index=2, weight=_tensor(WEIGHT)),
    ),
    LossCase(
        "cross_entropy, pixels",
        F.cross_entropy,
        IMAGES,
        PIXELS,
        lambda f, x, t: f.cross_entropy(x, t),
    ),
    LossCase(
        "cross_entropy, one sample",
        F.cross_entropy,
        X[0],
        LABELS[0],
        lambda f, x, t: f.cross_entropy(x, t),
    ),
    *_reductions(
        "cross_entropy, shares",
        lambda x, t, **k: F.cross_entropy(x, t, weight=WEIGHT, label_smoothing=0.2, **k),
        lambda f, x, t, **k: f.cross_entropy(
            x, t, weight=_tensor(WEIGHT), label_smoothing=0.2, **k
        ),
        X,
        SHARES,
        THREE,
    ),
    LossCase(
        "cross_entropy, from probabilities",
        lambda x, t: F.cross_entropy(x, t, from_logits=False),
        P,
        LABELS,
        lambda f, x, t: f.nll_loss(x.log(), t),
    ),
    *_reductions(
        "token_cross_entropy",
        lambda x, t, **k: F.token_cross_entropy(x, t, ignore_index=1, label_smoothing=0.2, **k),
        lambda f, x, t, reduction: f.cross_entropy(
            x.transpose(1, 2), t, ignore_index=1, label_smoothing=0.2, reduction=reduction
        ),
        TOKENS,
        IDS,
        THREE,
    ),
    *_reductions(
        "nll_loss",
        lambda x, t, **k: F.nll_loss(x, t, weight=WEIGHT, **k),
        lambda f, x, t, **k: f.nll_loss(x, t, weight=_tensor(WEIGHT), **k),
        LOGARITHMS,
        IGNORED,
        THREE,
    ),
    *_reductions(
        "binary_cross_entropy",
        F.binary_cross_entropy,
        lambda f, *a, **k: f.binary_cross_entropy(*a, **k),
        P,
        Q,
        THREE,
    ),
    LossCase(
        "binary_cross_entropy, outputs summed",
        lambda x, t: F.binary_cross_entropy(x, t, reduction="batchmean"),
        P,
        Q,
        lambda f, x, t: f.binary_cross_entropy(x, t, reduction="none").sum(1).mean(),
    ),
    *_reductions(
        "binary_cross_entropy_with_logits",
        lambda x, t, **k: F.binary_cross_entropy_with_logits(x, t, pos_weight=WEIGHT, **k),
        lambda f, x, t, **k: f.binary_cross_entropy_with_logits(
            x, t, pos_weight=_tensor(WEIGHT), **k
        ),
        20 * X,
        Q,
        THREE,
    ),
    *_reductions(
        "kl_div",
        F.kl_div,
        lambda f, *a, **k: f.kl_div(*a, **k),
        LOGARITHMS,
        np.where(SHARES < 0.1, 0, SHARES),
        ("sum", "none", "batchmean"),
    ),
    LossCase(
        "kl_div, from logarithms",
        lambda x, t: F.kl_div(x, t, log_target=True, reduction="batchmean"),
        LOGARITHMS,
        np.log(SHARES),
        lambda f, x, t: f.kl_div(x, t, log_target=True, reduction="batchmean"),
    ),
    LossCase(
        "hinge_loss",
        F.hinge_loss,
        X,
        np.sign(T),
        lambda f, x, t: (1 - t * x).clamp(min=0).mean(),
    ),
)
