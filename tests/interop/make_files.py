"""Writes `files/`, checkpoints by PyTorch itself: `python -m tests.interop.make_files`."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import numpy as np

import neurona as ne

FILES = Path(__file__).parent / "files"
KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")
KINDS += ("float16", "bfloat16", "float32", "float64")


def dtype_of(kind: str) -> Any:
    return ne.bfloat16 if kind == "bfloat16" else np.dtype(kind)


def expected() -> dict[str, Any]:
    """What is in the files, with arrays for tensors."""
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    weights = {
        "0.weight": np.arange(12, dtype=np.float32).reshape(3, 4) / 8,
        "0.bias": np.arange(3, dtype=np.float32),
        "1.weight": np.ones(3, np.float32),
        "1.bias": np.zeros(3, np.float32),
        "1.running_mean": np.full(3, 0.5, np.float32),
        "1.running_var": np.full(3, 2, np.float32),
        "1.num_batches_tracked": np.array(7),
        "3.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
        "3.bias": np.array([1, -1], np.float32),
    }
    return {
        "dtypes": {kind: np.array([[0, 1, 2], [3, 0, 1]]).astype(dtype_of(kind)) for kind in KINDS},
        "views": {
            "transposed": base.transpose(0, 2, 1),
            "stepped": base[:, ::2, 1:],
            "expanded": np.ones((3, 4), np.float32),
            "0-d": np.array(3.5, np.float32),
            "empty": np.empty((0, 3), np.float32),
            "whole": base,
            "again": base,
            "part": base.reshape(-1)[5:9],
            "part of uint16": np.arange(3, 6, dtype=np.uint16),
        },
        "network": weights,
        "nested": {
            "model": {"w": np.arange(3.0)},
            "epoch": 3,
            "numbers": [2**40, -(2**70), 0.5, None, True],
            "names": ("a", "ü"),
            "size": (1, 2),
            "dtype": np.dtype(np.float32),
            "device": "cuda:1",
            "bytes": b"ab\xff",
            "set": {1, 2},
            "empty": {},
            3: [[[[1]]]],
        },
    }


def main() -> None:
    """Write the files; needs PyTorch."""
    import torch

    values = expected()
    base = torch.arange(24.0).reshape(2, 3, 4)
    integers = torch.tensor([[0, 1, 2], [3, 0, 1]])
    network = torch.nn.Sequential(
        torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU(), torch.nn.Linear(3, 2)
    )
    network.load_state_dict({n: torch.from_numpy(a) for n, a in values["network"].items()})
    content: dict[str, Any] = {
        "dtypes": {kind: integers.to(getattr(torch, kind)) for kind in KINDS},
        "views": {
            "transposed": base.transpose(1, 2),
            "stepped": base[:, ::2, 1:],
            "expanded": torch.ones(1, 1).expand(3, 4),
            "0-d": torch.tensor(3.5),
            "empty": torch.empty(0, 3),
            "whole": torch.nn.Parameter(base),
            "again": base,
            "part": base.view(-1)[5:9],
            "part of uint16": torch.arange(10).to(torch.uint16)[3:6],
        },
        "network": network.state_dict(),
        "nested": values["nested"]
        | {
            "model": collections.OrderedDict(w=torch.arange(3.0, dtype=torch.float64)),
            "size": torch.Size([1, 2]),
            "dtype": torch.float32,
            "device": torch.device("cuda:1"),
        },
        "module": torch.nn.Linear(1, 1),
        "scalar": {"best": np.float64(0.5)},
        "complex": {"z": torch.ones(2, dtype=torch.complex64)},
    }
    for name, thing in content.items():
        torch.save(thing, FILES / f"{name}.pt")
    old = FILES / "before_1_6.pt"
    torch.save(network.state_dict(), old, _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
