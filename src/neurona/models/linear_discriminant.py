"""Linear discriminant functions, one a class, solved by least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurona.core.errors import ShapeError
from neurona.data.dataset import Dataset
from neurona.models.discriminant import Discriminant
from neurona.train.architecture import register


@register
class LinearDiscriminant(Discriminant):
    """φ(x) = Wx + b, with the W and b that minimise Σ_n ‖t_n − φ(x_n)‖².

    With homogeneous rows x̃ = (x, 1) it is one linear system, X̃ᵀX̃ Θ = X̃ᵀT, solved through the
    singular values of X̃ in float64; where columns depend on each other, the shortest solution.
    Bishop, "Pattern recognition and machine learning" (2006), section 4.1.3.

    As a classifier, t is one-hot and the class the largest φ_c; as a regressor t is what it is.

    - x: (batch, in_features). Result: (batch, out_features).

    >>> line = LinearDiscriminant(1)
    >>> round(line.fit([[0.0], [1.0], [2.0]], [[1.0], [3.0], [5.0]]), 4)
    0.0
    >>> round(line([[3.0]]).item(), 4)
    7.0
    """

    def fit(self, x: Any, t: Any) -> float:
        """Solve for the weights; returns the Σ‖t − φ‖² that is left.

        - x: (sample, in_features), t: (sample, out_features).

        Raises `ShapeError` and `DataError` for data that do not fit.
        """
        inputs, targets = Dataset(inputs=x, targets=t, name="training").arrays
        shapes = (inputs.shape[1:], targets.shape[1:])
        if shapes != ((self.in_features,), (self.out_features,)):
            raise ShapeError(
                f"LinearDiscriminant.fit: x {inputs.shape} and t {targets.shape} must be (sample, "
                f"{self.in_features}) and (sample, {self.out_features})"
            )
        rows = np.column_stack([inputs, np.ones(len(inputs))]).astype(np.float64)
        solution = np.linalg.lstsq(rows, targets.astype(np.float64))[0].T
        left = targets - rows @ solution.T
        self.weight.assign(solution[:, :-1].astype(self.weight.dtype))
        self.bias.assign(solution[:, -1].astype(self.bias.dtype))
        return float((left * left).sum())
