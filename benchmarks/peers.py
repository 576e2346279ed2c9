"""The frameworks that are compared, and the variants in which each may be at its best."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.case import nearest_name


@dataclass(frozen=True)
class Variant:
    """One way to run a framework: a name, and options for the case's build."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A framework: `package` and `also` must be importable, `build` picks the case's build.

    Every variant is run in its own process; the fastest stands for the peer. `keeps_code` says
    that compiled code is kept on disk and found again by the next process.
    """

    name: str
    package: str
    build: str
    variants: tuple[Variant, ...] = (Variant("default", {}),)
    also: tuple[str, ...] = ()
    keeps_code: bool = False

    def missing(self) -> str | None:
        """The first of its packages that is not installed; none is imported here."""
        packages = (self.package, *self.also)
        return next((name for name in packages if importlib.util.find_spec(name) is None), None)

    def label(self, variant: Variant) -> str:
        """What one of its variants is called."""
        return self.name if len(self.variants) == 1 else f"{self.name} ({variant.name})"


NEURONA = Peer("neurona", package="neurona", build="neurona", keeps_code=True)
TORCH = Peer(
    "torch",
    package="torch",
    build="torch",
    variants=(Variant("default", {}), Variant("fused", {"fused": True})),
)
TORCH_COMPILE = Peer(
    "torch-compile",
    package="torch",
    build="torch",
    variants=(
        Variant("fused", {"compile": "forward", "fused": True}),
        Variant("whole step", {"compile": "step"}),
    ),
    keeps_code=True,
)
MAX_AUTOTUNE = Variant(
    "max-autotune",
    {"compile": "forward", "fused": True, "mode": "max-autotune-no-cudagraphs"},
)
JAX = Peer(
    "jax",
    package="jax",
    build="jax",
    variants=(Variant("default", {}), Variant("sync dispatch", {"dispatch": "sync"})),
)
PEERS = {peer.name: peer for peer in (TORCH, TORCH_COMPILE, JAX)}
# Single operations and inference: PyTorch without gradients, ONNX Runtime.
CALL_PEERS = {
    "torch": Peer("torch", package="torch", build="torch"),
    "torch-compile": Peer(
        "torch-compile",
        package="torch",
        build="torch-compile",
        variants=(
            Variant("default", {"compile": True}),
            Variant("freezing", {"compile": True, "freezing": True}),
        ),
    ),
    "onnxruntime": Peer("onnxruntime", package="onnxruntime", build="onnxruntime", also=("onnx",)),
}
# Whose loss curve the others must follow: the first of these that is installed.
REFERENCES = (TORCH, JAX)


def parse_peers(
    text: str, *, known: Mapping[str, Peer] = PEERS, max_autotune: bool = False
) -> list[Peer]:
    """The peers of a comma-separated list; ValueError for an unknown or repeated name."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ValueError(nearest_name("peer", name, list(known)))
        if names.count(name) > 1:
            raise ValueError(f"peer {name!r} is named {names.count(name)} times.")
    peers = [known[name] for name in names]
    if max_autotune:
        peers = [
            dataclasses.replace(p, variants=(*p.variants, MAX_AUTOTUNE))
            if p is TORCH_COMPILE
            else p
            for p in peers
        ]
    return peers
