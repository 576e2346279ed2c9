"""The frameworks that are compared, and the variants in which each may be at its best."""

from __future__ import annotations

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
    """A framework: `package` must be importable, `build` picks the case's build.

    Every variant is run in its own process; the fastest stands for the peer.
    """

    name: str
    package: str
    build: str
    variants: tuple[Variant, ...] = (Variant("default", {}),)

    def installed(self) -> bool:
        """Whether the package can be imported; it is not imported here."""
        return importlib.util.find_spec(self.package) is not None


NEURONA = Peer("neurona", package="neurona", build="neurona")
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
# Whose loss curve the others must follow: the first of these that is installed.
REFERENCES = (TORCH, JAX)


def parse_peers(text: str, *, max_autotune: bool) -> list[Peer]:
    """The peers of a comma-separated list; ValueError for an unknown or repeated name."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in PEERS:
            raise ValueError(nearest_name("peer", name, list(PEERS)))
        if names.count(name) > 1:
            raise ValueError(f"peer {name!r} is named {names.count(name)} times.")
    peers = [PEERS[name] for name in names]
    if max_autotune:
        peers = [
            Peer(p.name, p.package, p.build, (*p.variants, MAX_AUTOTUNE))
            if p is TORCH_COMPILE
            else p
            for p in peers
        ]
    return peers
