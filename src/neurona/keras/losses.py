"""Losses by Keras's names: functions of (y_true, y_pred) that give one number a sample.

The last axis is that of the outputs or classes. y_true: (batch, …) of y_pred's shape, or class
numbers without the last axis for the sparse ones. A loss object weights these numbers and puts
them together: `reduction` "sum_over_batch_size" divides their weighted sum by how many there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.keras.named import Configured, find, snake
from neurona.nn import functional
from neurona.ops.arithmetic import abs, clip, maximum, sqrt
from neurona.ops.broadcast import reshape, sum
from neurona.ops.compare import where
from neurona.ops.operand import cast, operand
from neurona.ops.reduce import max, mean
from neurona.ops.softmax import log_softmax
from neurona.ops.transcendental import log, log1p

EPSILON = 1e-7
"""How near to 0 and 1 probabilities are taken before their logarithm."""
REDUCTIONS = ("sum_over_batch_size", "sum", "mean_with_sample_weight")

Function = Callable[..., Tensor]


def _pair(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    output = operand(y_pred)
    target = cast(operand(y_true), output.dtype)
    if target.shape != output.shape:
        raise ShapeError(f"loss: y_true {target.shape} and y_pred {output.shape} must be equal")
    return target, output


# --- classes ---


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """−Σ t·log p over the classes, for one-hot targets or shares.

    y_pred: probabilities, which are first divided by their sum and kept 1e-7 from 0 and 1, or with
    `from_logits` what goes into the softmax. label_smoothing: ε; the target becomes
    (1 − ε)t + ε/classes.
    """
    t, y = _pair(y_true, y_pred)
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / t.shape[-1]
    return -sum(t * _logarithms(y, from_logits), axis=-1)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False) -> Tensor:
    """−log p of the right class, for class numbers; y_pred as in `categorical_crossentropy`."""
    y = operand(y_pred)
    labels = operand(y_true)
    if labels.shape != y.shape[:-1]:
        raise ShapeError(
            f"sparse_categorical_crossentropy: y_true {labels.shape} must be the class numbers of "
            f"y_pred {y.shape}, {y.shape[:-1]}"
        )
    logarithms = reshape(_logarithms(y, from_logits), (-1, y.shape[-1]))
    losses = functional.nll_loss(logarithms, reshape(labels, (-1,)), reduction="none")
    return reshape(losses, labels.shape)


def _logarithms(y: Tensor, from_logits: bool) -> Tensor:
    if from_logits:
        return log_softmax(y, axis=-1)
    return log(clip(y / sum(y, axis=-1, keepdims=True), EPSILON, 1 - EPSILON))


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Tensor:
    """−(t log p + (1 − t) log(1 − p)), the mean over the last axis.

    y_pred: probabilities, which are kept 1e-7 from 0 and 1, or with `from_logits` what goes into
    the sigmoid. label_smoothing: ε; the target becomes (1 − ε)t + ε/2.
    """
    t, y = _pair(y_true, y_pred)
    if label_smoothing:
        t = t * (1 - label_smoothing) + label_smoothing / 2
    if from_logits:
        losses = functional.binary_cross_entropy_with_logits(y, t, reduction="none")
    else:
        p = clip(y, EPSILON, 1 - EPSILON)
        losses = -(t * log(p) + (1 - t) * log1p(-p))
    return mean(losses, axis=-1)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Σ t·log(t/p) over the classes, both kept within [1e-7, 1]."""
    t, y = (clip(one, EPSILON, 1.0) for one in _pair(y_true, y_pred))
    return sum(t * log(t / y), axis=-1)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(0, 1 − t·y), the mean over the last axis; targets 0 and 1 are taken as ∓1."""
    t, y = _signs(y_true, y_pred)
    return mean(maximum(1 - t * y, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(0, 1 − t·y)², the mean over the last axis; targets 0 and 1 are taken as ∓1."""
    t, y = _signs(y_true, y_pred)
    short = maximum(1 - t * y, 0.0)
    return mean(short * short, axis=-1)


def _signs(y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    t, y = _pair(y_true, y_pred)
    return where(t == 0, -1, t), y


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(0, 1 + the largest output of a wrong class − that of the right one)."""
    t, y = _pair(y_true, y_pred)
    return maximum(max((1 - t) * y, axis=-1) - sum(t * y, axis=-1) + 1, 0.0)


# --- numbers ---


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """(y − t)², the mean over the last axis."""
    t, y = _pair(y_true, y_pred)
    return mean((y - t) * (y - t), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """|y − t|, the mean over the last axis."""
    t, y = _pair(y_true, y_pred)
    return mean(abs(y - t), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """100·|t − y|/max(|t|, 1e-7), the mean over the last axis."""
    t, y = _pair(y_true, y_pred)
    return 100 * mean(abs((t - y) / maximum(abs(t), EPSILON)), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """(log(1 + y) − log(1 + t))² of numbers that are at least 1e-7, the mean over the last axis."""
    t, y = (log(1 + maximum(one, EPSILON)) for one in _pair(y_true, y_pred))
    return mean((y - t) * (y - t), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """½e² where |e| ≤ δ, else δ(|e| − ½δ), the mean over the last axis."""
    t, y = _pair(y_true, y_pred)
    error = abs(y - t)
    losses = where(error <= delta, 0.5 * error * error, delta * (error - 0.5 * delta))
    return mean(losses, axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """log cosh(y − t), the mean over the last axis."""
    t, y = _pair(y_true, y_pred)
    error = y - t
    return mean(error + functional.softplus(-2 * error) - _LOG_2, axis=-1)


_LOG_2 = 0.6931471805599453


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """y − t·log(y + 1e-7), the mean over the last axis."""
    t, y = _pair(y_true, y_pred)
    return mean(y - t * log(y + EPSILON), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any) -> Tensor:
    """−cos of the angle between t and y: −1 where they point the same way."""
    t, y = _pair(y_true, y_pred)
    return -sum(_unit(t) * _unit(y), axis=-1)


def _unit(x: Tensor) -> Tensor:
    return x / sqrt(maximum(sum(x * x, axis=-1, keepdims=True), 1e-12))


# --- objects ---


class Loss(Configured):
    """The base of all losses; one of your own defines `call(y_true, y_pred)` in Tensor operations.

    reduction: what becomes of the numbers that `call` gives: "sum_over_batch_size",
    "sum", or "mean_with_sample_weight", which divides by the sum of the weights instead.
    """

    TARGETS = "same"
    """What targets are: "same", of the output's shape, "classes", class numbers, or "any"."""

    def __init__(self, name: str | None = None, reduction: str = "sum_over_batch_size") -> None:
        if reduction not in REDUCTIONS:
            raise ArgumentError(
                f"{type(self).__name__}: reduction is one of {REDUCTIONS}, not {reduction!r}"
            )
        self.reduction = reduction
        self.name = name or snake(type(self).__name__)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """One number a sample, or a place of a sample."""
        raise NotImplementedError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        losses = self.call(operand(y_true), operand(y_pred))
        total: Any = losses.size
        if sample_weight is not None:
            weight = cast(operand(sample_weight), losses.dtype)
            weight = reshape(weight, (*weight.shape, *[1] * (losses.ndim - weight.ndim)))
            losses = losses * weight
            if self.reduction == "mean_with_sample_weight":
                total = sum(weight)
        return sum(losses) if self.reduction == "sum" else sum(losses) / total


class _Named(Loss):
    """A loss that is one of the functions above without options."""

    FUNCTION: Function

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None) -> None:
        super().__init__(name, reduction)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return type(self).FUNCTION(y_true, y_pred)


class MeanSquaredError(_Named):
    """See `mean_squared_error`.

    >>> from neurona import keras
    >>> keras.losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 3.0]])
    Tensor(2.5, dtype=float32)
    """

    FUNCTION = staticmethod(mean_squared_error)


class MeanAbsoluteError(_Named):
    """See `mean_absolute_error`."""

    FUNCTION = staticmethod(mean_absolute_error)


class MeanAbsolutePercentageError(_Named):
    """See `mean_absolute_percentage_error`."""

    FUNCTION = staticmethod(mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_Named):
    """See `mean_squared_logarithmic_error`."""

    FUNCTION = staticmethod(mean_squared_logarithmic_error)


class LogCosh(_Named):
    """See `log_cosh`."""

    FUNCTION = staticmethod(log_cosh)


class Poisson(_Named):
    """See `poisson`."""

    FUNCTION = staticmethod(poisson)


class KLDivergence(_Named):
    """See `kl_divergence`."""

    FUNCTION = staticmethod(kl_divergence)


class Hinge(_Named):
    """See `hinge`."""

    FUNCTION = staticmethod(hinge)


class SquaredHinge(_Named):
    """See `squared_hinge`."""

    FUNCTION = staticmethod(squared_hinge)


class CategoricalHinge(_Named):
    """See `categorical_hinge`."""

    FUNCTION = staticmethod(categorical_hinge)


class CosineSimilarity(_Named):
    """See `cosine_similarity`."""

    FUNCTION = staticmethod(cosine_similarity)

    def __init__(self, *, reduction: str = "sum_over_batch_size", name: str | None = None) -> None:
        super().__init__(reduction, name)


class Huber(Loss):
    """See `huber`."""

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name, reduction)
        if not delta > 0:
            raise ArgumentError(f"Huber: delta must be positive, not {delta}")
        self.delta = delta

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return huber(y_true, y_pred, self.delta)


class SparseCategoricalCrossentropy(Loss):
    """See `sparse_categorical_crossentropy`."""

    TARGETS = "classes"

    def __init__(
        self,
        from_logits: bool = False,
        *,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name, reduction)
        self.from_logits = from_logits

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)


class CategoricalCrossentropy(Loss):
    """See `categorical_crossentropy`."""

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(name, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(
                f"{type(self).__name__}: label_smoothing is in 0…1, not {label_smoothing}"
            )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class BinaryCrossentropy(CategoricalCrossentropy):
    """See `binary_crossentropy`."""

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class Own(Loss):
    """A function of (y_true, y_pred) of the user's own, which gives numbers or their mean."""

    TARGETS = "any"

    def __init__(self, function: Function) -> None:
        super().__init__(name=getattr(function, "__name__", None))
        self.function = function

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return operand(self.function(y_true, y_pred))


LOSSES: dict[str, type[Loss]] = {
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "categorical_hinge": CategoricalHinge,
    "cosine_similarity": CosineSimilarity,
    "hinge": Hinge,
    "huber": Huber,
    "kl_divergence": KLDivergence,
    "kld": KLDivergence,
    "log_cosh": LogCosh,
    "logcosh": LogCosh,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mean_squared_error": MeanSquaredError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
    "poisson": Poisson,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "squared_hinge": SquaredHinge,
}


def get(identifier: Any) -> Loss:
    """The loss of a name or a configuration; a function of (y_true, y_pred) is wrapped.

    Raises `ArgumentError` with the nearest name.

    >>> from neurona.keras import losses
    >>> losses.get("categorical_crossentropi")
    Traceback (most recent call last):
        ...
    neurona.core.errors.ArgumentError: loss: unknown name 'categorical_crossentropi'; did you mean \
'categorical_crossentropy'?
    """
    classes = {cls.__name__: cls for cls in LOSSES.values()}
    found = find("loss", identifier, LOSSES | classes, Loss)
    if isinstance(found, Loss):
        return found
    known = LOSSES.get(getattr(found, "__name__", ""))
    return known() if known and globals().get(found.__name__) is found else Own(found)
