"""What all optimisers share: groups of parameters, their slots, the step, saving."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from neurona.core.dtypes import DType, float32, is_float
from neurona.core.errors import ArgumentError, CheckpointError, TraceError, nearest
from neurona.core.op import Array
from neurona.core.tensor import Tensor
from neurona.core.trace import STATE, Modes, set_grad_enabled
from neurona.core.variable import Variable
from neurona.nn.state import load_variables
from neurona.ops.operand import cast

Slots = Mapping[str, Tensor]
"""What an algorithm keeps for a parameter, by name."""


class Group:
    """Parameters that share a learning rate and options.

    slots: for each parameter what the algorithm keeps, by name.
    """

    def __init__(
        self, parameters: Sequence[Variable], learning_rate: Variable, options: dict[str, Any]
    ) -> None:
        self.parameters = tuple(parameters)
        self.learning_rate = learning_rate
        self.options = options
        self.slots: list[dict[str, Variable]] = [{} for _ in self.parameters]


class Optimizer:
    """The base of all optimisers; an algorithm defines `init_single` and `apply_single`.

    parameters: Variables, as `model.parameters()` gives, or groups: dictionaries with "parameters"
        and any of the algorithm's options, "learning_rate" among them.
    learning_rate: becomes a 0-d Variable, so that assigning another value compiles nothing anew.

    `step()` takes the gradients that `loss.backward()` left, changes the parameters and clears the
    gradients. Parameters that are frozen or got no gradient stay, and so do their slots. Half
    floats are updated in float32 and their slots are float32.

    >>> import neurona as ne
    >>> from neurona import optim
    >>> w = ne.Variable([1.0, 2.0])
    >>> optimizer = optim.SGD([w], learning_rate=0.5)
    >>> ne.sum(w * w).backward()
    >>> optimizer.step()
    >>> w.numpy()
    array([0., 0.], dtype=float32)
    """

    def __init__(
        self,
        parameters: Iterable[Variable] | Iterable[Mapping[str, Any]],
        learning_rate: float,
        **options: Any,
    ) -> None:
        self._rate = self._new_rate(learning_rate)
        self.check(SimpleNamespace(**options))
        self.groups: list[Group] = []
        self._revision = 0
        if not isinstance(parameters, Iterable) or isinstance(parameters, Tensor):
            raise self._error(
                f"parameters must be several Variables, not a {type(parameters).__name__}; "
                "give model.parameters()"
            )
        given = list(parameters)
        if given and not isinstance(given[0], Mapping):
            given = [{"parameters": given}]
        for entry in given:
            self._add(entry, options)
        if not any(group.parameters for group in self.groups):
            raise self._error("there are no parameters to learn")

    # --- what an algorithm defines ---

    def init_single(self, parameter: Tensor, options: Any) -> Mapping[str, Array]:
        """The slots of one parameter before its first step."""
        return {}

    def apply_single(
        self, parameter: Tensor, gradient: Tensor, slots: Slots, options: Any
    ) -> tuple[Tensor, Slots]:
        """The parameter and its slots after a step.

        options: the group's, as attributes; `learning_rate` is a 0-d tensor of the parameter's
            dtype.
        """
        raise NotImplementedError(f"{type(self).__name__} must define apply_single")

    def check(self, options: Any) -> None:
        """Raise `ArgumentError` for an option out of range."""

    # --- learning ---

    @property
    def learning_rate(self) -> Variable:
        """The learning rate of the groups that have none of their own; assign numbers to it."""
        return self._rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._rate.assign(self._rate_value(value))

    @property
    def rates(self) -> list[Variable]:
        """The learning rates, each once: that of `learning_rate` first, then those of groups."""
        own = [group.learning_rate for group in self.groups]
        return list({id(rate): rate for rate in [self._rate, *own]}.values())

    @property
    def parameters(self) -> list[Variable]:
        """The parameters of all groups."""
        return [parameter for group in self.groups for parameter in group.parameters]

    def step(self) -> None:
        """Update the parameters with their gradients, and clear these.

        Raises `ArgumentError` when no parameter has a gradient.
        """
        if STATE.trace is not None:
            STATE.trace.guard(lambda: self._revision)
        updated = False
        with set_grad_enabled(False):
            for group in self.groups:
                options: dict[DType, Any] = {}
                for parameter, slots in zip(group.parameters, group.slots, strict=True):
                    gradient, parameter.grad = parameter.grad, None
                    if gradient is None or not parameter.requires_grad:
                        continue
                    dtype = working_dtype(parameter)
                    if dtype not in options:
                        rate = cast(group.learning_rate, dtype)
                        options[dtype] = SimpleNamespace(learning_rate=rate, **group.options)
                    self._update(parameter, cast(gradient, dtype), slots, options[dtype])
                    updated = True
        if not updated:
            raise self._error("step: no parameter has a gradient; call loss.backward() before")

    def _update(
        self, parameter: Variable, gradient: Tensor, slots: dict[str, Variable], options: Any
    ) -> None:
        value = cast(parameter, gradient.dtype)
        new, new_slots = self.apply_single(value, gradient, slots, options)
        parameter.assign(cast(new, parameter.dtype))
        for name, slot in new_slots.items():
            slots[name].assign(slot)

    def zero_grad(self) -> None:
        """Throw the gradients away without a step."""
        for parameter in self.parameters:
            parameter.grad = None

    # --- groups and options ---

    def set_options(self, group: int | None = None, **options: Any) -> None:
        """Change options of one group or of all, as in `set_options(momentum=0.95)`.

        A compiled function that steps this optimiser is compiled again. The learning rate has a
        Variable and changes without: see `learning_rate`.
        """
        if STATE.trace is not None:
            raise TraceError(f"{self._name}: set options outside of the compiled function")
        groups = self.groups if group is None else [self.groups[group]]
        merged = [self._merged(options, chosen.options) for chosen in groups]
        for chosen, new in zip(groups, merged, strict=True):
            chosen.options = new
            self._make_slots(chosen)
        self._revision += 1
        Modes.changed()

    def _merged(self, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
        for name in given:
            if name not in defaults:
                raise self._error(
                    f"{name!r} is no option; there are {', '.join(defaults) or 'none'}"
                    f"{nearest(name, defaults)}"
                )
        merged = {**defaults, **given}
        self.check(SimpleNamespace(**merged))
        return merged

    def _add(self, entry: Any, defaults: dict[str, Any]) -> None:
        if not isinstance(entry, Mapping) or "parameters" not in entry:
            raise self._error('a group is a dictionary with "parameters", or give Variables alone')
        rest = {key: value for key, value in entry.items() if key != "parameters"}
        rate = self._rate
        if "learning_rate" in rest:
            rate = self._new_rate(rest.pop("learning_rate"))
        parameters = list(entry["parameters"])
        known = {id(parameter) for parameter in self.parameters}
        for parameter in parameters:
            if not isinstance(parameter, Variable):
                raise self._error(f"a parameter is a Variable, not a {type(parameter).__name__}")
            if not is_float(parameter.dtype):
                raise self._error(
                    f"the parameter {parameter.name!r} is {parameter.dtype}; only floats are learnt"
                )
            if id(parameter) in known:
                raise self._error(f"the parameter {parameter.name!r} is given twice")
            known.add(id(parameter))
        group = Group(parameters, rate, self._merged(rest, defaults))
        self._make_slots(group)
        self.groups.append(group)

    def _make_slots(self, group: Group) -> None:
        options = SimpleNamespace(**group.options)
        with set_grad_enabled(False):
            for parameter, slots in zip(group.parameters, group.slots, strict=True):
                value = Tensor(parameter._resolve(None))
                first = self.init_single(cast(value, working_dtype(parameter)), options)
                for name, array in first.items():
                    if name not in slots:
                        slots[name] = Variable(array, name, requires_grad=False)

    def _new_rate(self, value: float) -> Variable:
        return Variable(self._rate_value(value), "learning_rate", requires_grad=False)

    def _rate_value(self, value: float) -> Any:
        number = float(value)
        if not (number >= 0 and math.isfinite(number)):
            raise self._error(f"learning_rate must be finite and not negative, {number} is not")
        return np.float64(number)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _error(self, text: str) -> ArgumentError:
        return ArgumentError(f"{self._name}: {text}")

    # --- state ---

    def _slots(self) -> dict[str, Variable]:
        slots = [kept for group in self.groups for kept in group.slots]
        return {f"{i}.{name}": slot for i, kept in enumerate(slots) for name, slot in kept.items()}

    def state_dict(self) -> dict[str, Any]:
        """The slots as NumPy arrays and, fit for JSON, the groups with their options.

        "slots": "number of the parameter.name of the slot" → array.
        """
        return {
            "algorithm": self._name,
            "groups": [
                {
                    "parameters": len(group.parameters),
                    "learning_rate": float(group.learning_rate.numpy()),
                    **{name: _plain(value) for name, value in group.options.items()},
                }
                for group in self.groups
            ],
            "slots": {name: slot.numpy() for name, slot in self._slots().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave for an optimiser of the same parameters.

        Raises `CheckpointError` when it does not fit; then nothing has been changed.
        """
        problem = self._misfit(state)
        if problem:
            raise CheckpointError(f"{self._name}: the state does not fit: {problem}")
        try:
            options = [self._saved_options(saved) for saved in state["groups"]]
            rates = [self._rate_value(saved["learning_rate"]) for saved in state["groups"]]
        except ArgumentError as error:
            raise CheckpointError(f"the state does not fit: {error}") from error
        load_variables(self._name, self._slots(), state["slots"], strict=True)
        for group, rate, new in zip(self.groups, rates, options, strict=True):
            group.learning_rate.assign(rate)
            group.options = new
        self._revision += 1
        Modes.changed()

    def _saved_options(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        given = {k: v for k, v in saved.items() if k not in ("parameters", "learning_rate")}
        tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        return self._merged(tuples, self.groups[0].options)

    def _misfit(self, state: Mapping[str, Any]) -> str | None:
        missing = {"algorithm", "groups", "slots"} - state.keys()
        if missing:
            return f"it lacks {', '.join(sorted(missing))}"
        if state["algorithm"] != self._name:
            return f"it is of {state['algorithm']}"
        sizes = [saved.get("parameters") for saved in state["groups"]]
        here = [len(group.parameters) for group in self.groups]
        if sizes != here:
            return f"its groups have {sizes} parameters, these {here}"
        for i, saved in enumerate(state["groups"]):
            lacking = {"learning_rate", *self.groups[i].options} - saved.keys()
            if lacking:
                return f"group {i} lacks {', '.join(sorted(lacking))}"
        return None

    def __repr__(self) -> str:
        rate = float(self._rate.numpy())
        options = ", ".join(f"{k}={v}" for k, v in self.groups[0].options.items())
        return f"{self._name}(learning_rate={rate}{', ' + options if options else ''})"


def working_dtype(parameter: Tensor) -> DType:
    """The dtype in which a parameter is updated: its own, float32 for half floats."""
    return float32 if parameter.dtype.itemsize == 2 else parameter.dtype


def zeros(parameter: Tensor) -> Array:
    """A slot that starts at 0."""
    return np.zeros(parameter.shape, parameter.dtype)


def need(who: str, condition: bool, text: str) -> None:
    """Raise `ArgumentError` unless the condition holds."""
    if not condition:
        raise ArgumentError(f"{who}: {text}")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
