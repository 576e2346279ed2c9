"""The vjp of every op against finite differences in float64, and where a rule decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest

from neurona.autodiff.reverse import gradients
from neurona.core import dtypes
from neurona.core.tensor import Tensor
from neurona.ops.broadcast import sum
from tests.ops.closeness import assert_close
from tests.ops.differences import directional, gradient
from tests.ops.record import Array, OpRecord, Sample, call, tensor
from tests.ops.records import RECORDS

# Rounding leaves eps/STEP ≈ 6e-14 of the values, the stencil h⁸f⁽⁹⁾/630.
TOLERANCE = 1e-9

DIFFERENTIABLE = [record for record in RECORDS.values() if record.gradient is not None]
POINTS = [record for record in RECORDS.values() if record.gradient_points]


def by_name(records: Iterable[OpRecord]) -> list[Any]:
    return [pytest.param(record, id=record.name) for record in records]


def gradient_samples(record: OpRecord, rng: np.random.Generator) -> Iterable[Sample]:
    if record.gradient_samples is not None:
        return record.gradient_samples(rng)
    return [s for s in record.samples(rng, dtypes.float64) if sum_of_sizes(s) <= 40]


def sum_of_sizes(sample: Sample) -> int:
    return int(np.sum([x.size for x in sample.inputs]))


def near(actual: Array, expected: Array, what: str) -> None:
    assert actual.shape == expected.shape, what
    bound = TOLERANCE * (1 + np.max(np.abs(expected), initial=0))
    assert np.all(np.abs(actual - expected) <= bound), f"{what}: {actual}, expected {expected}"


class Scalar:
    """⟨u, f(x)⟩ of one result of an op, as a function of its differentiable inputs."""

    def __init__(self, record: OpRecord, sample: Sample, result: int) -> None:
        self.record, self.sample, self.result = record, sample, result
        self.places = record.differentiable_inputs(sample)
        self.at = [sample.inputs[i] for i in self.places]

    def _inputs(self, values: Iterable[Any], wrap: Callable[[Array], Any]) -> list[Any]:
        inputs: list[Any] = [wrap(x) for x in self.sample.inputs]
        for place, value in zip(self.places, values, strict=True):
            inputs[place] = value
        return inputs

    def evaluated(self, *values: Array) -> Array:
        """f by `evaluate` alone, without the engine."""
        with np.errstate(all="ignore"):
            out = self.record.op.evaluate(*self._inputs(values, np.asarray), **self.sample.attrs)
        return np.asarray(out[self.result] if isinstance(out, tuple) else out)

    def weighed(self, u: Array, *values: Array) -> float:
        return float(np.sum(u * self.evaluated(*values)))

    def pulled_back(self, u: Tensor, *leaves: Tensor) -> list[Tensor]:
        """vjp(u), differentiable in the leaves and in u."""
        results = call(self.record.op, *self._inputs(leaves, tensor), **self.sample.attrs)
        return gradients(results[self.result], list(leaves), u)

    def second(self, u: Array, w: list[Array], *values: Array) -> tuple[float, list[Array]]:
        """⟨w, vjp(u)⟩ and its gradients by u and by the inputs."""
        leaves = [tensor(x, requires_grad=True) for x in (u, *values)]
        pulled = self.pulled_back(*leaves)
        total = sum(pulled[0] * w[0])
        for part, weight in zip(pulled[1:], w[1:], strict=True):
            total = total + sum(part * weight)
        if not total.requires_grad:  # a linear op, or one that has no elements
            return total.item(), [np.zeros(x.shape) for x in (u, *values)]
        return total.item(), [g.numpy() for g in gradients(total, leaves)]

    def pulled_back_and_weighed(self, u: Array, w: list[Array], *values: Array) -> Array:
        return np.asarray(self.second(u, w, *values)[0])


def scalars(record: OpRecord, rng: np.random.Generator) -> Iterable[Scalar]:
    for sample in gradient_samples(record, rng):
        results = call(record.op, *map(tensor, sample.inputs), **sample.attrs)
        for i, result in enumerate(results):
            if dtypes.is_float(result.dtype):
                yield Scalar(record, sample, i)


@pytest.mark.parametrize("record", by_name(DIFFERENTIABLE))
def test_first_order(record: OpRecord, rng: np.random.Generator) -> None:
    checked = 0
    for scalar in scalars(record, rng):
        u = rng.normal(size=scalar.evaluated(*scalar.at).shape)
        leaves = [tensor(x, requires_grad=True) for x in scalar.at]
        found = scalar.pulled_back(tensor(u), *leaves)
        for i, got in enumerate(found):
            wanted = gradient(partial(scalar.weighed, u), scalar.at, i)
            near(got.numpy(), wanted, f"{record.name}{scalar.sample} by input {scalar.places[i]}")
            checked += wanted.size
    assert checked, "no element was checked"


@pytest.mark.parametrize("record", by_name(r for r in DIFFERENTIABLE if r.gradient == 2))
def test_second_order(record: OpRecord, rng: np.random.Generator) -> None:
    """The gradient of ⟨w, vjp(u)⟩ by x and by u; by u it is J·w, so ⟨u, J w⟩ = ⟨w, vjp(u)⟩."""
    for scalar in scalars(record, rng):
        u = rng.normal(size=scalar.evaluated(*scalar.at).shape)
        w = [rng.normal(size=x.shape) for x in scalar.at]
        what = f"{record.name}{scalar.sample}"
        value, (by_u, *by_x) = scalar.second(u, w, *scalar.at)
        pushed = directional(scalar.evaluated, scalar.at, w)
        near(by_u, np.asarray(pushed), f"{what}: J w")
        near(np.asarray(value), np.asarray(np.sum(u * pushed)), f"{what}: ⟨w, vjp(u)⟩")
        along = [rng.normal(size=x.shape) for x in scalar.at]
        turned = directional(partial(scalar.pulled_back_and_weighed, u, w), scalar.at, along)
        found = np.sum([np.sum(g * v) for g, v in zip(by_x, along, strict=True)])
        near(np.asarray(found), np.asarray(turned), f"{what}: second order")


@pytest.mark.parametrize("record", by_name(DIFFERENTIABLE))
def test_gradients_have_the_dtype_of_their_input(
    record: OpRecord, rng: np.random.Generator
) -> None:
    for dtype in record.dtypes:
        if not dtypes.is_float(dtype):
            continue
        sample = next(iter(record.samples(rng, dtype)))
        places = record.differentiable_inputs(sample)
        inputs = [tensor(x, requires_grad=i in places) for i, x in enumerate(sample.inputs)]
        for result in call(record.op, *inputs, **sample.attrs):
            if result.requires_grad:
                leaves = [inputs[i] for i in places]
                found = gradients(result, leaves, np.ones(result.shape, result.dtype))
                assert [g.dtype for g in found] == [x.dtype for x in leaves]
                assert [g.shape for g in found] == [x.shape for x in leaves]


@pytest.mark.parametrize("record", by_name(r for r in RECORDS.values() if r.gradient is None))
def test_no_gradient_flows(record: OpRecord, rng: np.random.Generator) -> None:
    for sample in record.samples(rng, record.dtypes[-1]):
        inputs = [tensor(x, requires_grad=dtypes.is_float(x.dtype)) for x in sample.inputs]
        for result in call(record.op, *inputs, **sample.attrs):
            assert not result.requires_grad


@pytest.mark.parametrize("record", by_name(POINTS))
def test_points_where_a_rule_decides(record: OpRecord) -> None:
    for point in record.gradient_points:
        arrays = [np.asarray(x) for x in point.inputs]
        arrays = [x if x.dtype == np.bool_ else x.astype(np.float64) for x in arrays]
        places = [i for i, wanted in enumerate(point.expected) if wanted is not None]
        inputs = [tensor(x, requires_grad=i in places) for i, x in enumerate(arrays)]
        (result,) = call(record.op, *inputs, **point.attrs)
        found = gradients(result, [inputs[i] for i in places], np.ones(result.shape))
        for i, got in zip(places, found, strict=True):
            wanted = np.asarray(point.expected[i], np.float64)
            assert_close(got.numpy(), wanted, 2, what=f"{record.name} at {point.inputs}")
