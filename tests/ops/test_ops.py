"""Eager mode against the records: values, special values, errors; every op has a record."""

from __future__ import annotations

import numpy as np
import pytest

from neurona.autodiff.marks import stop_gradient, tie, token
from neurona.autodiff.reverse import gradients
from neurona.core import dtypes
from neurona.core.apply import apply_many
from neurona.core.op import Op, Spec, registry
from neurona.core.tensor import Tensor
from neurona.ops.compare import equal
from tests.ops.closeness import as_result, assert_close, assert_identical
from tests.ops.record import OpRecord, Sample, Special, as_tuple, call, tensor
from tests.ops.records import RECORDS

CASES = [
    pytest.param(record, dtype, id=f"{record.name}-{dtype.name}")
    for record in RECORDS.values()
    for dtype in record.dtypes
]


def by_name(records: list[OpRecord]) -> list[pytest.param]:
    return [pytest.param(record, id=record.name) for record in records]


def test_every_op_has_a_record() -> None:
    named = set(RECORDS) | {"take_result", "attach"}  # these have tests of their own below
    assert set(registry()) == named, "write a record in tests/ops/records"


def check(record: OpRecord, sample: Sample) -> None:
    """The eager results against the reference; the inputs stay as they were."""
    before = [x.copy() for x in sample.inputs]
    results = call(record.op, *map(tensor, sample.inputs), **sample.attrs)
    expected = as_tuple(record.reference(*sample.inputs, **sample.attrs))
    scales = record.scales(sample)
    kinds = as_tuple(record.result_dtype(sample))
    for i, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        kind = kinds[i % len(kinds)]
        scale = scales[i % len(scales)]
        what = f"{record.name}{sample}"
        assert_close(result.numpy(), as_result(wanted, kind), record.ulps, scale, what)
    for x, copy in zip(sample.inputs, before, strict=True):
        assert_identical(x, copy, f"{record.name} wrote into its input")


@pytest.mark.parametrize(("record", "dtype"), CASES)
def test_values(record: OpRecord, dtype: dtypes.DType, rng: np.random.Generator) -> None:
    for sample in record.samples(rng, dtype):
        check(record, sample)


def special_inputs(special: Special, dtype: dtypes.DType) -> list[np.ndarray]:
    """Arrays keep their dtype, and bools stay bools beside other dtypes (conditions)."""
    kinds = [
        array.dtype if isinstance(x, np.ndarray) or array.dtype == np.bool_ else dtype
        for x in special.inputs
        for array in [np.asarray(x)]
    ]
    return [np.array(x, kind) for x, kind in zip(special.inputs, kinds, strict=True)]


@pytest.mark.parametrize("record", by_name([r for r in RECORDS.values() if r.specials]))
def test_special_values(record: OpRecord) -> None:
    for special in record.specials:
        for dtype in special.dtypes:
            inputs = special_inputs(special, dtype)
            (result,) = call(record.op, *map(tensor, inputs), **special.attrs)
            kind = record.result_dtype(Sample(tuple(inputs), special.attrs))
            exact = special.expected if dtypes.is_float(kind) else np.array(special.expected, kind)
            expected = as_result(exact, kind)
            what = f"{record.name}{special.inputs} in {dtype}"
            actual = result.numpy()
            assert_close(actual, expected, record.ulps, what=what)
            zero = expected == 0
            assert_identical(actual[zero], expected[zero], what)


@pytest.mark.parametrize("record", by_name([r for r in RECORDS.values() if r.failures]))
def test_errors(record: OpRecord) -> None:
    for failure in record.failures:
        with pytest.raises(failure.error) as caught:
            failure.call()
        assert failure.fragment in str(caught.value)


def _halves_vjp(g: dict[int, Tensor], out: Tensor, x: Tensor) -> tuple[Tensor]:
    total = zero = x * 0
    for index, part in g.items():
        total = total + (part * x * 2 if index == 0 else part * 3) + zero
    return (total,)


def test_results_of_an_op_that_has_several() -> None:
    """`take_result` gives each result, and its cotangents meet in the op's vjp."""
    op = Op(
        "square_and_triple",
        infer=lambda x: (Spec(x.shape, x.dtype), Spec(x.shape, x.dtype)),
        evaluate=lambda x: (x * x, 3 * x),
        vjp=_halves_vjp,
    )
    x = tensor(np.array([1.0, -2.0]), requires_grad=True)
    square, triple = apply_many(op, x)
    assert square.tolist() == [1, 4]
    assert triple.tolist() == [3, -6]
    (first,) = gradients(square * triple, [x], np.ones(2))  # 3x³
    assert first.tolist() == [9, 36]
    (second,) = gradients(first, [x], np.ones(2))
    assert second.tolist() == [18, -36]
    (only,) = gradients(triple, [x], np.ones(2))
    assert only.tolist() == [3, 3]


def test_results_tied_to_a_derivative_of_their_own() -> None:
    """`attach` leaves the value; the cotangents of all results meet in the token's vjp."""
    rule = token("ten_and_hundred", lambda g, out, x: (g[0] * 10 + g[1] * 100,))
    x = tensor(np.array([1.0, -2.0]), requires_grad=True)
    first, second, count = tie(
        [stop_gradient(x * 2), stop_gradient(x * 3), stop_gradient(equal(x, 1))], rule, x
    )
    assert (first.tolist(), second.tolist(), count.tolist()) == ([2, -4], [3, -6], [True, False])
    assert not count.requires_grad
    (found,) = gradients([first, second], [x], [np.ones(2), np.array([0.0, 1.0])])
    assert found.tolist() == [10, 110]
