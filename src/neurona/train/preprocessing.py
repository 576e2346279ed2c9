"""What is done to inputs before a network sees them; kept in the model file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, CheckpointError, DTypeError, ShapeError, nearest
from neurona.data.standardize import Standardizer


class Preprocessing(Protocol):
    """Inputs `(sample, …)` as in the data files to inputs for the network."""

    def transform(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """The inputs for the network, floating."""
        ...

    def state(self) -> Mapping[str, Any]:
        """What `from_state` needs, as arrays and numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Division:
    """x / divisor, as float32: pixels 0…255 to 0…1.

    >>> Division(255).transform(np.array([[0, 51, 255]], dtype=np.uint8))
    array([[0. , 0.2, 1. ]], dtype=float32)
    """

    divisor: float

    def __post_init__(self) -> None:
        number = self.divisor
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ArgumentError(f"Division: the divisor is a number, not {number!r}")
        if number == 0 or not math.isfinite(number):
            raise ArgumentError(f"Division: the divisor must be finite and not 0, not {number}")

    def transform(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return inputs / divisor; floating inputs keep their dtype, others become float32."""
        inputs = np.asarray(inputs)
        if inputs.dtype.kind not in "biuf":
            raise DTypeError(f"Division: inputs must be numbers, found {inputs.dtype}")
        dtype = inputs.dtype if inputs.dtype.kind == "f" else np.dtype(np.float32)
        result: NDArray[Any] = np.divide(inputs, self.divisor, dtype=dtype)
        return result

    def state(self) -> dict[str, float]:
        """Return the divisor by name.

        >>> Division(16).state()
        {'divisor': 16}
        """
        return {"divisor": self.divisor}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Division:
        """Return the Division whose `state` this is. Raises CheckpointError if it is none."""
        if set(state) != {"divisor"}:
            raise CheckpointError(f"Division: state must hold 'divisor', found {sorted(state)}")
        try:
            return cls(state["divisor"])
        except ArgumentError as error:
            raise CheckpointError(str(error)) from None


@dataclass(frozen=True, slots=True)
class ChannelsFirst:
    """Pictures as files have them to pictures as convolutions take them, after `first`.

    (sample, row, column) becomes (sample, 1, row, column), (sample, row, column, channel) becomes
    (sample, channel, row, column). `first`: what is done to the numbers, e.g. a `Division`.
    Raises `ShapeError` for other inputs.

    >>> ChannelsFirst(Division(255)).transform(np.zeros((5, 28, 30, 3), np.uint8)).shape
    (5, 3, 28, 30)
    """

    first: Preprocessing | None = None

    def transform(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Return the pictures with the channels in front."""
        inputs = np.asarray(inputs)
        if inputs.ndim not in (3, 4):
            raise ShapeError(
                f"ChannelsFirst: inputs {inputs.shape} must be pictures, (sample, row, column) or "
                "(sample, row, column, channel)"
            )
        if self.first is not None:
            inputs = self.first.transform(inputs)
        if inputs.ndim == 3:
            return inputs[:, None]
        return np.ascontiguousarray(np.moveaxis(inputs, -1, 1))

    def state(self) -> dict[str, Any]:
        """Return the description of `first`.

        >>> ChannelsFirst(Division(255)).state()
        {'first': {'kind': 'division', 'divisor': 255}}
        """
        return {"first": to_json(self.first)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ChannelsFirst:
        """Return what has this `state`. Raises CheckpointError if nothing has."""
        if set(state) != {"first"}:
            raise CheckpointError(f"ChannelsFirst: state must hold 'first', found {sorted(state)}")
        first = state["first"]
        if isinstance(first, Mapping) and first.get("kind") == "channels first":
            raise CheckpointError("ChannelsFirst: 'first' holds another of the kind")
        return cls(from_json(first))


_KINDS: dict[str, type[Division] | type[Standardizer] | type[ChannelsFirst]] = {
    "division": Division,
    "standardizer": Standardizer,
    "channels first": ChannelsFirst,
}


def to_json(preprocessing: Preprocessing | None) -> dict[str, Any] | None:
    """The preprocessing as plain data. Raises `ArgumentError` for one of a kind not known.

    >>> to_json(Division(255))
    {'kind': 'division', 'divisor': 255}
    """
    if preprocessing is None:
        return None
    for kind, cls in _KINDS.items():
        if type(preprocessing) is cls:
            state = preprocessing.state().items()
            plain = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in state}
            return {"kind": kind, **plain}
    names = ", ".join(cls.__name__ for cls in _KINDS.values())
    raise ArgumentError(
        f"save: preprocessing by {type(preprocessing).__name__} cannot be kept; there are {names}"
    )


def from_json(description: Any) -> Preprocessing | None:
    """What `to_json` described. Raises `CheckpointError` when it is not such a description."""
    if description is None:
        return None
    if not isinstance(description, Mapping) or not isinstance(description.get("kind"), str):
        raise CheckpointError("preprocessing: a 'kind' with its state is needed")
    kind = description["kind"]
    if kind not in _KINDS:
        raise CheckpointError(f"preprocessing: unknown kind {kind!r}{nearest(kind, _KINDS)}")
    made: Preprocessing = _KINDS[kind].from_state(
        {name: value for name, value in description.items() if name != "kind"}
    )
    return made
