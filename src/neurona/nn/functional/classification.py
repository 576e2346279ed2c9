"""Losses for classes: cross-entropy in its forms, divergence, hinge."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.activation import relu, sigmoid
from neurona.nn.functional.checks import (
    check_index,
    check_that,
    choice,
    float_input,
    same_shape,
)
from neurona.nn.functional.reduction import reduced, weight_of_samples
from neurona.nn.running import who
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.create import arange
from neurona.ops.operand import cast, operand
from neurona.ops.shape import expand_dims
from neurona.ops.softmax import log_softmax
from neurona.ops.transcendental import exp, log, logaddexp


def cross_entropy(
    input: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    sample_weight: Any = None,
    from_logits: bool = True,
) -> Tensor:
    """−Σ_c t_c log p_c, with p = softmax(input) along the class axis; derivative p − t.

    input: (batch, classes, …) or (classes,).
    target: class numbers (batch, …), or probabilities (one-hot included) of input's shape.
    weight: (classes,), the weight of each class. ignore_index: class numbers that do not count.
    label_smoothing: ε; the target becomes (1 − ε)t + ε/classes.
    reduction: "mean", "sum" or "none". With class numbers the mean divides by the sum of the
        weights of the targets, with probabilities by the number of samples.
    sample_weight: (batch,), multiplies the loss of each sample; the mean divides by its sum too.
    from_logits: false if `input` already holds probabilities.
    Raises `IndexOutOfRangeError` naming the label that is no class.

    >>> from neurona.nn import functional as F
    >>> round(F.cross_entropy([[5.0, 6.0, 11.0, 7.0]], [2]).item(), 4)
    0.0272
    """
    z = float_input("cross_entropy", input)
    axis = _class_axis("cross_entropy", z)
    if from_logits:
        logarithms = log_softmax(z, axis=axis)
    else:
        tiny = float(np.finfo(z.dtype).tiny)
        logarithms = log(where(z < tiny, tiny, z))
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            f"{who('cross_entropy')}: label_smoothing is in [0, 1], not {label_smoothing}"
        )
    t = operand(target)
    if not dtypes.is_float(t.dtype):
        return _from_labels(
            "cross_entropy",
            logarithms,
            t,
            weight,
            ignore_index,
            label_smoothing,
            reduction,
            sample_weight,
        )
    t = same_shape("cross_entropy", z, t)
    classes = z.shape[axis]
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / classes
    terms = t * logarithms
    if weight is not None:
        terms = terms * _class_weight("cross_entropy", weight, logarithms, axis)
    loss = -sum(terms, axis=axis)
    return _reduced("cross_entropy", loss, reduction, sample_weight)


def token_cross_entropy(
    input: Any,
    target: Any,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """Cross-entropy of class numbers with the classes along the last axis, as sequences have them.

    input: scores (…, classes), as (batch, time, classes). target: class numbers (…).
    ignore_index: class numbers that do not count, as those of padding; the mean is over the others.
    label_smoothing, reduction: as in `cross_entropy`. sample_weight: (batch,) or longer.
    Its exponential is the perplexity.
    Raises `IndexOutOfRangeError` naming the target that is no class.

    >>> from neurona.nn import functional as F
    >>> scores = [[[1.0, 1.0], [0.0, 5.0]]]
    >>> F.token_cross_entropy(scores, [[0, -100]])
    Tensor(0.6931472, dtype=float32)
    """
    z = float_input("token_cross_entropy", input)
    if not z.ndim:
        raise ShapeError(f"{who('token_cross_entropy')}: input is 0-d; it must be (…, classes)")
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            f"{who('token_cross_entropy')}: label_smoothing is in [0, 1], not {label_smoothing}"
        )
    return _from_labels(
        "token_cross_entropy",
        log_softmax(z, axis=-1),
        operand(target),
        None,
        ignore_index,
        label_smoothing,
        reduction,
        sample_weight,
        axis=z.ndim - 1,
    )


def nll_loss(
    input: Any,
    target: Any,
    *,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """−log p of the target class: cross-entropy from the logarithms of probabilities.

    input: (batch, classes, …) or (classes,), as log_softmax gives. The rest as in `cross_entropy`
    with class numbers.
    """
    z = float_input("nll_loss", input)
    return _from_labels(
        "nll_loss", z, operand(target), weight, ignore_index, 0.0, reduction, sample_weight
    )


def _class_axis(function: str, z: Tensor) -> int:
    if not z.ndim:
        raise ShapeError(f"{who(function)}: input is 0-d; it must be (batch, classes, …)")
    return min(z.ndim - 1, 1)


def _class_weight(function: str, weight: Any, logarithms: Tensor, axis: int) -> Tensor:
    w = operand(weight)
    classes = logarithms.shape[axis]
    if w.shape != (classes,):
        raise ShapeError(
            f"{who(function)}: weight has shape {w.shape}; it must be one a class, ({classes},)"
        )
    return reshape(cast(w, logarithms.dtype), (classes, *[1] * (logarithms.ndim - axis - 1)))


def _reduced(function: str, loss: Tensor, reduction: str, sample_weight: Any) -> Tensor:
    choice(function, "reduction", reduction, ("mean", "sum", "none"))
    return reduced(function, loss, reduction, sample_weight)


def _from_labels(
    function: str,
    logarithms: Tensor,
    labels: Tensor,
    weight: Any,
    ignore_index: int,
    label_smoothing: float,
    reduction: str,
    sample_weight: Any,
    axis: int | None = None,
) -> Tensor:
    axis = _class_axis(function, logarithms) if axis is None else axis
    shape = logarithms.shape
    classes = shape[axis]
    if not dtypes.is_integer(labels.dtype):
        raise DTypeError(f"{who(function)}: class numbers are integers, target is {labels.dtype}")
    if labels.shape != (*shape[:axis], *shape[axis + 1 :]):
        hint = "; cast a one-hot target to input's dtype" if labels.shape == shape else ""
        raise ShapeError(
            f"{who(function)}: input has shape {shape}, target {labels.shape}; class numbers must "
            f"have the shape {(*shape[:axis], *shape[axis + 1 :])}{hint}"
        )
    choice(function, "reduction", reduction, ("mean", "sum", "none"))
    labels = cast(labels, dtypes.int64)  # classes and ignore_index need not fit their own dtype
    check_index(function, labels, classes, "target", "classes", ignore_index)
    counted = labels != ignore_index
    along = (classes, *[1] * (len(shape) - axis - 1))
    hot = expand_dims(labels, axis=axis) == reshape(arange(classes, dtype=labels.dtype), along)
    if 0 <= ignore_index < classes:
        hot = hot & expand_dims(counted, axis=axis)
    loss = -sum(where(hot, logarithms, 0), axis=axis)
    share = cast(counted, logarithms.dtype)
    if weight is not None:
        of_class = _class_weight(function, weight, logarithms, axis)
        share = sum(where(hot, of_class, 0), axis=axis)
        loss = loss * share
    if label_smoothing:
        terms = logarithms * of_class if weight is not None else logarithms
        smooth = where(counted, -sum(terms, axis=axis), 0)
        loss = (1 - label_smoothing) * loss + (label_smoothing / classes) * smooth
    if sample_weight is not None:
        of_sample = weight_of_samples(function, sample_weight, loss)
        of_sample = reshape(of_sample, (*of_sample.shape, *[1] * (loss.ndim - of_sample.ndim)))
        loss, share = loss * of_sample, share * of_sample
    if reduction == "none":
        return loss
    return sum(loss) if reduction == "sum" else sum(loss) / sum(share)


# --- two classes ---

FLOOR = -100.0
"""The least logarithm of a probability (PyTorch's): a wrong certainty costs 100, not ∞."""


def binary_cross_entropy(
    input: Any, target: Any, *, reduction: str = "mean", sample_weight: Any = None
) -> Tensor:
    """−(t log p + (1 − t) log(1 − p)), from probabilities.

    input: probabilities (batch, …). target: of the same shape, in [0, 1].
    reduction: "mean" over all elements, "sum", "none", or "batchmean": summed over several sigmoid
        outputs, mean over the batch.
    Logarithms are at least −100, where the derivative is 0. Raises `ArgumentError` if a
    probability lies outside [0, 1].

    >>> from neurona.nn import functional as F
    >>> losses = F.binary_cross_entropy([0.6011, 0.6201], [0, 1], reduction="none")
    >>> [round(loss, 3) for loss in losses.tolist()]
    [0.919, 0.478]
    """
    p = float_input("binary_cross_entropy", input)
    t = same_shape("binary_cross_entropy", p, target)
    outside = (p < 0) | (p > 1)
    check_that("binary_cross_entropy", ~outside, "input", p, "it must lie in [0, 1]")
    loss = -(t * _log(p) + (1 - t) * _log(1 - p))
    return reduced("binary_cross_entropy", loss, reduction, sample_weight)


def _log(p: Tensor) -> Tensor:
    # The inner `where` keeps 0·∞ out of the derivative.
    none = p <= 0
    logarithm = log(where(none, 1, p))
    return where(none, FLOOR, where(logarithm < FLOOR, FLOOR, logarithm))


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    *,
    pos_weight: Any = None,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """Binary cross-entropy of σ(input), without overflow; derivative σ(input) − t.

    input: (batch, …). target: of the same shape, in [0, 1].
    pos_weight: factor of the part with t; a number, or a tensor that broadcasts to the input.
    reduction: as in `binary_cross_entropy`.

    >>> from neurona.nn import functional as F
    >>> round(F.binary_cross_entropy_with_logits([0.0, 2.0], [1, 1], reduction="sum").item(), 4)
    0.8201
    """
    z = float_input("binary_cross_entropy_with_logits", input)
    t = same_shape("binary_cross_entropy_with_logits", z, target)
    softplus = logaddexp(-z, 0)
    if pos_weight is not None:
        softplus = softplus * (1 + (pos_weight - 1) * t)
    loss = (1 - t) * z + softplus
    return reduced("binary_cross_entropy_with_logits", loss, reduction, sample_weight)


def sigmoid_focal_loss(
    input: Any,
    target: Any,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: str = "none",
    sample_weight: Any = None,
) -> Tensor:
    """α_t (1 − p_t)^γ times the binary cross-entropy of p = σ(input).

    p_t is the probability of what the target says, p or 1 − p; α_t is α for 1 and 1 − α for 0. What
    is already right counts little, so that the many easy places of a detector do not drown the few
    with objects. Lin et al., "Focal loss for dense object detection" (2017), equation 5.

    input: logits (batch, …). target: of the same shape, in [0, 1]. alpha: negative for none.
    reduction: as in `binary_cross_entropy`.

    >>> from neurona.nn import functional as F
    >>> [round(loss, 4) for loss in F.sigmoid_focal_loss([4.0, 0.0, -4.0], [1, 1, 1]).tolist()]
    [0.0, 0.0433, 0.9687]
    """
    z = float_input("sigmoid_focal_loss", input)
    t = same_shape("sigmoid_focal_loss", z, target)
    p = sigmoid(z)
    wrong = p * (1 - t) + (1 - p) * t
    loss = wrong**gamma * ((1 - t) * z + logaddexp(-z, 0))
    if alpha >= 0:
        loss = (alpha * t + (1 - alpha) * (1 - t)) * loss
    return reduced("sigmoid_focal_loss", loss, reduction, sample_weight)


# --- others ---


def kl_div(
    input: Any,
    target: Any,
    *,
    log_target: bool = False,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """t(log t − input), the Kullback–Leibler divergence of log-probabilities from t; 0 at t = 0.

    input: log-probabilities (batch, …). target: probabilities of the same shape, or their
    logarithms with `log_target`. reduction: "batchmean" is the divergence itself.
    """
    x = float_input("kl_div", input)
    t = same_shape("kl_div", x, target)
    if log_target:
        loss = exp(t) * (t - x)
    else:
        nil = t == 0
        loss = where(nil, 0, t * (log(where(nil, 1, t)) - where(nil, 0, x)))
    return reduced("kl_div", loss, reduction, sample_weight)


def hinge_loss(
    input: Any,
    target: Any,
    *,
    margin: float = 1.0,
    reduction: str = "mean",
    sample_weight: Any = None,
) -> Tensor:
    """max(0, margin − t·y) with t = ±1; derivative 0 at the kink.

    Cortes and Vapnik, "Support-vector networks" (1995). Raises `ArgumentError` for other targets.

    >>> from neurona.nn import functional as F
    >>> F.hinge_loss([0.5, -2.0], [1, -1])
    Tensor(0.25, dtype=float32)
    """
    y = float_input("hinge_loss", input)
    t = same_shape("hinge_loss", y, target)
    check_that("hinge_loss", (t == 1) | (t == -1), "target", t, "it must be −1 or 1")
    return reduced("hinge_loss", relu(margin - t * y), reduction, sample_weight)
