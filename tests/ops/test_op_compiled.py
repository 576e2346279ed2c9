"""The compiled ops against eager mode: values, special values, gradients.

One program an op and dtype holds all samples. Both sides are within `ulps` of the truth, so they
may differ by twice that; ops with `ulps` 0 must agree exactly.
"""

from __future__ import annotations

import numpy as np
import pytest

from neurona.autodiff.reverse import gradients
from neurona.compiler import compile
from neurona.core import dtypes
from neurona.core.lowering import Elementwise
from neurona.core.tensor import Tensor
from tests.ops.closeness import assert_close, assert_identical
from tests.ops.record import OpRecord, Sample, call, tensor
from tests.ops.records import RECORDS
from tests.ops.test_op_gradients import by_name, gradient_samples, near, sum_of_sizes
from tests.ops.test_ops import special_inputs

CASES = [
    pytest.param(record, dtype, id=f"{record.name}-{dtype.name}")
    for record in RECORDS.values()
    if record.op.lower is not None
    for dtype in record.dtypes
]


def together(
    record: OpRecord, samples: list[Sample], *, compiled: bool
) -> list[tuple[Tensor, ...]]:
    """The results of all samples, of one program or one by one."""

    def run(inputs: list[list[Tensor]]) -> list[tuple[Tensor, ...]]:
        return [
            call(record.op, *xs, **sample.attrs) for xs, sample in zip(inputs, samples, strict=True)
        ]

    inputs = [[tensor(x) for x in sample.inputs] for sample in samples]
    return compile(run)(inputs) if compiled else run(inputs)


@pytest.mark.parametrize(("record", "dtype"), CASES)
def test_values(record: OpRecord, dtype: dtypes.DType, rng: np.random.Generator) -> None:
    samples = list(record.samples(rng, dtype))
    eager = together(record, samples, compiled=False)
    compiled = together(record, samples, compiled=True)
    for sample, ours, theirs in zip(samples, compiled, eager, strict=True):
        scales = record.scales(sample)
        for i, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            scale = scales[i % len(scales)]
            what = f"compiled {record.name}{sample}"
            assert_close(one.numpy(), other.numpy(), 2 * record.ulps, scale, what)


def in_vectors(sample: Sample) -> Sample:
    """The same elements again and again, so that they stand in whole vectors and in the rest."""
    inputs = np.broadcast_arrays(*sample.inputs)
    return Sample(tuple(np.resize(x, 37) for x in inputs), sample.attrs)


@pytest.mark.parametrize(("record", "dtype"), CASES)
def test_special_values(record: OpRecord, dtype: dtypes.DType) -> None:
    specials = [special for special in record.specials if dtype in special.dtypes]
    if not specials:
        return
    samples = [Sample(tuple(special_inputs(s, dtype)), s.attrs) for s in specials]
    if isinstance(record.op.lower, Elementwise):
        samples += [in_vectors(sample) for sample in samples]
    eager = together(record, samples, compiled=False)
    compiled = together(record, samples, compiled=True)
    for sample, (one,), (other,) in zip(samples, compiled, eager, strict=True):
        what = f"compiled {record.name}{tuple(x.tolist() for x in sample.inputs)}"
        actual, expected = one.numpy(), other.numpy()
        assert_close(actual, expected, 2 * record.ulps, what=what)
        zero = expected == 0
        assert_identical(actual[zero], expected[zero], what)


@pytest.mark.parametrize("record", by_name(r for r in RECORDS.values() if r.gradient is not None))
def test_gradients(record: OpRecord, rng: np.random.Generator) -> None:
    samples = [s for s in gradient_samples(record, rng) if sum_of_sizes(s) <= 40]
    weights = [
        [tensor(rng.normal(size=out.shape)) for out in results]
        for results in together(record, samples, compiled=False)
    ]

    def run(inputs: list[list[Tensor]], weights: list[list[Tensor]]) -> list[list[Tensor]]:
        found = []
        for xs, us, sample in zip(inputs, weights, samples, strict=True):
            leaves = [xs[i] for i in record.differentiable_inputs(sample)]
            results = call(record.op, *xs, **sample.attrs)
            found.append(gradients(list(results), leaves, us))
        return found

    inputs = [
        [
            tensor(x, requires_grad=i in record.differentiable_inputs(sample))
            for i, x in enumerate(sample.inputs)
        ]
        for sample in samples
    ]
    eager, compiled = run(inputs, weights), compile(run)(inputs, weights)
    for sample, ours, theirs in zip(samples, compiled, eager, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            near(one.numpy(), other.numpy(), f"compiled gradient of {record.name}{sample}")
