"""Layers of a network chosen by name: to be frozen, or to learn at rates of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from neurona.core.errors import ArgumentError, nearest
from neurona.core.variable import Variable
from neurona.nn.module import Module


def parameter_groups(
    network: Module, learning_rates: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """The parameters of a network as groups for an optimiser, some with rates of their own.

    learning_rates: by the name of a layer ("body", "body.0") or of a parameter ("body.0.bias").
        The longest name that fits counts. What is not named has the optimiser's rate.
    Raises `ArgumentError` with the nearest name.

    >>> from neurona import nn, optim, train
    >>> network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> groups = train.parameter_groups(network, {"0": 1e-4})
    >>> optimizer = optim.Adam(groups, learning_rate=1e-3)
    >>> [round(float(group.learning_rate.numpy()), 6) for group in optimizer.groups]
    [0.001, 0.0001]
    """
    rates = dict(learning_rates or {})
    for name in rates:
        require(network, name, "learning_rates")
    chosen: dict[str | None, list[Variable]] = {None: [], **{name: [] for name in rates}}
    for path, parameter in network.named_parameters():
        fitting = [name for name in rates if is_in(path, name)]
        chosen[max(fitting, key=len) if fitting else None].append(parameter)
    groups: list[dict[str, Any]] = []
    for layer, parameters in chosen.items():
        if parameters:
            own = {} if layer is None else {"learning_rate": rates[layer]}
            groups.append({"parameters": parameters, **own})
    return groups


def learning_parameters(network: Module, frozen: Iterable[str] = ()) -> list[tuple[str, Variable]]:
    """The parameters that training changes, by name: those that want a gradient and are not frozen.

    >>> from neurona import nn
    >>> network = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    >>> [name for name, parameter in learning_parameters(network, ["0"])]
    ['1.weight', '1.bias']
    """
    names = tuple(frozen)
    return [
        (path, parameter)
        for path, parameter in network.named_parameters()
        if parameter.requires_grad and not any(is_in(path, name) for name in names)
    ]


@contextmanager
def training_mode(network: Module, frozen: Iterable[str]) -> Iterator[None]:
    """Training mode for the network, except for the layers named: these stay as they are.

    Their parameters get no gradient and no update, and they run as in evaluation: batch
    normalisation uses its running statistics and leaves them alone, dropout is off. At the end all
    modes are as they were.
    """
    names = tuple(frozen)
    held = [
        parameter
        for path, parameter in network.named_parameters()
        if parameter.requires_grad and any(is_in(path, name) for name in names)
    ]
    with _modes_kept(network):
        for path, module in network.named_modules():
            module.training = not any(is_in(path, name) for name in names)
        try:
            for parameter in held:
                parameter.requires_grad = False
            yield
        finally:
            for parameter in held:
                parameter.requires_grad = True


@contextmanager
def evaluation_mode(network: Module) -> Iterator[None]:
    """Evaluation mode for the network; at the end all modes are as they were."""
    with _modes_kept(network):
        network.eval()
        yield


@contextmanager
def _modes_kept(network: Module) -> Iterator[None]:
    before = [(module, module.training) for module in network.modules()]
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


def check_frozen(network: Module, frozen: Iterable[str] | str) -> tuple[str, ...]:
    """The names of layers to freeze.

    Raises `ArgumentError` with the nearest name, and when nothing would be left to learn.
    """
    names = (frozen,) if isinstance(frozen, str) else tuple(frozen)
    for name in names:
        require(network, name, "frozen")
    if names and not learning_parameters(network, names):
        raise ArgumentError("frozen: every parameter would be frozen; there is nothing to learn")
    return names


def require(network: Module, name: str, who: str) -> None:
    """Raise `ArgumentError` unless a layer or a parameter of the network has the name."""
    known = [path for path, _ in network.named_modules() if path]
    known += [path for path, _ in network.named_parameters()]
    if name not in known:
        raise ArgumentError(
            f"{who}: the network has no layer {name!r}{nearest(str(name), known)} "
            f"(layers: {', '.join(path for path, _ in network.named_children())})"
        )


def is_in(path: str, name: str) -> bool:
    """Whether a layer or parameter is the one of that name, or inside it."""
    return path == name or path.startswith(f"{name}.")
