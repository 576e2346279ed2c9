"""Checkpoints of PyTorch: what is in them, without PyTorch and beside it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import interop, nn
from neurona.core.errors import ArgumentError, CheckpointError
from tests.interop.archives import refusal
from tests.interop.make_files import FILES, KINDS, dtype_of, expected


def check(found: Any, wanted: Any) -> None:
    """Same structure, types, dtypes and values; every array has memory of its own."""
    if isinstance(wanted, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(found, wanted)
        assert found.flags.writeable
        assert found.flags.c_contiguous
    elif isinstance(wanted, dict):
        assert isinstance(found, dict)
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            check(found[name], value)
    elif isinstance(wanted, list | tuple):
        assert (type(found), len(found)) == (type(wanted), len(wanted))
        for one, value in zip(found, wanted, strict=True):
            check(one, value)
    else:
        assert type(found) is type(wanted)
        assert found == wanted


@pytest.mark.parametrize("name", expected())
def test_files_by_pytorch(name: str) -> None:
    check(interop.load_torch(FILES / f"{name}.pt"), expected()[name])


def test_arrays_share_no_memory() -> None:
    views = interop.load_torch(FILES / "views.pt")
    views["whole"][...] = 77
    check(views["again"], expected()["views"]["again"])
    check(views["part"], expected()["views"]["part"])


def test_a_network_takes_over_the_weights() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    network.load_state_dict(interop.load_torch(FILES / "network.pt"))
    check(network.state_dict(), expected()["network"])


@pytest.mark.parametrize("name", ["module", "scalar", "complex"])
def test_other_objects_are_named_with_the_command_that_converts(name: str, tmp_path: Path) -> None:
    asked = {"module": "torch.nn.modules.linear.Linear", "scalar": "scalar", "complex": "Complex"}
    path = tmp_path / f"it's {name}.pt"
    path.write_bytes((FILES / f"{name}.pt").read_bytes())
    message = refusal(path)
    assert asked[name] in message
    assert "python -c 'import torch; " in message
    assert "if you trust it" in message


def test_the_format_before_1_6_is_refused_with_a_command() -> None:
    message = refusal(FILES / "before_1_6.pt")
    assert "before 1.6" in message
    assert "weights_only=True" in message
    assert "before_1_6-new.pt" in message


def other_byte_order(source: Path, target: Path, sizes: dict[str, int]) -> None:
    """Write an archive as a machine of the other byte order would; bytes per element by record."""
    other = {"little": b"big", "big": b"little"}[sys.byteorder]
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("/byteorder"):
                content = other
            elif "/data/" in name:
                size = sizes[name.rpartition("/")[2]]
                content = np.frombuffer(content, f"u{size}").byteswap().tobytes()
            new.writestr(name, content)


def test_the_other_byte_order(tmp_path: Path) -> None:
    sizes = {str(i): dtype_of(kind).itemsize for i, kind in enumerate(KINDS)}
    other_byte_order(FILES / "dtypes.pt", tmp_path / "other.pt", sizes)
    check(interop.load_torch(tmp_path / "other.pt"), expected()["dtypes"])


# --- writing ---


@pytest.mark.parametrize("name", expected())
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    state = expected()[name]
    for kind in ("dtype", "bytes", "set"):
        state.pop(kind, None)
    interop.save_torch(tmp_path / "w.pt", state)
    check(interop.load_torch(tmp_path / "w.pt"), state)
    first = (tmp_path / "w.pt").read_bytes()
    interop.save_torch(tmp_path / "w.pt", state)
    assert (tmp_path / "w.pt").read_bytes() == first, "the same state gives the same file"


def test_tensors_and_modules_are_written(tmp_path: Path) -> None:
    layer = nn.Linear(3, 2)
    interop.save_torch(tmp_path / "w.pt", {"layer": layer.state_dict(), "x": ne.asarray([1.0, 2])})
    check(interop.load_torch(tmp_path / "w.pt")["x"], np.array([1, 2], np.float32))
    interop.save_torch(tmp_path / "w.pt", layer)
    check(interop.load_torch(tmp_path / "w.pt"), layer.state_dict())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (3, "give a module or a dict, not 3"),
        ({"a": object()}, r"state\['a'\]\" must be an array, not a object"),
        ({"a": np.ones(2, complex)}, "not an array of numbers"),
        ({"a": np.array(["x"])}, "not an array of numbers"),
        ({1.5: 1}, "1.5 for a key"),
        ({"a": "\ud800"}, "not Unicode"),
        ({"a": 1 << 3000}, "too large a number"),
    ],
)
def test_what_cannot_be_written(state: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=message):
        interop.save_torch(tmp_path / "w.pt", state)
    assert list(tmp_path.iterdir()) == []


def test_endless_nesting_is_not_written(tmp_path: Path) -> None:
    state: dict[str, Any] = {}
    state["self"] = state
    with pytest.raises(ArgumentError, match="nested more than 100 deep"):
        interop.save_torch(tmp_path / "w.pt", state)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no/w\.pt: cannot be written: there is no folder"):
        interop.save_torch(tmp_path / "no" / "w.pt", {})
    assert "no such file" in refusal(tmp_path / "no" / "w.pt")
    assert "cannot be read" in refusal(tmp_path)


# --- beside PyTorch ---


def to_arrays(value: Any) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        if value.dtype == torch.bfloat16:
            return value.detach().view(torch.int16).numpy().view(ne.bfloat16)
        return value.detach().numpy()
    if isinstance(value, dict):
        return {name: to_arrays(inside) for name, inside in value.items()}
    return type(value)(map(to_arrays, value)) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_states_of_pytorch(protocol: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    optimizer = torch.optim.AdamW(network.parameters(), amsgrad=True)
    network(torch.ones(5, 4)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 4])
    state = {
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": dict(schedule.state_dict(), milestones={3: 1, 4: 1}),
        "random": torch.get_rng_state(),
        "set": {1, 2},
        "bytes": b"\xff",
    }
    torch.save(state, tmp_path / "w.pt", pickle_protocol=protocol)
    check(interop.load_torch(tmp_path / "w.pt"), to_arrays(state))
    torch.save(schedule.state_dict(), tmp_path / "w.pt", pickle_protocol=protocol)
    assert interop.load_torch(tmp_path / "w.pt")["milestones"] == {3: 1, 4: 1}


@pytest.mark.parametrize("name", expected())
def test_pytorch_reads_what_is_written(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = expected()[name]
    for kind in ("dtype", "bytes", "set"):
        state.pop(kind, None)
    interop.save_torch(tmp_path / "w.pt", state)
    for mapped in (False, True):
        found = torch.load(tmp_path / "w.pt", weights_only=True, mmap=mapped)
        copied = to_arrays(found)
        check(interop.load_torch(tmp_path / "w.pt"), copied)
