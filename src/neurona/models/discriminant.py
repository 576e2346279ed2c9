"""What the linear discriminants share: φ(x) = Wx + b, and learning by their own rules."""

from __future__ import annotations

from typing import Any

import numpy as np

import neurona as ne
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.data.dataset import Dataset
from neurona.data.loader import Loader
from neurona.nn.linear import empty, extent
from neurona.nn.module import Module
from neurona.nn.running import title_of


class Discriminant(Module):
    """φ(x) = Wx + b, from zero weights; the base of units that bring their own learning rule.

    Here the zero start is no fault: the weights of an output see nothing of the other outputs.

    - x: (batch, in_features). φ: (batch, out_features), the potentials.
    - weight: (out_features, in_features), bias: (out_features,), the threshold with the sign
      turned.
    """

    def __init__(self, in_features: int, out_features: int = 1, *, dtype: Any = None) -> None:
        who = type(self).__name__
        self.in_features = extent(who, "in_features", in_features)
        self.out_features = extent(who, "out_features", out_features)
        self.weight = empty((out_features, in_features), dtype)
        self.bias = empty((out_features,), dtype)

    def potential(self, x: Any) -> Tensor:
        """φ(x) = Wx + b."""
        z = self.numbers(x)
        if z.ndim != 2 or z.shape[1] != self.in_features:
            raise ShapeError(f"{title_of(self)}: x {z.shape} must be (batch, {self.in_features})")
        return z @ self.weight.T + self.bias

    def numbers(self, values: Any) -> Tensor:
        """The values as a tensor of the weights' dtype."""
        return ne.astype(ne.asarray(values), self.weight.dtype, copy=False)

    def forward(self, x: Any) -> Tensor:
        return self.potential(x)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"


class Incremental(Discriminant):
    """A discriminant that learns sample by sample, or batch by batch.

    A subclass defines `learn(x, t)`, one application of its rule in Tensor ops, and inherits `fit`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 1,
        *,
        learning_rate: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, dtype=dtype)
        if not learning_rate > 0:
            raise ArgumentError(
                f"{type(self).__name__}: learning_rate must be positive, not {learning_rate}"
            )
        self.learning_rate = learning_rate

    def learn(self, x: Any, t: Any) -> Tensor:
        """Apply the rule to a batch; returns what `fit` records of it, summed over the batch."""
        raise NotImplementedError(f"{type(self).__name__} must define learn(self, x, t)")

    def add(self, samples: Tensor, x: Any) -> None:
        """W ← W + Σ_n s_n x_nᵀ and b ← b + Σ_n s_n, with s (batch, out_features)."""
        self.weight.assign(self.weight + samples.T @ self.numbers(x))
        self.bias.assign(self.bias + ne.sum(samples, axis=0))

    def fit(
        self,
        x: Any,
        t: Any,
        *,
        epochs: int = 100,
        batch_size: int = 1,
        seed: int = 0,
        shuffle: bool = True,
    ) -> list[float]:
        """Apply the rule to all samples, again and again; returns what `learn` gave, by epoch.

        - x: (sample, in_features), t: (sample, out_features).
        - `epochs`: at most so many. An epoch that recorded 0 (no mistake, no error) is the last.
        - `seed`, `shuffle`: the order of the samples, see `data.Loader`.

        The rule is compiled. Raises `ShapeError` and `DataError` for data that do not fit.
        """
        if epochs < 1:
            raise ArgumentError(f"{type(self).__name__}.fit: epochs must be at least 1")
        inputs, targets = Dataset(inputs=x, targets=t, name="training").arrays
        if (inputs.shape[1:], targets.shape[1:]) != ((self.in_features,), (self.out_features,)):
            raise ShapeError(
                f"{type(self).__name__}.fit: x {inputs.shape} and t {targets.shape} must be "
                f"(sample, {self.in_features}) and (sample, {self.out_features})"
            )
        dtype = np.dtype(self.weight.dtype)
        loader = Loader(
            inputs.astype(dtype, copy=False),
            targets.astype(dtype, copy=False),
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            dtype=None,
        )
        learn = ne.compile(self.learn)
        record: list[float] = []
        for epoch in range(epochs):
            record.append(float(sum(learn(*batch).item() for batch in loader.epoch(epoch))))
            if record[-1] == 0:
                break
        return record
