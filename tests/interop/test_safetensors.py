"""Safetensors files: whole, damaged, several with an index."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neurona as ne
from neurona import interop, nn
from neurona.core.errors import ArgumentError, CheckpointError


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint64", "bool"])
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3).astype(ne.bfloat16 if dtype == "bfloat16" else dtype)
    path = tmp_path / "w.safetensors"
    state = {"a": array, "0-d": array[1, 1], "empty": array[:0], "turned": array.T}
    interop.save_safetensors(path, state)
    back = interop.load_safetensors(path)
    assert back.keys() == state.keys()
    for name, wanted in state.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, wanted.shape)
        np.testing.assert_array_equal(back[name], wanted)
        assert back[name].flags.writeable


def test_modules_tensors_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    layer = nn.Linear(3, 2)
    interop.save_safetensors(path, layer, {"made by": "ünit"})
    assert interop.read_metadata(path) == {"made by": "ünit"}
    assert list(nn.Linear(3, 2).load_state_dict(interop.load_safetensors(path))) == [[], []]
    interop.save_safetensors(path, {"x": ne.asarray([1, 2]), "y": 2.5, "z": np.array([3], ">i4")})
    assert {k: v.tolist() for k, v in interop.load_safetensors(path).items()} == {
        "x": [1, 2],
        "y": 2.5,
        "z": [3],
    }
    assert interop.read_metadata(path) == {}


@pytest.mark.parametrize(
    ("state", "metadata", "message"),
    [
        ({"a": np.ones(2, complex)}, None, "'a' is not an array of numbers"),
        ({"a": {"b": np.ones(2)}}, None, "'a' must be an array, not a dict"),
        ({1: np.ones(2)}, None, "named by a str, not by 1"),
        ([np.ones(2)], None, "give a module or arrays by name"),
        ({"__metadata__": np.ones(2)}, None, "cannot name an array"),
        ({"a": np.ones(2)}, {"epoch": 3}, "texts by name, not {'epoch': 3}"),
        ({"a": np.ones(2)}, "text", "metadata must be texts by name"),
    ],
)
def test_what_cannot_be_saved(state: Any, metadata: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        interop.save_safetensors(tmp_path / "w.safetensors", state, metadata)
    assert list(tmp_path.iterdir()) == []


def content(header: Any, data: bytes = bytes(4)) -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
TWICE = b'{"a":%s,"a":%s}' % ((json.dumps(ONE).encode(),) * 2)
DAMAGED = {
    "empty": b"",
    "short": b"\x02\0\0",
    "huge header": struct.pack("<Q", 1 << 60) + b"{}",
    "no JSON": content(b"nonsense"),
    "deep JSON": content(b'{"a":' + b"[" * 200_000),
    "a list": content([1]),
    "cut off": content({"a": ONE}, bytes(3)),
    "left over": content({"a": ONE}, bytes(5)),
    "other size": content({"a": ONE | {"shape": [2]}}),
    "overflowing shape": content({"a": ONE | {"shape": [2**62, 2**62]}}),
    "overlapping": content({"a": ONE, "b": ONE}),
    "many axes": content({"a": ONE | {"shape": [1] * 100}}),
    "named twice": content(TWICE),
    "unknown dtype": content({"a": ONE | {"dtype": "F8_E4M3", "shape": [4]}}),
    "no dtype": content({"a": ONE | {"dtype": "F31"}}),
    "booleans": content({"a": ONE | {"dtype": "BOOL", "shape": [4]}}, b"\0\1\2\0"),
    "metadata": content({"__metadata__": {"a": 1}}, b""),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(DAMAGED[name])
    for read in (interop.load_safetensors, interop.read_metadata):
        with pytest.raises(CheckpointError, match=r"w\.safetensors: "):
            read(path)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "no", "no such file"), (tmp_path, "cannot be read")):
        with pytest.raises(CheckpointError, match=message):
            interop.load_safetensors(path)
    with pytest.raises(CheckpointError, match="cannot be written: there is no folder"):
        interop.save_safetensors(tmp_path / "no" / "w.safetensors", {})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=4)
)
def test_harmed_files(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    interop.save_safetensors(path, {"a": np.ones((2, 3)), "b": np.array(True)}, {"c": "d"})
    harmed = bytearray(path.read_bytes())
    for at, value in changes:
        harmed[at % len(harmed)] = value
    path.write_bytes(harmed)
    with suppress(CheckpointError):
        interop.load_safetensors(path)
    with suppress(CheckpointError):
        interop.read_metadata(path)


# --- several files with an index ---


@pytest.fixture
def index(tmp_path: Path) -> Path:
    interop.save_safetensors(tmp_path / "1.safetensors", {"a": np.ones(2), "b": np.zeros(3)})
    interop.save_safetensors(tmp_path / "2.safetensors", {"c": np.full(4, 2.0)})
    places = {"c": "2.safetensors", "a": "1.safetensors", "b": "1.safetensors"}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {"total_size": 72}, "weight_map": places}))
    return path


def test_several_files(index: Path) -> None:
    found = interop.load_safetensors(index)
    assert list(found) == ["c", "a", "b"]
    assert found["c"].tolist() == [2.0] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "no 'weight_map' of names and files"),
        ("[", "no 'weight_map'"),
        ("[" * 100_000, "no 'weight_map'"),
        ('{"weight_map": ["a"]}', "no 'weight_map'"),
        ('{"weight_map": {"a": 1}}', "no 'weight_map'"),
        ('{"weight_map": {"a": "../1.safetensors"}}', "outside of its folder"),
        ('{"weight_map": {"a": "/etc/passwd"}}', "outside of its folder"),
        ('{"weight_map": {"a": ".."}}', "outside of its folder"),
        ('{"weight_map": {"a": "3.safetensors"}}', r"3\.safetensors: no such file"),
        ('{"weight_map": {"c": "1.safetensors"}}', r"1\.safetensors: lacks 'c', which model"),
    ],
)
def test_damaged_indices(text: str, message: str, index: Path) -> None:
    index.write_text(text)
    with pytest.raises(CheckpointError, match=message):
        interop.load_safetensors(index)


# --- beside PyTorch ---


def test_pytorch_reads_and_writes_the_same_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors import torch as of_torch

    path = tmp_path / "w.safetensors"
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    of_torch.save_file(theirs.state_dict() | {"half": torch.ones(2, dtype=torch.bfloat16)}, path)
    state = interop.load_safetensors(path)
    assert state.pop("half").dtype == ne.bfloat16
    ours = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    ours.load_state_dict(state)
    interop.save_safetensors(path, ours)
    theirs.load_state_dict(of_torch.load_file(path))
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), ours.state_dict()[name])
