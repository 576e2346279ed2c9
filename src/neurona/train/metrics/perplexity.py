"""How surprised a language model is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from neurona.core.dtypes import DEFAULT_INT
from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.ops.broadcast import sum
from neurona.ops.operand import cast
from neurona.train.metrics.base import Metric, Sums


class Perplexity(Metric):
    """e^(mean of −log p(token)): among how many equally likely tokens the model would hesitate.

    output: scores before the softmax, or logarithms of probabilities, (batch, …, classes).
    target: class numbers (batch, …); those of `ignore_index`, as padding has, do not count.
    Every token counts the same, in whichever batch it is.

    >>> import numpy as np
    >>> from neurona import train
    >>> output, target = np.zeros((1, 3, 4), np.float32), np.array([[0, 3, -100]])
    >>> round(train.measure(train.Perplexity(), output, target), 4)
    4.0
    """

    name = "perplexity"
    larger_is_better = False

    def __init__(self, ignore_index: int = -100) -> None:
        self.ignore_index = ignore_index

    def sums(self, output: Tensor, target: Tensor) -> Sums:
        surprise = functional.token_cross_entropy(
            output, target, ignore_index=self.ignore_index, reduction="sum"
        )
        return surprise, sum(cast(target != self.ignore_index, DEFAULT_INT))

    def value(self, sums: Sequence[Any]) -> float:
        surprise, tokens = sums
        if not tokens:
            return math.nan
        mean = float(surprise / tokens)
        return math.exp(mean) if mean < 700 else math.inf
