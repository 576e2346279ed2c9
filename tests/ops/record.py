"""The test record of an op: what every derived test needs to know of it.

One `OpRecord` a registered op, as PyTorch's OpInfo. `tests/ops/records/` has them by family;
`test_ops.py` and its neighbours derive the tests.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import neurona
from neurona.core import dtypes
from neurona.core.apply import apply, apply_many
from neurona.core.dtypes import DType
from neurona.core.node import constant
from neurona.core.op import Op, Spec, registry
from neurona.core.tensor import Tensor

Array = np.ndarray[Any, Any]

HALVES = (dtypes.float16, dtypes.bfloat16)
FLOATS = dtypes.FLOATS
INTEGERS = dtypes.SIGNED + dtypes.UNSIGNED
NUMBERS = INTEGERS + FLOATS
ALL = dtypes.ALL
BITS = (dtypes.bool_, *INTEGERS)


@dataclass(frozen=True)
class Sample:
    """One call of an op: its inputs and attributes."""

    inputs: tuple[Array, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        inputs = ", ".join(f"{x.dtype}{x.shape}" for x in self.inputs)
        return f"({inputs}; {dict(self.attrs)})" if self.attrs else f"({inputs})"


@dataclass(frozen=True)
class Special:
    """Inputs whose result is known outright: infinities, NaN, signed zeros, extremes, ties.

    inputs, expected: nested numbers; signs of zero count. dtypes: those for which it holds.
    """

    inputs: tuple[Any, ...]
    expected: Any
    dtypes: tuple[DType, ...] = FLOATS
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GradientPoint:
    """A place where a rule decides the gradient (ties, edges); `expected` has one an input."""

    inputs: tuple[Any, ...]
    expected: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A call of the public function that must raise `error` with `fragment` in its message."""

    call: Callable[[], Any]
    error: type[Exception]
    fragment: str


@dataclass(frozen=True)
class OpRecord:
    """All that the derived tests know of one op.

    samples(rng, dtype): calls with inputs of `dtype`, size-0, size-1, strided and broadcast ones
        among them.
    reference(*inputs, **attrs): the result by another road, as exact integers or float64 (a tuple
        for an op with several results).
    ulps: the tolerance, in units in the last place of `scale(*inputs, **attrs)`, by default of the
        result. 0 demands equality. For sums `scale` is Σ|terms|.
    result: the result's dtype where it is not the first input's; a function of (sample) or a dtype.
    gradient: to which order the vjp is compared with finite differences; None for an op through
        which no gradient flows.
    gradient_samples(rng): float64 calls away from kinks; by default those of `samples`.
    differentiable: positions of the inputs a gradient flows to; by default all floats.
    torch(torch, *tensors, **attrs): the same in PyTorch; None where it has nothing of the kind.
    """

    name: str
    dtypes: tuple[DType, ...]
    samples: Callable[[np.random.Generator, DType], Iterable[Sample]]
    reference: Callable[..., Any]
    ulps: float = 0
    scale: Callable[..., Any] | None = None
    result: DType | Callable[[Sample], Any] | None = None
    gradient: int | None = None
    gradient_samples: Callable[[np.random.Generator], Iterable[Sample]] | None = None
    differentiable: tuple[int, ...] | None = None
    gradient_points: tuple[GradientPoint, ...] = ()
    specials: tuple[Special, ...] = ()
    failures: tuple[Failure, ...] = ()
    torch: Callable[..., Any] | None = None

    @property
    def op(self) -> Op:
        return registry()[self.name]

    def differentiable_inputs(self, sample: Sample) -> tuple[int, ...]:
        if self.differentiable is not None:
            return self.differentiable
        return tuple(i for i, x in enumerate(sample.inputs) if dtypes.is_float(x.dtype))

    def result_dtype(self, sample: Sample) -> Any:
        if self.result is None:
            return sample.inputs[0].dtype
        return self.result if isinstance(self.result, np.dtype) else self.result(sample)

    def scales(self, sample: Sample) -> tuple[Any, ...]:
        """The scale of each result's tolerance; one None where none is needed."""
        kinds = as_tuple(self.result_dtype(sample))
        if self.scale is None or not any(dtypes.is_float(kind) for kind in kinds):
            return (None,)
        return as_tuple(self.scale(*sample.inputs, **sample.attrs))


def as_tuple(results: Any) -> tuple[Any, ...]:
    return tuple(results) if isinstance(results, (tuple, list)) else (results,)


def call(op: Op, *tensors: Tensor, **attrs: Any) -> tuple[Tensor, ...]:
    """The results of applying `op`, one or several."""
    spec = op.infer(*[tensor._node for tensor in tensors], **attrs)
    if isinstance(spec, Spec):
        return (apply(op, *tensors, **attrs),)
    return apply_many(op, *tensors, **attrs)


def tensor(array: Array, *, requires_grad: bool = False) -> Tensor:
    """A leaf around `array` itself, strides and all."""
    leaf = Tensor(constant(array))
    return leaf.requires_grad_() if requires_grad else leaf


def import_all(package: Any) -> None:
    """Import the package's modules, so that every op is registered."""
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)


for _folder in ("ops", "autodiff", "graph", "compiler", "nn"):
    import_all(importlib.import_module(f"{neurona.__name__}.{_folder}"))
