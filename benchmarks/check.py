"""Correctness before speed: does a framework compute what the reference computes?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.case import Arrays, Tolerance
from benchmarks.operation import Expected


class MismatchError(Exception):
    """A framework's losses or state differ from the reference's; it is not timed."""


@dataclass(frozen=True)
class Trace:
    """What a framework did in the checked steps: a loss per step, and the state after them."""

    losses: list[float]
    state: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Deviation:
    """How far a trace is from the reference; both as `Tolerance` defines them."""

    loss: float
    change: float


def compare(
    trace: Trace,
    reference: Trace,
    *,
    initial: Arrays,
    tolerance: Tolerance,
    undetermined: Iterable[str] = (),
) -> Deviation:
    """The largest deviations from the reference; MismatchError beyond the tolerance."""
    if len(trace.losses) != len(reference.losses):
        raise MismatchError(f"{len(trace.losses)} losses, expected {len(reference.losses)}")
    ours, theirs = np.array(trace.losses), np.array(reference.losses)
    if not np.all(np.isfinite(ours)):
        step = int(np.argmin(np.isfinite(ours)))
        raise MismatchError(f"the loss at step {step} is {ours[step]}")
    errors = np.abs(ours - theirs) / np.abs(theirs)
    if (worst := float(errors.max())) > tolerance.loss:
        step = int(np.argmax(errors > tolerance.loss))
        raise MismatchError(
            f"the loss at step {step} is {ours[step]:.7g}, the reference has {theirs[step]:.7g}:"
            f" {errors[step]:.1e} apart, {tolerance.loss:.0e} allowed"
        )
    changes = {
        name: _relative_change(name, trace.state, reference.state[name], start)
        for name, start in initial.items()
        if name not in set(undetermined)
    }
    name = max(changes, key=lambda name: changes[name])
    if changes[name] > tolerance.change:
        raise MismatchError(
            f"after {len(ours)} steps {name!r} is off by {changes[name]:.1e} of the way it moved"
            f" in the reference, {tolerance.change:.0e} allowed"
        )
    return Deviation(loss=worst, change=changes[name])


def _relative_change(
    name: str, state: Mapping[str, np.ndarray], reference: np.ndarray, start: np.ndarray
) -> float:
    if name not in state:
        raise MismatchError(f"the state lacks {name!r}")
    if state[name].shape != reference.shape:
        raise MismatchError(
            f"{name!r} has shape {state[name].shape}, the reference {reference.shape}"
        )
    distance = float(np.linalg.norm(state[name].astype(np.float64) - reference))
    moved = float(np.linalg.norm(reference.astype(np.float64) - start))
    if not np.isfinite(distance):
        return float("inf")
    if moved == 0:
        return 0.0 if distance == 0 else float("inf")
    return distance / moved


def compare_values(arrays: Sequence[np.ndarray], expected: Sequence[Expected]) -> float:
    """The largest error ÷ allowed error of the results; MismatchError where it is above 1."""
    if len(arrays) != len(expected):
        raise MismatchError(f"{len(arrays)} results, expected {len(expected)}")
    return max(
        _largest_error(number, array, right)
        for number, (array, right) in enumerate(zip(arrays, expected, strict=True))
    )


def _largest_error(number: int, array: np.ndarray, expected: Expected) -> float:
    if array.dtype != np.float32:
        raise MismatchError(f"result {number} is {array.dtype}, not float32")
    if array.shape != expected.value.shape:
        raise MismatchError(f"result {number} has shape {array.shape}, not {expected.value.shape}")
    errors = np.asarray(np.abs(array - expected.value) / expected.allowed)
    errors[~(errors >= 0)] = np.inf  # where it is NaN
    place = np.unravel_index(np.argmax(errors), errors.shape)
    if (worst := float(errors[place])) > 1:
        at = f"[{', '.join(str(int(index)) for index in place)}]" if place else ""
        raise MismatchError(
            f"result {number}{at} is {array[place]:.7g} instead of {expected.value[place]:.7g}:"
            f" {worst:.1e} times as far as rounding may lead"
        )
    return worst
