"""Nielsen's digits: 784-30-10 sigmoid units, quadratic cost, stochastic gradient descent.

Nielsen, "Neural networks and deep learning" (2015), chapter 1. `examples/nielsen.toml` is the same
run as a configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurona import nn, optim, random
from neurona.core.errors import ArgumentError
from neurona.data.dataset import Dataset
from neurona.data.encoding import encode_targets
from neurona.train.history import History
from neurona.train.model import Model
from neurona.train.preprocessing import Division


@dataclass(frozen=True, kw_only=True, slots=True)
class NielsenConfig:
    """hidden: h in 784-h-10. learning_rate: η, of the cost averaged over a batch."""

    hidden: int = 30
    learning_rate: float = 3.0
    batch_size: int = 10
    epochs: int = 30
    seed: int = 0


def nielsen_network(inputs: int, classes: int, config: NielsenConfig) -> nn.Sequential:
    """Pictures (batch, row, column) of `inputs` pixels to one sigmoid a class; all N(0, 1)."""
    random.seed(config.seed)
    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, config.hidden),
        nn.Sigmoid(),
        nn.Linear(config.hidden, classes),
        nn.Sigmoid(),
    )
    weights_first = sorted(network.parameters(), key=lambda parameter: -parameter.ndim)
    for parameter in weights_first:
        nn.init.normal(parameter, std=1.0)
    return network


def train_nielsen(
    training: Dataset, test: Dataset, config: NielsenConfig | None = None, *, verbose: bool = True
) -> tuple[Model, History]:
    """Train on pictures of bytes 0…255, measuring on `test` after each epoch.

    >>> from neurona.data import mnist
    >>> model, history = train_nielsen(*mnist())  # doctest: +SKIP
    """
    config = config or NielsenConfig()
    if training.inputs.ndim != 3 or not training.classes:
        raise ArgumentError(f"train_nielsen: pictures with classes are needed, not {training!r}")
    pixels, classes = training.inputs[0].size, len(training.classes)
    network = nielsen_network(pixels, classes, config)
    model = Model(network, preprocessing=Division(255), classes=training.classes)
    model.compile(
        optim.SGD(network.parameters(), learning_rate=config.learning_rate),
        loss="quadratic_cost",
        metrics=["accuracy"],
    )
    history = model.fit(
        training.inputs,
        encode_targets(training.targets, classes),
        epochs=config.epochs,
        batch_size=config.batch_size,
        validation_data=(test.inputs, encode_targets(test.targets, classes)),
        seed=config.seed,
        verbose=verbose,
    )
    return model, history
