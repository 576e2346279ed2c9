"""Dropout."""

from __future__ import annotations

from typing import Any

from neurona.core.tensor import Tensor
from neurona.nn import functional
from neurona.nn.functional.dropout import check_probability
from neurona.nn.module import Module
from neurona.ops.generator import Generator


class Dropout(Module):
    """In training each element is 0 with probability p, else x/(1 − p); in evaluation x itself.

    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout" (2014), scaled in
    training. x: any shape. generator: what the mask is drawn from; the default generator if None.

    >>> import neurona as ne
    >>> from neurona import nn
    >>> nn.Dropout(0.5).eval()(ne.asarray([1.0, 2.0]))
    Tensor([1., 2.], dtype=float32)
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        check_probability("Dropout", p)
        self.p = p
        self.generator = generator

    def forward(self, x: Any) -> Tensor:
        return functional.dropout(x, self.p, self.training, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout1d(Dropout):
    """Dropout of whole channels of x (batch, channels, length); see `Dropout2d`."""

    def forward(self, x: Any) -> Tensor:
        return functional.dropout1d(x, self.p, self.training, generator=self.generator)


class Dropout2d(Dropout):
    """In training each map is 0 with probability p, else x/(1 − p); in evaluation x itself.

    Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional
    networks" (2015). x: (batch, channels, height, width) or (channels, height, width).

    >>> import neurona as ne
    >>> from neurona import nn
    >>> y = nn.Dropout2d(0.5)(ne.ones((1, 100, 4, 4)))
    >>> sorted(set(ne.sum(y, axis=(2, 3)).numpy().ravel().tolist()))
    [0.0, 32.0]
    """

    def forward(self, x: Any) -> Tensor:
        return functional.dropout2d(x, self.p, self.training, generator=self.generator)


class Dropout3d(Dropout):
    """Dropout of whole channels of x (batch, channels, depth, height, width); see `Dropout2d`."""

    def forward(self, x: Any) -> Tensor:
        return functional.dropout3d(x, self.p, self.training, generator=self.generator)


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks of `SELU`.

    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (2017): what is
    dropped becomes −λα, SELU's limit; then all is scaled and shifted. x: any shape.
    """

    def forward(self, x: Any) -> Tensor:
        return functional.alpha_dropout(x, self.p, self.training, generator=self.generator)


class FeatureAlphaDropout(Dropout):
    """`AlphaDropout` of whole channels of x (batch, channels, …)."""

    def forward(self, x: Any) -> Tensor:
        return functional.feature_alpha_dropout(x, self.p, self.training, generator=self.generator)
