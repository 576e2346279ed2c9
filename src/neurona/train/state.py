"""Everything that a run depends on, as a description and arrays, and back into place.

What is taken is enough to go on bit for bit, also in the middle of an epoch: weights and buffers,
the optimiser's slots and rates, random generators, the position in the data, the sums of the epoch
so far, gradients collected for the next update, the history, and the callbacks' states.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from neurona.core.errors import CheckpointError
from neurona.core.op import Array
from neurona.core.tree import flatten, unflatten
from neurona.core.variable import Variable
from neurona.nn.module import Module
from neurona.nn.state import load_variables
from neurona.ops.create import asarray
from neurona.ops.generator import DEFAULT, Generator
from neurona.train import architecture
from neurona.train.carried import arrays_of, begin
from neurona.train.history import History
from neurona.train.losses import describe_loss
from neurona.train.target_scaling import scaling_to_json

if TYPE_CHECKING:
    from neurona.train.loop import Training

Arrays = dict[str, Array]
NOT_FINITE = "not finite"


def settings_of(training: Training) -> dict[str, Any]:
    """What must be the same when a run is resumed, fit for JSON."""
    model, optimizer = training.model, training.rates.optimizer
    initial = {id(rate): value for rate, value in training.rates.with_initial()}
    schedule = training.rates.schedule
    own = getattr(model.loss, "__qualname__", type(model.loss).__name__)
    known = None if model.loss is None else describe_loss(model.loss)
    return {
        "network": architecture.describe(model.network),
        "loss": known or model.loss_name or own,
        "target_scaling": scaling_to_json(model.target_scaling),
        "metrics": [_named(metric) for metric in model.metrics],
        "optimizer": {
            "algorithm": type(optimizer).__name__,
            "groups": [
                {
                    "parameters": len(group.parameters),
                    "learning_rate": initial[id(group.learning_rate)],
                    **{name: _listed(value) for name, value in group.options.items()},
                }
                for group in optimizer.groups
            ],
        },
        "schedule": None if schedule is None else _named(schedule),
        "update": asdict(training.steps.update),
        "frozen": list(model.frozen),
        **({"carry_state": True} if training.carry else {}),
        "callbacks": [type(callback).__name__ for callback in training.callbacks],
        "training data": training.training.fingerprint(),
        "validation data": training.validation and training.validation.fingerprint(),
    }


def difference(saved: Any, now: Any, place: str = "") -> str | None:
    """The first place where settings differ, in words; None if they are the same."""
    if isinstance(saved, Mapping) and isinstance(now, Mapping):
        for name in {**saved, **now}:
            found = difference(saved.get(name), now.get(name), f"{place}.{name}".lstrip("."))
            if found:
                return found
        return None
    if isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        for i, pair in enumerate(zip(saved, now, strict=True)):
            found = difference(*pair, f"{place}[{i}]")
            if found:
                return found
        return None
    return None if saved == now else f"{place} was {saved!r} and is {now!r}"


def take(training: Training) -> tuple[dict[str, Any], Arrays]:
    """The state of a run between two batches."""
    model, steps = training.model, training.steps
    optimizer = training.rates.optimizer.state_dict()
    arrays = _under("network", {n: v.numpy() for n, v in _variables(model.network)})
    arrays |= _under("slots", optimizer.pop("slots"))
    arrays |= _under("totals", steps.training.state())
    if steps.collected_samples:
        arrays |= _under("collected", {n: v.numpy() for n, v in steps.collected.items()})
    if training.carried is not None:
        arrays |= _under("carried", arrays_of(training.carried))
    callbacks = []
    for i, callback in enumerate(training.callbacks):
        state = dict(callback.state())
        own = {name: state.pop(name) for name in list(state) if isinstance(state[name], np.ndarray)}
        arrays |= _under(f"callbacks.{i}", own)
        callbacks.append(state)
    description = {
        "first": training.first,
        "epochs_done": model.epochs_done,
        "steps_done": model.steps_done,
        "batch": training.batch,
        "seconds": training.seconds,
        "waited": training.waited,
        "collected_samples": steps.collected_samples,
        "optimizer": optimizer,
        "initial_rates": training.rates.initial,
        "random": {name: generator.state for name, generator in _generators(model.network)},
        "history": training.history.state(),
        "callbacks": callbacks,
    }
    encoded: dict[str, Any] = encode(description)
    return encoded, arrays


def restore(training: Training, description: Mapping[str, Any], arrays: Arrays) -> None:
    """Put a state into place. Raises `CheckpointError` for one that does not fit."""
    try:
        _restore(training, decode(description), arrays)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"the state does not fit: {error}") from None


def _restore(training: Training, state: dict[str, Any], arrays: Arrays) -> None:
    model, steps, rates = training.model, training.steps, training.rates
    network = _of(arrays, "network")
    load_variables(
        type(model.network).__name__, dict(_variables(model.network)), network, strict=True
    )
    rates.optimizer.load_state_dict({**state["optimizer"], "slots": _of(arrays, "slots")})
    rates.initial = list(state["initial_rates"])
    steps.training.load_state(_of(arrays, "totals"))
    steps.load_collected(_of(arrays, "collected"), state["collected_samples"])
    if training.carry and state["batch"]:
        form = flatten(begin(model.network, training.training.batch_size))[1]
        saved = _of(arrays, "carried")
        leaves = [asarray(saved[str(i)]) for i in range(len(saved))]
        training.carried = unflatten(form, leaves)
    for name, generator in _generators(model.network):
        generator.state = state["random"][name]
    training.first = state["first"]
    training.batch = state["batch"]
    training.seconds, training.waited = state["seconds"], state["waited"]
    training.history = History.from_state(state["history"])
    training.history.interrupted = False
    training.callback_states = [
        {**plain, **_of(arrays, f"callbacks.{i}")} for i, plain in enumerate(state["callbacks"])
    ]
    model.epochs_done, model.steps_done = state["epochs_done"], state["steps_done"]


def _variables(network: Module) -> Iterator[tuple[str, Variable]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def _generators(network: Module) -> Iterator[tuple[str, Generator]]:
    """The default generator, and those that layers have for themselves."""
    yield "default", DEFAULT
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Generator) and value is not DEFAULT:
                yield f"{path}.{name}", value


def _under(prefix: str, arrays: Mapping[str, Array]) -> Arrays:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def _of(arrays: Arrays, prefix: str) -> Arrays:
    start = f"{prefix}."
    return {n.removeprefix(start): array for n, array in arrays.items() if n.startswith(start)}


def _named(thing: Any) -> str:
    """What a metric or schedule calls itself; its class where that would be a place in memory."""
    kind: Any = type(thing)
    return kind.__qualname__ if kind.__repr__ is object.__repr__ else repr(thing)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def encode(value: Any) -> Any:
    """Plain values fit for strict JSON, which has no NaN and no infinity.

    >>> decode(encode([float("-inf"), 1.0, {"a": None}]))
    [-inf, 1.0, {'a': None}]
    """
    if isinstance(value, Mapping):
        return {name: encode(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {NOT_FINITE: str(value)}
    return value


def decode(value: Any) -> Any:
    """What `encode` encoded."""
    if isinstance(value, dict):
        if set(value) == {NOT_FINITE}:
            return float(value[NOT_FINITE])
        return {name: decode(one) for name, one in value.items()}
    return [decode(one) for one in value] if isinstance(value, list) else value
