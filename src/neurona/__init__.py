"""Neurona: a deep-learning system, from the perceptron to production.

The names here are those of the Python array API standard 2024.12, plus Variables, differentiation
and compilation. Layers are in `neurona.nn`, optimisers in `neurona.optim`.
"""

from neurona.autodiff import (
    Function,
    check_gradients,
    checkpoint,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    numpy_function,
    stop_gradient,
    value_and_grad,
    vjp,
)
from neurona.core.dtypes import (
    bfloat16,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from neurona.core.tensor import Tensor
from neurona.core.trace import no_grad
from neurona.core.variable import Variable

__version__ = "0.1.0"
