"""Records of the ops that only move elements, of casts and of `take_result`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from neurona.core import dtypes
from neurona.core.dtypes import SIGNED, UNSIGNED, DType
from neurona.core.errors import DTypeError, ShapeError
from neurona.ops import broadcast, matmul, operand
from tests.ops.elementwise import anything, inf, nan
from tests.ops.record import ALL, FLOATS, Array, Failure, OpRecord, Sample, Special
from tests.ops.samples import Draw, Rng, exact, strided

Shape = tuple[int, ...]


def moved(shape: Shape, source: Callable[[Shape], Shape | None], x: Array, fill: Any = 0) -> Array:
    """The array of `shape` whose element at an index is that of `x` at `source(index)`."""
    result = np.full(shape, fill, x.dtype)
    for index in np.ndindex(*shape):
        place = source(index)
        if place is not None:
            result[index] = x[place]
    return result


def moves(
    *cases: tuple[Shape, dict[str, Any]], draw: Draw = anything
) -> Callable[[Rng, DType], list[Sample]]:
    """A sampler for ops of one input: shape and attributes of each call, plain and strided."""

    def sample(rng: Rng, dtype: DType) -> list[Sample]:
        samples = []
        for shape, attrs in cases:
            x = draw(rng, shape, dtype)
            samples += [Sample((x,), attrs), Sample((strided(x),), attrs)]
        return samples

    return sample


def _reshape(x: Array, *, shape: Shape) -> Array:
    values = [x[index] for index in np.ndindex(*x.shape)]
    result = np.zeros(shape, x.dtype)
    for value, index in zip(values, np.ndindex(*shape), strict=True):
        result[index] = value
    return result


RESHAPE = OpRecord(
    "reshape",
    ALL,
    moves(
        ((3, 4), {"shape": (2, 6)}),
        ((3, 4), {"shape": (12,)}),
        ((2, 3, 2), {"shape": (2, 1, 6, 1)}),
        ((1,), {"shape": ()}),
        ((), {"shape": (1, 1)}),
        ((0, 3), {"shape": (2, 0)}),
    ),
    _reshape,
    gradient=2,
    torch=lambda torch, x, *, shape: torch.reshape(x, shape),
    failures=(
        Failure(
            lambda: broadcast.reshape(np.zeros((2, 3)), (4, -1)),
            ShapeError,
            "reshape: shape (2, 3) has 6 elements and does not fit (4, -1)",
        ),
        Failure(lambda: broadcast.reshape(np.zeros((2, 3)), (-1, -1)), ShapeError, "does not fit"),
        Failure(lambda: broadcast.reshape(np.zeros((0, 3)), (0, -1)), ShapeError, "does not fit"),
    ),
)


def _broadcast_to(x: Array, *, shape: Shape) -> Array:
    lead = len(shape) - x.ndim
    return moved(
        shape,
        lambda index: tuple(i if n > 1 else 0 for i, n in zip(index[lead:], x.shape, strict=True)),
        x,
    )


BROADCAST_TO = OpRecord(
    "broadcast_to",
    ALL,
    moves(
        ((), {"shape": (3, 2)}),
        ((3, 1), {"shape": (3, 4)}),
        ((1, 3), {"shape": (2, 5, 3)}),
        ((2, 1, 2), {"shape": (2, 3, 2)}),
        ((1,), {"shape": (0,)}),
        ((0, 1), {"shape": (2, 0, 3)}),
    ),
    _broadcast_to,
    gradient=2,
    torch=lambda torch, x, *, shape: torch.broadcast_to(x, shape),
    failures=(
        Failure(
            lambda: broadcast.broadcast_to(np.zeros((2, 3)), (2, 4)),
            ShapeError,
            "broadcast_to: shapes (2, 3) and (2, 4) do not broadcast",
        ),
        Failure(
            lambda: broadcast.broadcast_to(np.zeros((2, 3)), (3,)),
            ShapeError,
            "broadcast_to: shape (2, 3) does not broadcast to (3,)",
        ),
    ),
)


def _permute_dims(x: Array, *, axes: tuple[int, ...]) -> Array:
    shape = tuple(x.shape[axis] for axis in axes)

    def source(index: Shape) -> Shape:
        place = [0] * len(axes)
        for axis, i in zip(axes, index, strict=True):
            place[axis] = i
        return tuple(place)

    return moved(shape, source, x)


PERMUTE_DIMS = OpRecord(
    "permute_dims",
    ALL,
    moves(
        ((3, 4), {"axes": (1, 0)}),
        ((2, 3, 4), {"axes": (2, 0, 1)}),
        ((2, 3, 4), {"axes": (0, 2, 1)}),
        ((2, 1, 3, 2), {"axes": (3, 1, 0, 2)}),
        ((), {"axes": ()}),
        ((2, 0, 3), {"axes": (1, 2, 0)}),
    ),
    _permute_dims,
    gradient=2,
    torch=lambda torch, x, *, axes: torch.permute(x, axes),
    failures=(
        Failure(
            lambda: matmul.matrix_transpose(operand.operand(np.zeros(3))),
            ShapeError,
            "matrix_transpose: shape (3,) has fewer than two axes",
        ),
    ),
)


# --- cast ---


def _castable(rng: Rng, dtype: DType) -> list[Sample]:
    """From `dtype` to every dtype, values that the target holds up to rounding."""
    samples = []
    for target in ALL:
        for shape in ((), (0,), (3, 5)):
            if dtypes.is_float(dtype):
                low, high = (0, 100) if target in UNSIGNED else (-100, 100)
                x = np.asarray(rng.uniform(low, high, shape)).astype(dtype)
            else:
                x = anything(rng, shape, dtype)
                if dtypes.is_float(target) and dtype != dtypes.bool_:
                    x = np.asarray(x.astype(np.int64) % 1000).astype(dtype)
            samples.append(Sample((x,), {"dtype": target.name}))
    return samples


def _cast(x: Array, *, dtype: str) -> Array:
    target = dtypes.as_dtype(dtype)
    values = exact(x)
    if target == dtypes.bool_:
        kind: Callable[[Any], Any] = bool
    elif dtypes.is_float(target):
        kind = float
    else:

        def kind(value: Any) -> int:
            number, bits = math.trunc(value), 8 * target.itemsize
            number %= 1 << bits
            return number - (1 << bits) * (target in SIGNED and number >> (bits - 1) == 1)

    flat = [kind(values[index]) for index in np.ndindex(*x.shape)]
    made = target if not dtypes.is_float(target) else np.float64
    return np.array(flat, made).reshape(x.shape)


def _between_floats(rng: Rng) -> list[Sample]:
    x = rng.uniform(-3, 3, (2, 3))
    return [Sample((x,), {"dtype": "float64"})]


def _torch_cast(torch: Any, x: Any, *, dtype: str) -> Any:
    result = x.to(getattr(torch, dtype))
    # NumPy has no bfloat16 for PyTorch to hand over, but every one is a float32.
    return result.float().numpy().astype("bfloat16") if dtype == "bfloat16" else result


CAST = OpRecord(
    "cast",
    ALL,
    _castable,
    _cast,
    result=lambda sample: dtypes.as_dtype(sample.attrs["dtype"]),
    gradient=2,
    gradient_samples=_between_floats,
    torch=_torch_cast,
    specials=(
        *(
            Special(
                ([inf, -inf, nan, -0.0, 1.5],), [inf, -inf, nan, -0.0, 1.5], attrs={"dtype": t.name}
            )
            for t in FLOATS
        ),
        Special(
            ([nan, 0.0, -0.0, inf, 0.1],), [True, False, False, True, True], attrs={"dtype": "bool"}
        ),
        *(
            Special(([1.9, -1.9, 0.9, -0.9],), [1, -1, 0, 0], attrs={"dtype": t.name})
            for t in SIGNED
        ),
        # What does not fit ends at the ends, NaN at 0.
        *(
            Special(
                ([inf, -inf, nan, 3e38, -3e38, 2.0**63, -(2.0**63)],),
                [top, bottom, 0, top, bottom, min(top, 2**63), max(bottom, -(2**63))],
                (dtypes.bfloat16, dtypes.float32, dtypes.float64),
                {"dtype": t.name},
            )
            for t in (*SIGNED, *UNSIGNED)
            for bottom, top in [(np.iinfo(t).min, np.iinfo(t).max)]
        ),
        *(
            Special(([255.9, 256.0, -0.9, -1.0, inf, nan],), expected, FLOATS, {"dtype": name})
            for name, expected in (
                ("uint8", [255, 255, 0, 0, 255, 0]),
                ("int8", [127, 127, 0, -1, 127, 0]),
            )
        ),
        # To nearest, ties to even; the largest and beyond.
        Special(
            ([2049.0, 2051.0, 65504.0, 65519.0, 65520.0],),
            [2048, 2052, 65504, 65504, inf],
            (dtypes.float32, dtypes.float64),
            {"dtype": "float16"},
        ),
        Special(
            ([257.0, 259.0, 3.4e38],),
            [256, 260, inf],
            (dtypes.float32, dtypes.float64),
            {"dtype": "bfloat16"},
        ),
        Special(
            ([16777217, 16777219],),
            [16777216, 16777220],
            (dtypes.int32, dtypes.int64),
            {"dtype": "float32"},
        ),
        Special(
            ([-1, -128, 127],), [255, 128, 127], (dtypes.int8, dtypes.int64), {"dtype": "uint8"}
        ),
        Special(
            ([300, 255, 128],), [44, 255, 128], (dtypes.int32, dtypes.uint64), {"dtype": "uint8"}
        ),
        Special(
            ([300, 255, 128],), [44, -1, -128], (dtypes.int32, dtypes.uint16), {"dtype": "int8"}
        ),
    ),
    failures=(
        Failure(lambda: dtypes.as_dtype("complex64"), DTypeError, "is not one of Neurona's"),
        Failure(lambda: dtypes.as_dtype("float33"), DTypeError, "float16, bfloat16, float32"),
    ),
)
