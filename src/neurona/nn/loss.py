"""Losses as modules; equations stand with the functions in `functional`.

All take (input, target, sample_weight=None), the weights being one a sample.
"""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.checks import choice
from neurona.nn.functional.reduction import REDUCTIONS
from neurona.nn.module import Module
from neurona.ops.operand import as_float


class Loss(Module):
    """What all losses share: the reduction, one of "mean", "sum", "none" and "batchmean"."""

    def __init__(self, *, reduction: str = "mean") -> None:
        choice(type(self).__name__, "reduction", reduction, REDUCTIONS)
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class MSELoss(Loss):
    """(y − t)², the mean over all elements."""

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.mse_loss(
            input, target, reduction=self.reduction, sample_weight=sample_weight
        )


class QuadraticCost(Loss):
    """½‖y − t‖², summed over the outputs, mean over the batch."""

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.quadratic_cost(
            input, target, reduction=self.reduction, sample_weight=sample_weight
        )


class L1Loss(Loss):
    """|y − t|, the mean over all elements."""

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.l1_loss(
            input, target, reduction=self.reduction, sample_weight=sample_weight
        )


class HuberLoss(Loss):
    """½e² where |e| < δ, else δ(|e| − ½δ)."""

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.huber_loss(
            input,
            target,
            delta=self.delta,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )


class SmoothL1Loss(Loss):
    """½e²/β where |e| < β, else |e| − ½β."""

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.smooth_l1_loss(
            input, target, beta=self.beta, reduction=self.reduction, sample_weight=sample_weight
        )


class CrossEntropyLoss(Loss):
    """−Σ_c t_c log softmax(input)_c; targets are class numbers or probabilities.

    weight: (classes,), the weight of each class. ignore_index: class numbers that do not count.
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.weight: Any
        self.register_buffer("weight", None if weight is None else as_float(weight))

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )


class TokenCrossEntropyLoss(Loss):
    """Cross-entropy of scores (…, classes) and class numbers (…), as those of sequences.

    ignore_index: class numbers that do not count, as those of padding.
    """

    def __init__(
        self, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.token_cross_entropy(
            input,
            target,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )


class NLLLoss(Loss):
    """−log p of the target class, from the logarithms of probabilities.

    weight: (classes,), the weight of each class. ignore_index: class numbers that do not count.
    """

    def __init__(
        self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        self.weight: Any
        self.register_buffer("weight", None if weight is None else as_float(weight))

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )


class BCELoss(Loss):
    """−(t log p + (1 − t) log(1 − p)), from probabilities."""

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.binary_cross_entropy(
            input, target, reduction=self.reduction, sample_weight=sample_weight
        )


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of σ(input). pos_weight: factor of the part with t = 1."""

    def __init__(self, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction=reduction)
        self.pos_weight: Any
        self.register_buffer("pos_weight", None if pos_weight is None else as_float(pos_weight))

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            input,
            target,
            pos_weight=self.pos_weight,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )


class KLDivLoss(Loss):
    """t(log t − input), from log-probabilities; "batchmean" is the divergence itself."""

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.log_target = log_target

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.kl_div(
            input,
            target,
            log_target=self.log_target,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )


class HingeLoss(Loss):
    """max(0, margin − t·y) with t = ±1."""

    def __init__(self, *, reduction: str = "mean", margin: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.margin = margin

    def forward(self, input: Any, target: Any, sample_weight: Any = None) -> Tensor:
        return functional.hinge_loss(
            input,
            target,
            margin=self.margin,
            reduction=self.reduction,
            sample_weight=sample_weight,
        )
