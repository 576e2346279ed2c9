"""Files made to do harm, and files that were harmed."""

from __future__ import annotations

import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurona import interop
from neurona.core.errors import CheckpointError
from tests.interop.archives import ORDERED, archive, numbers, refusal, storage, tensor, text
from tests.interop.make_files import FILES

NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("__builtin__", "eval"),
    ("builtins", "getattr"),
    ("subprocess", "Popen"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch._utils", "_rebuild_tensor_v2.__globals__"),
    ("torch", "serialization.os.system"),
    ("collections", "OrderedDict.__class__"),
    ("numpy", "load"),
    ("neurona.interop.torch_file", "Path"),
    ("\x1b[2J", "x" * 5000),
]


@pytest.mark.parametrize("stack", [False, True], ids=["GLOBAL", "STACK_GLOBAL"])
@pytest.mark.parametrize(("module", "name"), NAMES)
def test_nothing_is_run(module: str, name: str, stack: bool, tmp_path: Path) -> None:
    asked = text(module) + text(name) + b"\x93" if stack else f"c{module}\n{name}\n".encode()
    witness = tmp_path / "ran"
    path = archive(tmp_path / "w.pt", asked + b"(" + text(f"touch {witness}") + b"tR")
    message = refusal(path)
    assert "asks for " in message
    assert message.isprintable()
    assert len(message) < 1000
    assert not witness.exists()


FLOATS = b"ctorch\nFloatStorage\n"
DAMAGED = {
    "calls a dict": ORDERED + b")R",
    "calls a text": text("os.system") + b")R",
    "calls a dtype": b"ctorch\nfloat32\n)R",
    "calls a storage": FLOATS + b")R",
    "calls its result": ORDERED + b")R)R",
    "calls without a tuple": b"ccollections\nOrderedDict\n]R",
    "other arguments": b"ccollections\nOrderedDict\n(K\x01tR",
    "attributes of a list": b"]}b",
    "attributes of a plain dict": b"}}b",
    "attributes that are no dict": ORDERED + b"]b",
    "attributes of a function": b"ccollections\nOrderedDict\n}b",
    "INST": b"(ios\nsystem\n",
    "OBJ": b"(ccollections\nOrderedDict\no",
    "NEWOBJ": b"ccollections\nOrderedDict\n)\x81",
    "EXT": b"\x82\x01",
    "PERSID": b"P0\n",
    "a decimal text": b"I1\n",
    "DUP": b"]2",
    "an unknown memo": b"h\x05",
    "an empty stack": b"",
    "two results": b"NN",
    "an open mark": b"(",
    "no mark": b"e",
    "a list for a key": b"}]Ns",
    "a deep key": b"})" + b"\x85" * 100_000 + b"Ns",
    "a key without a value": b"}(K\x01u",
    "append to a tuple": b")Na",
    "a set of lists": b"\x8f(]\x90",
    "no UTF-8": b"X\x01\x00\x00\x00\xff",
    "a surrogate": b"X\x03\x00\x00\x00\xed\xa0\x80",
    "a text beyond the end": b"X\xff\xff\xff\xff",
    "a longer text": b"\x8d" + b"\xff" * 8,
    "a name without an end": b"cos",
    "protocol 9": b"\x80\x09N",
    "a function for a value": b"ccollections\nOrderedDict\n",
    "a storage for a value": storage(),
    "a class of storages for a value": FLOATS,
    "itself inside": b"]q\x00h\x00a",
    "itself inside a dict": b"}q\x00K\x00h\x00s",
    "deep lists": b"]" * 1000 + b"a" * 999,
    "deep tuples": b")" + b"\x85" * 200_000,
    "laughs": b"]q\x00" + b"".join(b"](%se" % (b"h\x00" * 10) + b"q\x00" for _ in range(20)),
    "hidden depth": b"](" + b"]q\x00" + b"](h\x00eq\x00" * 500 + b"e",
    "beyond the storage": tensor((5,), (1,)),
    "offset beyond": tensor((4,), (1,), 1),
    "stride beyond": tensor((2, 2), (3, 1)),
    "negative stride": tensor((4,), (-1,), 3),
    "negative offset": tensor((1,), (1,), -1),
    "negative size": tensor((-1,), (1,)),
    "huge size": tensor((2**61, 2**61), (0, 0)),
    "overflowing stride": tensor((2, 2), (2**61, 2**61)),
    "empty but huge": tensor((2**60, 2**60, 0), (0, 0, 0)),
    "a thousand axes": tensor((1,) * 1000, (1,) * 1000),
    "fewer strides": tensor((2, 2), (1,)),
    "repeated": tensor((2**30,), (0,)),
    "repeated often": b"(" + tensor((2**22,), (0,)) * 20 + b"t",
    "longer than the record": tensor((5,), (1,), 0, storage(length=5)),
    "a negative storage": tensor((0,), (1,), 0, storage(length=-1)),
    "another record": tensor((1,), (1,), 0, storage("../../etc/passwd")),
    "no record": tensor((1,), (1,), 0, storage("7")),
    "no storage": b"(K\x01tQ",
    "a text for a storage": tensor((1,), (1,), 0, text("x")),
    "bytes without a dtype": tensor((1,), (1,), 0, storage(kind="UntypedStorage", length=16)),
    "texts for sizes": b"ctorch._utils\n_rebuild_tensor_v2\n("
    + storage()
    + b"K\x00("
    + text("x")
    + b"t"
    + numbers((1,))
    + b"\x89NtR",
    "a parameter of a text": b"ctorch._utils\n_rebuild_parameter\n(" + text("x") + b"\x88NtR",
    "a size of a number": b"ctorch\nSize\n(K\x01tR",
    "a device of a number": b"ctorch\ndevice\n(K\x01tR",
    "another encoding": b"c_codecs\nencode\n(" + text("x") + text("rot13") + b"tR",
    "a set of dicts": b"cbuiltins\nset\n(](}etR",
    "a counter of a list": b"ccollections\nCounter\n(]tR",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_pickles_that_no_torch_wrote(name: str, tmp_path: Path) -> None:
    message = refusal(archive(tmp_path / "w.pt", DAMAGED[name]))
    assert message.isprintable()
    assert len(message) < 500


def test_a_key_that_is_not_read_is_no_damage(tmp_path: Path) -> None:
    message = refusal(archive(tmp_path / "w.pt", b"}" + numbers((1, 2)) + b"Ns"))
    assert "has a tuple for a key" in message
    assert "damaged" not in message


def test_booleans_are_0_and_1(tmp_path: Path) -> None:
    flags = tensor((2,), (1,), 0, storage(kind="BoolStorage", length=2))
    assert "neither 0 nor 1" in refusal(archive(tmp_path / "w.pt", flags, {"data/0": b"\x00\x02"}))


def test_archives_that_no_torch_wrote(tmp_path: Path) -> None:
    whole = tensor((4,), (1,))
    path = tmp_path / "w.pt"
    assert "compressed" in refusal(archive(path, whole, compression=zipfile.ZIP_DEFLATED))
    assert "byte order" in refusal(archive(path, whole, {"data/0": bytes(16), "byteorder": b"x"}))
    with pytest.warns(UserWarning, match="Duplicate"):
        archive(path, whole, {"data.pkl": b"N."})
    assert "twice" in refusal(path)
    archive(path, whole, {"data/0": bytes(16), "inner/data.pkl": b"N."})
    assert "no data.pkl" in refusal(path)
    assert "TorchScript" in refusal(archive(path, whole, {"constants.pkl": b"N."}))
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", b"<x/>")
    assert "not one that torch.save wrote" in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\x80\x04N.", "a pickle, which is not read"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"\n<!doctype html>", "a web page"),
        (b"\x02\0\0\0\0\0\0\0{}", "interop.load_safetensors"),
        (bytes(257) + b"ustar" + bytes(300), "before 1.6"),
        (b"PK\x03\x04 and no more", "damaged: File is not a zip file"),
        (b"GGUF", "does not begin like a zip archive"),
    ],
)
def test_other_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    assert message in refusal(tmp_path / "w.pt")


def test_a_file_without_permission(tmp_path: Path) -> None:
    path = archive(tmp_path / "w.pt", tensor((4,), (1,)))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "Permission denied" in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(["dtypes", "views", "network", "nested"]),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.none() | st.integers(0, 5000),
)
def test_harmed_files(
    name: str, changes: list[tuple[int, int]], cut: int | None, tmp_path: Path
) -> None:
    content = bytearray((FILES / f"{name}.pt").read_bytes())
    for at, value in changes:
        content[at % len(content)] = value
    path = tmp_path / "w.pt"
    path.write_bytes(content if cut is None else content[: cut % len(content)])
    with suppress(CheckpointError):
        interop.load_torch(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(["dtypes", "views", "network", "nested"]),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_harmed_pickles(name: str, changes: list[tuple[int, int]], tmp_path: Path) -> None:
    """The checksum of the archive finds most harm; here the pickle itself is harmed before."""
    with zipfile.ZipFile(FILES / f"{name}.pt") as file:
        records = {entry.partition("/")[2]: file.read(entry) for entry in file.namelist()}
    content = bytearray(records.pop("data.pkl"))
    for at, value in changes:
        content[at % len(content)] = value
    path = archive(tmp_path / "w.pt", bytes(content[2:-1]), records)
    with suppress(CheckpointError):
        interop.load_torch(path)
