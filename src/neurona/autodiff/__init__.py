"""Differentiation: the reverse walk, derivatives of functions, recomputation, users' operations."""

from neurona.autodiff.branches import cond, switch
from neurona.autodiff.check import GradientReport, check_gradients
from neurona.autodiff.checkpoint import checkpoint
from neurona.autodiff.function import Function, numpy_function
from neurona.autodiff.functional import grad, jvp, value_and_grad, vjp
from neurona.autodiff.jacobian import hessian, hvp, jacobian
from neurona.autodiff.loops import fori_loop, while_loop
from neurona.autodiff.marks import stop_gradient
from neurona.autodiff.reverse import gradients
from neurona.autodiff.scans import scan

__all__ = [
    "Function",
    "GradientReport",
    "check_gradients",
    "checkpoint",
    "cond",
    "fori_loop",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "numpy_function",
    "scan",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "vjp",
    "while_loop",
]
