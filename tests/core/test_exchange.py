"""DLPack both ways, `__array__`, and the namespace of a tensor."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona.core import dtypes
from neurona.core.errors import ArgumentError, ExchangeError

EXCHANGED = [dtype for dtype in dtypes.ALL if dtype != ne.bfloat16]


@pytest.mark.parametrize("dtype", EXCHANGED)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_round_trip_through_numpy(dtype: dtypes.DType, shape: tuple[int, ...]) -> None:
    x = ne.ones(shape, dtype=dtype)
    array = np.from_dlpack(x)
    assert (array.shape, array.dtype) == (shape, dtype)
    y = ne.from_dlpack(array)
    assert (y.shape, y.dtype, y.tolist()) == (x.shape, x.dtype, x.tolist())
    assert x.__dlpack_device__() == (1, 0)


def test_takers_get_a_copy_unless_they_refuse_it() -> None:
    x = ne.asarray([1.0, 2.0])
    assert not np.shares_memory(np.from_dlpack(x), x.numpy())
    shared = np.from_dlpack(x, copy=False)
    assert np.shares_memory(shared, x.numpy())
    assert not shared.flags.writeable


def test_givers_memory_is_shared_only_on_request() -> None:
    source = np.ones(2, np.float32)
    x, alias = ne.from_dlpack(source), ne.from_dlpack(source, copy=False)
    source[0] = 5
    assert (x.tolist(), alias.tolist()) == ([1, 1], [5, 1])


def test_bfloat16_says_what_to_do() -> None:
    x = ne.ones(2, dtype=ne.bfloat16)
    with pytest.raises(ExchangeError, match="cast to float32 with `astype`"):
        x.__dlpack__()
    with pytest.raises(BufferError, match="bfloat16 goes through float32"):
        ne.from_dlpack(x)


def test_other_devices_streams_and_objects_are_refused() -> None:
    x = ne.ones(2)
    with pytest.raises(ExchangeError, match=r"only the CPU.*\(2, 0\)"):
        x.__dlpack__(dl_device=(2, 0))
    with pytest.raises(ArgumentError, match="streams"):
        x.__dlpack__(stream=1)
    with pytest.raises(ArgumentError, match="'cuda'"):
        ne.from_dlpack(np.ones(2), device="cuda")
    with pytest.raises(ExchangeError, match="NumPy does not take this list"):
        ne.from_dlpack([1, 2])
    broadcast = ne.broadcast_to(ne.asarray(1.0), (3,))
    with pytest.raises(ExchangeError, match=r"DLPack 1\.0"):
        broadcast.__dlpack__(copy=False)


def test_old_takers_may_ask_for_the_memory_itself() -> None:
    assert "dltensor" in repr(ne.ones(2).__dlpack__(copy=False))
    assert "dltensor" in repr(ne.ones(2).__dlpack__(max_version=(0, 8)))
    assert "versioned" in repr(ne.ones(2).__dlpack__(max_version=(1, 0)))


def test_torch_both_ways() -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    x = ne.asarray([[1.0, 2.0], [3.0, 4.0]])
    taken = torch.from_dlpack(x)
    taken[0, 0] = 9
    assert x.tolist() == [[1, 2], [3, 4]]
    given = torch.arange(6).reshape(2, 3).T
    y = ne.from_dlpack(given)
    given[0, 0] = 9
    assert y.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert ne.asarray(torch.ones(2, dtype=torch.float64)).dtype == ne.float64
    with pytest.raises(ExchangeError, match="bfloat16"):
        ne.from_dlpack(torch.ones(2, dtype=torch.bfloat16))


def test_array_protocol() -> None:
    x = ne.asarray([1.0, 2.0])
    assert np.shares_memory(np.asarray(x), x.numpy())
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(x), x.numpy())
    with pytest.raises(ArgumentError, match="copy=False"):
        np.asarray(x, dtype=np.float64, copy=False)
    assert np.add(x, 1).tolist() == [2, 3]


def test_namespace_of_a_tensor() -> None:
    x = ne.ones(2)
    assert x.__array_namespace__() is ne
    assert x.__array_namespace__(api_version="2024.12") is ne
    with pytest.raises(ArgumentError, match=r"'2019.1' is not one of 2021.12"):
        x.__array_namespace__(api_version="2019.1")
