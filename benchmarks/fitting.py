"""What `Model.fit` costs beside a loop over the bare compiled step, on the same batches."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

import neurona as ne
from neurona import nn, optim, random, train
from neurona.data import Loader

Record = dict[str, Any]
BARE, FIT, MEASURED = "bare loop", "fit", "fit, accuracy"


@dataclass(frozen=True, slots=True)
class Network:
    """widths: of the layers, ReLU between. batch: samples in a step. batches: in an epoch."""

    widths: tuple[int, ...]
    batch: int
    batches: int


NETWORKS: Mapping[str, Network] = {
    "mlp": Network((784, 512, 512, 10), 128, 100),
    "nielsen": Network((784, 30, 10), 10, 1000),
}


def fitting(network: Network, *, rounds: int, epochs: int, seed: int) -> list[Record]:
    """Milliseconds a step of each way to train, and their ratio to the bare loop.

    Ways are interleaved: each round trains `epochs` epochs in each. The ratio is the median of the
    rounds' ratios, the time that of the fastest round.
    """
    rng = np.random.default_rng(seed)
    samples = network.batch * network.batches
    x = rng.normal(size=(samples, network.widths[0])).astype(np.float32)
    y = rng.integers(0, network.widths[-1], samples)
    ways = {
        BARE: _bare(network, x, y, epochs),
        FIT: _fit(network, x, y, epochs, []),
        MEASURED: _fit(network, x, y, epochs, ["accuracy"]),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # compiles
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - began)
    steps = epochs * network.batches
    pairs = {name: zip(seconds, spent[BARE], strict=True) for name, seconds in spent.items()}
    return [
        {
            "name": name,
            "ms": 1e3 * min(spent[name]) / steps,
            "ratio": statistics.median(mine / bare for mine, bare in pairs[name]),
        }
        for name in ways
    ]


def fitting_table(name: str, network: Network, records: list[Record]) -> Table:
    """The figures for people."""
    widths = "-".join(map(str, network.widths))
    table = Table(title=f"{name}: {widths}, Adam, batch {network.batch}")
    table.add_column("", no_wrap=True)
    table.add_column("ms a step", justify="right")
    table.add_column("÷ bare loop", justify="right")
    for record in records:
        table.add_row(record["name"], f"{record['ms']:.4f}", f"{record['ratio']:.3f}")
    return table


def _layers(network: Network) -> nn.Sequential:
    random.seed(0)
    layers: list[nn.Module] = []
    for wide, narrow in zip(network.widths, network.widths[1:], strict=False):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _bare(network: Network, x: Any, y: Any, epochs: int) -> Callable[[], Any]:
    layers = _layers(network)
    optimizer = optim.Adam(layers.parameters())
    loader = Loader(x, y, batch_size=network.batch)

    @ne.compile
    def step(inputs: Any, labels: Any) -> Any:
        loss = nn.functional.cross_entropy(layers(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    def run() -> float:
        for epoch in range(epochs):
            for inputs, labels in loader.epoch(epoch):
                loss = step(inputs, labels)
        return float(loss.item())

    return run


def _fit(
    network: Network, x: Any, y: Any, epochs: int, metrics: list[str]
) -> Callable[[], train.History]:
    layers = _layers(network)
    model = train.Model(layers)
    model.compile(optim.Adam(layers.parameters()), "cross_entropy", metrics)
    return lambda: model.fit(x, y, epochs=epochs, batch_size=network.batch, verbose=False)
