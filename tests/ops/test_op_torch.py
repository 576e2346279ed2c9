"""Values and gradients of the ops against PyTorch, where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurona.autodiff.reverse import gradients
from neurona.core import dtypes
from tests.ops.closeness import assert_close
from tests.ops.record import OpRecord, as_tuple, call, tensor
from tests.ops.records import RECORDS
from tests.ops.test_op_gradients import by_name, gradient_samples, near

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torch.set_num_threads(2)

KINDS = (dtypes.float32, dtypes.float64, dtypes.int64, dtypes.bool_)
RECORDS_THERE = [record for record in RECORDS.values() if record.torch is not None]


def there(x: np.ndarray, *, requires_grad: bool = False) -> Any:
    return torch.from_numpy(np.array(x, order="C")).requires_grad_(requires_grad)


@pytest.mark.parametrize("record", by_name(RECORDS_THERE))
def test_values(record: OpRecord, rng: np.random.Generator) -> None:
    for dtype in KINDS:
        if dtype not in record.dtypes:
            continue
        for sample in record.samples(rng, dtype):
            results = call(record.op, *map(tensor, sample.inputs), **sample.attrs)
            theirs = as_tuple(record.torch(torch, *map(there, sample.inputs), **sample.attrs))
            scale = record.scales(sample)
            for i, (result, other) in enumerate(zip(results, theirs, strict=True)):
                # Both are within `ulps` of the truth.
                assert_close(
                    result.numpy(),
                    np.asarray(other),
                    2 * record.ulps + 2,
                    scale[i % len(scale)],
                    f"{record.name}{sample}",
                )


@pytest.mark.parametrize("record", by_name(r for r in RECORDS_THERE if r.gradient is not None))
def test_gradients(record: OpRecord, rng: np.random.Generator) -> None:
    for sample in gradient_samples(record, rng):
        places = record.differentiable_inputs(sample)
        ours = [tensor(x, requires_grad=i in places) for i, x in enumerate(sample.inputs)]
        theirs = [there(x, requires_grad=i in places) for i, x in enumerate(sample.inputs)]
        results = call(record.op, *ours, **sample.attrs)
        others = as_tuple(record.torch(torch, *theirs, **sample.attrs))
        for result, other in zip(results, others, strict=True):
            if not dtypes.is_float(result.dtype):
                continue
            u = rng.normal(size=result.shape)
            found = gradients(result, [ours[i] for i in places], u)
            wanted = torch.autograd.grad(
                other, [theirs[i] for i in places], there(u), retain_graph=True, allow_unused=True
            )
            for i, got, expected in zip(places, found, wanted, strict=True):
                full = np.zeros(got.shape) if expected is None else expected.numpy()
                near(got.numpy(), full, f"{record.name}{sample} by input {i}")
