"""Reading PyTorch's checkpoints without running what is in them.

`torch.save` writes a zip archive: `NAME/data.pkl`, a pickle of the structure that refers to
storages by number, `NAME/data/NUMBER` with the bytes of each storage, and `NAME/byteorder`.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from neurona.core.dtypes import DType, bfloat16
from neurona.core.errors import CheckpointError
from neurona.core.op import Array
from neurona.interop.pickles import SCALAR, Attributes, Builder, Machine, check_size
from neurona.interop.refusals import command_for, refusal_of, refuse_others

PLAIN = (str, int, float, bytes, type(None), set, np.ndarray, np.dtype)
MAX_PICKLE = 1 << 28
SPARE = 1 << 26
"""Bytes that views of shared or repeated elements may take beyond 16 times the file's size."""

DTYPES: dict[str, DType] = {
    "bool": np.dtype(np.bool_),
    "bfloat16": bfloat16,
    "half": np.dtype(np.float16),
    "float": np.dtype(np.float32),
    "double": np.dtype(np.float64),
    **{f"float{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"int{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
}
"""By the names of `torch.…`."""

STORAGES = {
    "BoolStorage": "bool",
    "BFloat16Storage": "bfloat16",
    "HalfStorage": "float16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "UntypedStorage": "",
}
"""By the names of `torch.…` and `torch.storage.…`; an untyped one holds bytes."""


def load_torch(path: str | PathLike[str]) -> Any:
    """What `torch.save` wrote, with NumPy arrays for tensors; PyTorch is not needed.

    A `state_dict` becomes a dict of arrays by name, a checkpoint dicts, lists, tuples, numbers and
    texts as they were nested. Every array has its own memory, also where tensors shared theirs. No
    code in the file is run: of the objects that a file may ask for only tensors, storages, dtypes,
    devices, sizes and ordered dicts are known.

    Raises `CheckpointError`, naming the file, when it is missing or damaged, holds anything else
    (then with the command that converts it where PyTorch is installed), or a dtype that Neurona
    does not have.

    >>> import numpy as np
    >>> from neurona import interop
    >>> interop.save_torch("model.pt", {"weight": np.eye(2), "epoch": 3})
    >>> interop.load_torch("model.pt")
    {'weight': array([[1., 0.],
           [0., 1.]]), 'epoch': 3}
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            refuse_others(file, path)
            return _Archive(file).load(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None


class Storage:
    """The bytes of a storage, and the dtype of its elements, None for plain bytes."""

    def __init__(self, content: Array, dtype: DType | None, length: int) -> None:
        self.content = content
        self.dtype = dtype
        self.length = length


class StorageKind:
    """A class of storages, by the dtype of its elements."""

    def __init__(self, dtype: DType | None) -> None:
        self.dtype = dtype


class _Archive:
    """An open zip archive, and the arrays made from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._size = file.seek(0, 2)
        self._zip = zipfile.ZipFile(file)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._zip.infolist():
            if entry.filename in self._entries:
                raise CheckpointError(f"damaged: the record {entry.filename!r} is there twice")
            self._entries[entry.filename] = entry
        roots = [name[: -len("data.pkl")] for name in self._entries if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise CheckpointError("a zip archive, but not one that torch.save wrote: no data.pkl")
        self._root = roots[0]
        self._storages: dict[str, Array] = {}
        self._handed_out: set[int] = set()
        self._spent = 0
        order = f"{self._root}byteorder"
        found = bytes(self._record(order)) if order in self._entries else b"little"
        if found not in (b"little", b"big"):
            raise CheckpointError("damaged: its byte order is neither little nor big")
        self._swap = found == b"big"

    def load(self, path: Path) -> Any:
        if f"{self._root}constants.pkl" in self._entries:
            raise CheckpointError(
                "a TorchScript program, not a state_dict; with PyTorch: "
                + command_for(path, 'torch.jit.load({0}, map_location="cpu")')
            )
        if self._entries[f"{self._root}data.pkl"].file_size > MAX_PICKLE:
            raise CheckpointError(f"its data.pkl is larger than {MAX_PICKLE} bytes")
        content = bytes(self._record(f"{self._root}data.pkl"))

        def find(module: str, name: str) -> Any:
            known = self._names().get((module, name))
            if known is None:
                raise CheckpointError(refusal_of(f"{module}.{name}", path))
            return known

        result = Machine(content, find, self._storage).run()
        check_size(result, PLAIN)
        return result

    def _record(self, name: str) -> Array:
        """The bytes of a record, which must lie in the archive as they are."""
        entry = self._entries.get(name)
        if entry is None:
            raise CheckpointError(f"damaged: the record {name!r} is missing")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise CheckpointError(
                f"the record {name!r} is compressed or encrypted, which torch.save never does"
            )
        if entry.file_size > self._size:
            raise CheckpointError(f"damaged: the record {name!r} is larger than the file")
        content: Array = np.empty(entry.file_size, np.uint8)
        at = 0
        with self._zip.open(entry) as file:
            while at < entry.file_size:
                part = file.read(min(1 << 20, entry.file_size - at))
                if not part:
                    raise CheckpointError(f"damaged: the record {name!r} ends too early")
                content[at : at + len(part)] = np.frombuffer(part, np.uint8)
                at += len(part)
        return content

    def _names(self) -> dict[tuple[str, str], Any]:
        """What a pickle of tensors may ask for, by module and name."""
        names: dict[tuple[str, str], Any] = {("torch", name): DTYPES[name] for name in DTYPES}
        for name, dtype in STORAGES.items():
            kind = StorageKind(DTYPES.get(dtype))
            names["torch", name] = names["torch.storage", name] = kind
        functions: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): lambda: Attributes(),
            ("collections", "Counter"): lambda counts: dict(expect(dict, counts)),
            ("torch", "Size"): lambda size: tuple(expect(tuple, size)),
            ("torch", "device"): _device,
            ("_codecs", "encode"): _encode,
            ("__builtin__", "set"): _set,
            ("builtins", "set"): _set,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_tensor_v3"): self._tensor_of_dtype,
            ("torch._utils", "_rebuild_parameter"): lambda data, _, __: expect(np.ndarray, data),
        }
        return names | {at: Builder(".".join(at), build) for at, build in functions.items()}

    # --- tensors ---

    def _storage(self, reference: Any) -> Storage:
        """The storage that a persistent id names."""
        match reference:
            case ("storage", StorageKind(dtype=dtype), str(key), str(), int(length)):
                pass
            case _:
                raise CheckpointError("damaged: it refers to something that is no storage")
        if key not in self._storages:
            self._spend(self._entries.get(f"{self._root}data/{key}"))
            self._storages[key] = self._record(f"{self._root}data/{key}")
        content = self._storages[key]
        if not 0 <= length * (dtype.itemsize if dtype else 1) <= content.size:
            raise CheckpointError(f"damaged: the storage {key!r} has fewer than {length} elements")
        return Storage(content, dtype, length)

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any, dtype: Any = None
    ) -> Array:
        """The elements of a storage that a tensor shows, as an array of its own."""
        expect(Storage, storage)
        dtype = dtype or storage.dtype
        shape, strides = tuple(expect(tuple, size)), tuple(expect(tuple, stride))
        numbers = (offset, *shape, *strides)
        if dtype is None or len(shape) != len(strides) or len(shape) > 64:
            raise CheckpointError("damaged: a tensor has no dtype, or sizes that do not fit it")
        if not all(type(number) is int and 0 <= number < 1 << 62 for number in numbers):
            raise CheckpointError("damaged: a tensor has sizes that are no numbers from 0 up")
        count = math.prod(shape)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        length = storage.length * (storage.dtype or np.dtype(np.uint8)).itemsize // dtype.itemsize
        if count and last >= length:
            raise CheckpointError(
                f"damaged: a tensor of shape {shape} ends beyond its storage of {length} elements"
            )
        if not count:
            return np.empty(_possible(shape), dtype)
        flat = storage.content[: length * dtype.itemsize]
        whole = count == length and strides == _row_by_row(shape)
        if whole and id(storage.content) not in self._handed_out and not self._swap:
            self._handed_out.add(id(storage.content))
            return _checked(flat.view(dtype).reshape(shape))
        self._spend(count * dtype.itemsize)
        elements = flat.view(f"u{dtype.itemsize}")
        steps = tuple(step * dtype.itemsize for step in strides)
        start = offset * dtype.itemsize
        array: Array = np.ndarray(shape, elements.dtype, elements, start, steps).copy()
        return _checked((array.byteswap() if self._swap else array).view(dtype))

    def _tensor_of_dtype(self, *arguments: Any) -> Array:
        """As `_tensor`, with a dtype for bytes."""
        *first, _, _, dtype = arguments[:7]
        return self._tensor(*first, dtype=expect(np.dtype, dtype))

    def _spend(self, what: Any) -> None:
        """Count bytes made, so that a small file cannot fill the memory by showing them often."""
        self._spent += what if isinstance(what, int) else getattr(what, "file_size", 0)
        if self._spent > 16 * self._size + SPARE:
            raise CheckpointError(
                f"its tensors unfold to more than {self._spent} bytes from {self._size}"
            )


def _row_by_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a tensor whose elements lie row by row without gaps."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _possible(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(n for n in shape if n) >= 1 << 55:
        raise CheckpointError(f"damaged: an empty tensor has the shape {shape}")
    return shape


def _checked(array: Array) -> Array:
    if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
        raise CheckpointError("damaged: it holds booleans that are neither 0 nor 1")
    return array


def expect(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise CheckpointError(f"damaged: a {type(value).__name__} stands for a {kind.__name__}")
    return value


def _device(kind: Any, index: Any = None) -> str:
    expect(str, kind)
    return kind if index is None else f"{kind}:{expect(int, index)}"


def _set(items: Any) -> set[Any]:
    if not all(isinstance(item, SCALAR) for item in expect(list, items)):
        raise CheckpointError("damaged: a set has something other than numbers and texts")
    return set(items)


def _encode(text: Any, encoding: Any) -> bytes:
    if encoding != "latin1":
        raise CheckpointError("damaged: bytes in an encoding other than latin1")
    return bytes(expect(str, text), encoding, "replace")
