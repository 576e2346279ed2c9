"""The array API standard 2024.12: names, signatures, dtypes, special values, errors.

The tables are written from the standard's text. What is missing on purpose: complex dtypes and the
extensions `linalg` and `fft`.
"""

from __future__ import annotations

import inspect
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import neurona as ne
from neurona.core.errors import ArgumentError, AxisError, DTypeError, ShapeError

UNARY = """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor
imag isfinite isinf isnan log log1p log2 log10 logical_not negative positive real reciprocal round
sign signbit sin sinh square sqrt tan tanh trunc"""
BINARY = """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor
copysign divide equal floor_divide greater greater_equal hypot less less_equal logaddexp logical_and
logical_or logical_xor maximum minimum multiply nextafter not_equal pow remainder subtract"""

SIGNATURES = "\n".join(
    [f"def {name}(x, /): ..." for name in UNARY.split()]
    + [f"def {name}(x1, x2, /): ..." for name in BINARY.split()]
    + """
def clip(x, /, min=None, max=None): ...
def arange(start, /, stop=None, step=1, *, dtype=None, device=None): ...
def asarray(obj, /, *, dtype=None, device=None, copy=None): ...
def empty(shape, *, dtype=None, device=None): ...
def empty_like(x, /, *, dtype=None, device=None): ...
def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None): ...
def from_dlpack(x, /, *, device=None, copy=None): ...
def full(shape, fill_value, *, dtype=None, device=None): ...
def full_like(x, /, fill_value, *, dtype=None, device=None): ...
def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True): ...
def meshgrid(*arrays, indexing='xy'): ...
def ones(shape, *, dtype=None, device=None): ...
def ones_like(x, /, *, dtype=None, device=None): ...
def tril(x, /, *, k=0): ...
def triu(x, /, *, k=0): ...
def zeros(shape, *, dtype=None, device=None): ...
def zeros_like(x, /, *, dtype=None, device=None): ...
def astype(x, dtype, /, *, copy=True, device=None): ...
def can_cast(from_, to, /): ...
def finfo(type, /): ...
def iinfo(type, /): ...
def isdtype(dtype, kind): ...
def result_type(*arrays_and_dtypes): ...
def take(x, indices, /, *, axis=None): ...
def take_along_axis(x, indices, /, *, axis=-1): ...
def matmul(x1, x2, /): ...
def matrix_transpose(x, /): ...
def tensordot(x1, x2, /, *, axes=2): ...
def vecdot(x1, x2, /, *, axis=-1): ...
def broadcast_arrays(*arrays): ...
def broadcast_to(x, /, shape): ...
def concat(arrays, /, *, axis=0): ...
def flip(x, /, *, axis=None): ...
def moveaxis(x, source, destination, /): ...
def permute_dims(x, /, axes): ...
def repeat(x, repeats, /, *, axis=None): ...
def reshape(x, /, shape, *, copy=None): ...
def roll(x, /, shift, *, axis=None): ...
def squeeze(x, /, axis): ...
def stack(arrays, /, *, axis=0): ...
def tile(x, repetitions, /): ...
def unstack(x, /, *, axis=0): ...
def argmax(x, /, *, axis=None, keepdims=False): ...
def argmin(x, /, *, axis=None, keepdims=False): ...
def count_nonzero(x, /, *, axis=None, keepdims=False): ...
def nonzero(x, /): ...
def searchsorted(x1, x2, /, *, side='left', sorter=None): ...
def where(condition, x1, x2, /): ...
def unique_all(x, /): ...
def unique_counts(x, /): ...
def unique_inverse(x, /): ...
def unique_values(x, /): ...
def argsort(x, /, *, axis=-1, descending=False, stable=True): ...
def sort(x, /, *, axis=-1, descending=False, stable=True): ...
def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False): ...
def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False): ...
def max(x, /, *, axis=None, keepdims=False): ...
def mean(x, /, *, axis=None, keepdims=False): ...
def min(x, /, *, axis=None, keepdims=False): ...
def prod(x, /, *, axis=None, dtype=None, keepdims=False): ...
def std(x, /, *, axis=None, correction=0.0, keepdims=False): ...
def sum(x, /, *, axis=None, dtype=None, keepdims=False): ...
def var(x, /, *, axis=None, correction=0.0, keepdims=False): ...
def all(x, /, *, axis=None, keepdims=False): ...
def any(x, /, *, axis=None, keepdims=False): ...
def diff(x, /, *, axis=-1, n=1, prepend=None, append=None): ...
def __array_namespace_info__(): ...
""".strip().splitlines()
)

METHODS = """__abs__ __add__ __and__ __array_namespace__ __bool__ __complex__ __dlpack__
__dlpack_device__ __eq__ __float__ __floordiv__ __ge__ __getitem__ __gt__ __index__ __int__
__invert__ __le__ __lshift__ __lt__ __matmul__ __mod__ __mul__ __ne__ __neg__ __or__ __pos__ __pow__
__rshift__ __setitem__ __sub__ __truediv__ __xor__ to_device dtype device mT ndim shape size T
__iadd__ __radd__ __isub__ __rsub__ __imul__ __rmul__ __itruediv__ __rtruediv__ __ifloordiv__
__rfloordiv__ __ipow__ __rpow__ __imod__ __rmod__ __imatmul__ __rmatmul__ __iand__ __rand__ __ior__
__ror__ __ixor__ __rxor__ __ilshift__ __rlshift__ __irshift__ __rrshift__"""

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
NUMERIC = [*INTEGERS, *FLOATS]
ALL = ["bool", *NUMERIC]


STUBS: dict[str, Any] = {}
exec(SIGNATURES, STUBS)
del STUBS["__builtins__"]


def arguments(function: Any) -> list[tuple[str, str, str]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, str(p.kind), repr(p.default)) for p in parameters]


@pytest.mark.parametrize("name", STUBS)
def test_signature(name: str) -> None:
    assert arguments(getattr(ne, name)) == arguments(STUBS[name])


def test_expand_dims_also_takes_the_axis_by_position() -> None:
    """The one signature that is wider than the standard's, whose `axis` is keyword-only."""
    assert ne.expand_dims(ne.ones(2), axis=1).shape == ne.expand_dims(ne.ones(2), 1).shape == (2, 1)
    assert ne.expand_dims(ne.ones(2)).shape == (1, 2)


def test_constants_and_version() -> None:
    assert (ne.e, ne.pi, ne.inf) == (math.e, math.pi, math.inf)
    assert math.isnan(ne.nan)
    assert ne.newaxis is None
    assert ne.__array_api_version__ == "2024.12"
    assert not hasattr(ne, "complex64")


def test_every_public_name_is_there_and_listed() -> None:
    assert {*STUBS, *ALL, "e", "pi", "inf", "nan", "newaxis", "expand_dims"} <= set(ne.__all__)
    assert len(ne.__all__) == len(set(ne.__all__))
    for name in ne.__all__:
        assert hasattr(ne, name), name
    assert set(dir(ne)) == set(ne.__all__)
    with pytest.raises(AttributeError, match="no attribute 'linalg'"):
        ne.linalg  # noqa: B018


@pytest.mark.parametrize("name", METHODS.split())
def test_the_tensor_has_the_standard_s_members(name: str) -> None:
    assert hasattr(ne.Tensor, name)


# --- dtypes ---


def ones(dtype: str, shape: tuple[int, ...] = (2,)) -> ne.Tensor:
    return ne.ones(shape, dtype=dtype)


@pytest.mark.parametrize("dtype", NUMERIC)
@pytest.mark.parametrize("function", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_accumulators(function: str, dtype: str) -> None:
    expected = dtype if dtype in FLOATS else "uint64" if dtype[0] == "u" else "int64"
    assert getattr(ne, function)(ones(dtype)).dtype == expected
    assert getattr(ne, function)(ones(dtype), dtype=ne.float64).dtype == "float64"


@pytest.mark.parametrize("dtype", NUMERIC)
def test_reductions_keep_or_set_the_dtype(dtype: str) -> None:
    x = ones(dtype)
    assert ne.max(x).dtype == ne.min(x).dtype == dtype
    assert ne.argmax(x).dtype == ne.argmin(x).dtype == ne.count_nonzero(x).dtype == "int64"
    assert ne.any(x).dtype == ne.all(x).dtype == "bool"
    floating = dtype if dtype in FLOATS else "float32"
    for function in (ne.mean, ne.var, ne.std):
        assert function(x).dtype == floating


@pytest.mark.parametrize("dtype", ALL)
def test_creation_with_a_dtype(dtype: str) -> None:
    kind = getattr(ne, dtype)
    for x in (
        ne.empty((2, 0), dtype=kind),
        ne.zeros(3, dtype=kind),
        ne.full((1, 2), True, dtype=kind),
        ne.eye(2, dtype=kind),
        ne.asarray([0, 1], dtype=kind),
        ne.astype(ne.asarray([0, 1]), kind),
        ne.zeros_like(ne.ones(2), dtype=kind),
        ne.full_like(ones(dtype), 1),
    ):
        assert x.dtype == kind
    if dtype != "bool":
        assert ne.arange(3, dtype=kind).dtype == ne.linspace(0, 1, 3, dtype=kind).dtype == kind


def test_default_dtypes() -> None:
    assert (
        ne.zeros(1).dtype == ne.ones(1).dtype == ne.empty(1).dtype == ne.eye(1).dtype == "float32"
    )
    assert ne.arange(3).dtype == "int64"
    assert ne.arange(3.0).dtype == ne.linspace(0, 1, 2).dtype == "float32"
    assert [ne.full((), value).dtype.name for value in (True, 1, 1.0)] == [
        "bool",
        "int64",
        "float32",
    ]


@pytest.mark.parametrize("function", ["add", "multiply", "maximum", "pow", "floor_divide"])
def test_binary_functions_promote(function: str) -> None:
    call = getattr(ne, function)
    for a, b in itertools.product(INTEGERS, repeat=2):
        if {a, b} & {"uint64"} and {a[0], b[0]} == {"u", "i"}:
            with pytest.raises(DTypeError):
                call(ones(a), ones(b))
        else:
            assert call(ones(a), ones(b)).dtype == np.promote_types(a, b)
    assert call(ones("float32"), ones("float64")).dtype == "float64"
    assert ne.concat([ones("int8"), ones("uint8")]).dtype == "int16"
    assert ne.stack([ones("float32"), ones("float64")]).dtype == "float64"


def test_python_scalars_are_taken_on_either_side() -> None:
    x = ones("float64")
    for function in (ne.add, ne.pow, ne.atan2, ne.less, ne.copysign, ne.logaddexp):
        assert function(x, 2).shape == function(2, x).shape == (2,)
    assert ne.where(x > 0, 1.0, x).dtype == "float64"


def test_isdtype() -> None:
    kinds = {
        "bool": ["bool"],
        "signed integer": INTEGERS[:4],
        "unsigned integer": INTEGERS[4:],
        "integral": INTEGERS,
        "real floating": FLOATS,
        "complex floating": [],
        "numeric": NUMERIC,
    }
    for dtype, (kind, members) in itertools.product(ALL, kinds.items()):
        assert ne.isdtype(getattr(ne, dtype), kind) is (dtype in members)
    assert ne.isdtype(ne.int8, (ne.int16, "bool", ne.int8)) is True
    assert ne.isdtype(ne.int8, ne.int16) is False
    with pytest.raises(ArgumentError, match="'float' is not one of bool, signed"):
        ne.isdtype(ne.float32, "float")


def test_can_cast_and_result_type() -> None:
    assert ne.can_cast(ne.int8, ne.int16) is True
    assert ne.can_cast(ones("int16"), ne.int8) is False
    assert ne.can_cast(ne.int64, ne.uint64) is False
    assert ne.result_type(ne.int8, ones("uint8"), ne.int32) == "int32"
    assert ne.result_type(ne.float64, 1) == "float64"
    assert ne.result_type(ne.int8, 1.5) == "float32"
    assert ne.result_type(1, 2) == "int64"
    with pytest.raises(ArgumentError):
        ne.result_type()


@pytest.mark.parametrize("dtype", FLOATS)
def test_finfo(dtype: str) -> None:
    info, reference = ne.finfo(getattr(ne, dtype)), np.finfo(dtype)
    assert type(info.bits) is int
    for field in ("eps", "max", "min", "smallest_normal"):
        assert type(getattr(info, field)) is float
        assert getattr(info, field) == getattr(reference, field)
    assert ne.finfo(ones(dtype)) == info
    assert info.dtype == dtype
    with pytest.raises(DTypeError, match="see iinfo"):
        ne.finfo(ne.int8)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_iinfo(dtype: str) -> None:
    info, reference = ne.iinfo(getattr(ne, dtype)), np.iinfo(dtype)
    assert (info.bits, info.max, info.min) == (reference.bits, reference.max, reference.min)
    assert info.dtype == dtype
    with pytest.raises(DTypeError, match="see finfo"):
        ne.iinfo(ne.float32)


def test_namespace_info() -> None:
    info = ne.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 64,
    }
    assert ne.ones((1,) * 64).ndim == 64
    assert (info.default_device(), info.devices()) == ("cpu", ["cpu"])
    assert info.default_dtypes() == {
        "real floating": ne.float32,
        "integral": ne.int64,
        "indexing": ne.int64,
    }
    assert sorted(info.dtypes()) == sorted(ALL)
    assert sorted(info.dtypes(kind=("bool", "real floating"))) == ["bool", *FLOATS]
    assert info.dtypes(kind="complex floating") == {}
    with pytest.raises(ArgumentError, match="'cuda'"):
        info.dtypes(device="cuda")


# --- errors ---


def test_axes_out_of_range_are_index_and_value_errors() -> None:
    x = ne.ones((2, 3))
    for call in (
        lambda: ne.sum(x, axis=2),
        lambda: ne.max(x, axis=(0, -3)),
        lambda: ne.flip(x, axis=5),
        lambda: ne.expand_dims(x, axis=4),
        lambda: ne.concat([x, x], axis=2),
        lambda: ne.stack([x, x], axis=-4),
        lambda: ne.squeeze(x, 2),
        lambda: ne.moveaxis(x, 0, 2),
        lambda: ne.argmax(x, axis=-3),
        lambda: ne.cumulative_sum(x, axis=2),
    ):
        with pytest.raises(AxisError, match="out of range for") as caught:
            call()
        assert isinstance(caught.value, IndexError)
        assert isinstance(caught.value, ValueError)


def test_shapes_that_do_not_fit() -> None:
    x = ne.ones((2, 3))
    for call, text in (
        (lambda: ne.add(x, ne.ones(2)), r"shapes \(2, 3\) and \(2,\) do not broadcast"),
        (lambda: ne.squeeze(x, 0), r"axes \(0,\) of shape \(2, 3\)"),
        (lambda: ne.reshape(x, (4,)), r"shape \(2, 3\) has 6 elements"),
        (lambda: ne.broadcast_to(x, (2, 2)), r"\(2, 3\)"),
        (lambda: ne.concat([x, ne.ones((3, 3))], axis=1), r"\(2, 3\) and \(3, 3\)"),
        (lambda: ne.stack([x, ne.ones(3)]), r"\(2, 3\) and \(3,\)"),
        (lambda: ne.matmul(x, x), r"\(2, 3\) and \(2, 3\)"),
        (lambda: ne.permute_dims(x, (0, 0)), r"axes \(0, 0\)"),
        (lambda: ne.cumulative_sum(x), "name the axis"),
        (lambda: ne.tril(ne.ones(3)), "fewer than two axes"),
        (lambda: ne.zeros((-1,)), "negative extent"),
        (lambda: ne.meshgrid(x), "operands are 1-d"),
        (lambda: ne.split(x, 2, axis=1), "has no 2 parts"),
        (lambda: ne.pad(x, ((1, 1),)), "one .low, high. an axis"),
    ):
        with pytest.raises(ShapeError, match=text):
            call()


def test_dtypes_that_do_not_fit() -> None:
    truth = ones("bool")
    for call in (
        lambda: ne.add(truth, truth),
        lambda: ne.max(truth),
        lambda: ne.bitwise_and(ones("float32"), ones("float32")),
        lambda: ne.bitwise_left_shift(truth, truth),
        lambda: ne.where(ones("int8"), truth, truth),
        lambda: ne.signbit(ones("int8")),
        lambda: ne.zeros(2, dtype="complex64"),
        lambda: ne.meshgrid(ones("int8"), ones("int16")),
    ):
        with pytest.raises(DTypeError):
            call()


def test_arguments_that_do_not_fit() -> None:
    for call, text in (
        (lambda: ne.arange(0, 5, 0), "step must not be 0"),
        (lambda: ne.linspace(0, 1, -1), "num must not be negative"),
        (lambda: ne.meshgrid(ne.ones(1), indexing="yx"), "'yx'"),
        (lambda: ne.repeat(ne.ones(2), -1), "must not be negative"),
        (lambda: ne.zeros(2, device="cuda"), "'cuda'"),
        (lambda: ne.concat([]), "at least one"),
        (lambda: ne.asarray([1], copy=False), "needs a copy"),
        (lambda: ne.one_hot([[0, 5]], 3), r"indices\[0, 1\] is 5; the places are 0…2"),
    ):
        with pytest.raises(ArgumentError, match=text):
            call()


# --- the namespace in the hands of Hypothesis, which uses nothing but the standard ---


@given(st.data())
def test_strategies_of_hypothesis_work_on_the_namespace(data: st.DataObject) -> None:
    strategies = make_strategies_namespace(ne)
    dtype = data.draw(strategies.boolean_dtypes() | strategies.real_dtypes())
    x = data.draw(strategies.arrays(dtype, strategies.array_shapes(min_dims=0, min_side=0)))
    assert isinstance(x, ne.Tensor)
    assert x.dtype == dtype
    part = x[data.draw(strategies.indices(x.shape, allow_newaxis=True))]
    assert part.dtype == dtype
    shapes = data.draw(strategies.mutually_broadcastable_shapes(2))
    result = ne.zeros(shapes.input_shapes[0]) + ne.zeros(shapes.input_shapes[1])
    assert result.shape == shapes.result_shape
