"""Module: the base of every layer and network."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from neurona.core.dtypes import as_dtype, is_float
from neurona.core.errors import ArgumentError, DTypeError, NeuronaError
from neurona.core.op import Array
from neurona.core.trace import STATE, Modes, Trace
from neurona.core.variable import Variable
from neurona.nn.running import RUNNING, path_of, title_of
from neurona.nn.state import LoadResult, load_variables
from neurona.nn.summary import Summary, summarize

PARAMETER, BUFFER, CHILD = "parameter", "buffer", "child"


class Module:
    """A layer or a network: parameters, buffers, child modules and a `forward`.

    Assigning makes members: a Variable becomes a parameter, a Module a child. What is state but is
    not learnt (running statistics) is entered with `register_buffer`. Names, order and `state_dict`
    keys are PyTorch's. All other attributes are options: a compiled function that used the module
    is compiled again when one of them is assigned another value, so `forward` must not assign them.
    A list or dict that is changed in place is not noticed; assign a new one.

    training: whether the module is in training mode (`train`, `eval`).

    >>> from neurona import nn
    >>> class Network(nn.Module):
    ...     def __init__(self):
    ...         self.hidden = nn.Linear(4, 3)
    ...         self.output = nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return self.output(nn.functional.relu(self.hidden(x)))
    >>> [name for name, _ in Network().named_parameters()]
    ['hidden.weight', 'hidden.bias', 'output.weight', 'output.bias']
    """

    training: bool
    _members: dict[str, str]
    _transient: set[str]
    _hooks_before: Hooks
    _hooks_after: Hooks
    _revision: int
    _recorded: weakref.ref[Trace] | None

    def __new__(cls, *_: Any, **__: Any) -> Self:
        module = super().__new__(cls)
        # Here and not in __init__, so that a subclass need not call super().__init__().
        module.__dict__.update(
            training=True,
            _members={},
            _transient=set(),
            _hooks_before={},
            _hooks_after={},
            _revision=0,
            _recorded=None,
        )
        return module

    # --- calling ---

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; subclasses define it, users call the module itself."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, …)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward` between the hooks."""
        trace = STATE.trace
        if trace is not None:
            self._guard(trace)
        running = RUNNING.stack
        running.append(self)
        try:
            for before in tuple(self._hooks_before.values()):
                replaced = before(self, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
            output = self.forward(*args, **kwargs)
            for after in tuple(self._hooks_after.values()):
                replaced = after(self, args, output)
                if replaced is not None:
                    output = replaced
            if RUNNING.observer is not None:
                RUNNING.observer(self, path_of(self), args, output)
        except NeuronaError as error:
            self._locate(error)
            raise
        finally:
            running.pop()
        return output

    def _locate(self, error: NeuronaError) -> None:
        """Say in which layer the error arose, unless a layer inside or the message does."""
        if "layer" not in vars(error):
            title = vars(error)["layer"] = title_of(self)
            if title not in str(error):
                error.add_note(f"in {title}")

    def _guard(self, trace: Trace) -> None:
        """Make the program being recorded depend on this module's modes, once a recording."""
        while trace.parent is not None:
            trace = trace.parent
        recorded = self._recorded
        if recorded is None or recorded() is not trace:
            self._recorded = weakref.ref(trace)
            trace.guard(self._modes)

    def _modes(self) -> tuple[Any, ...]:
        """What the course of `forward` may depend on: mode, structure and options."""
        options = [
            (name, value)
            for name, value in self.__dict__.items()
            if name[0] != "_" and name not in self._members and _is_static(value)
        ]
        return self._revision, tuple(options)

    # --- members ---

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Variable):
            kind = self._members.get(name)
            self._enter(name, value, BUFFER if kind == BUFFER else PARAMETER)
        elif isinstance(value, Module):
            self._enter(name, value, CHILD)
        else:
            self._set_option(name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._members.pop(name, None)
        self._transient.discard(name)
        self._changed()

    def _enter(self, name: str, value: Variable | Module, kind: str) -> None:
        if not name or "." in name:
            raise ArgumentError(f"{type(self).__name__}: {name!r} cannot name a {kind}: no dots")
        if getattr(type(self), name, None) is not None:
            raise ArgumentError(
                f"{type(self).__name__}: {name!r} cannot name a {kind}, since the class has an "
                "attribute of that name"
            )
        if isinstance(value, Variable):
            if kind == PARAMETER and not is_float(value.dtype):
                raise DTypeError(
                    f"{type(self).__name__}.{name}: a {value.dtype} Variable cannot be learnt; "
                    "enter it with register_buffer"
                )
            value.name = value.name or name
        if self._members.get(name) != kind:
            self._members.pop(name, None)
            self._members[name] = kind
        self.__dict__[name] = value
        self._changed()

    def _set_option(self, name: str, value: Any) -> None:
        inside = list(value.values()) if isinstance(value, dict) else value
        if isinstance(inside, list) and any(isinstance(element, Module) for element in inside):
            raise ArgumentError(
                f"{type(self).__name__}.{name}: modules in a {type(value).__name__} would not be "
                "found by parameters() and state_dict(); use nn.ModuleList or nn.ModuleDict, or a "
                "tuple if they must stay outside"
            )
        before = self.__dict__.get(name, self)
        object.__setattr__(self, name, value)
        if self._members.pop(name, None) is not None:
            self._transient.discard(name)
            self._changed()
        elif name[0] != "_" and STATE.trace is None:
            if not (_is_static(value) and _is_static(before)):
                self._revision += 1
            Modes.changed()

    def _changed(self) -> None:
        self._revision += 1
        Modes.changed()

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Enter state that is not learnt under `name`.

        value: array, tensor, Variable, or None for a buffer that is switched off.
        persistent: whether `state_dict` has it.
        """
        if value is None:
            self._set_option(name, None)
            return
        given = isinstance(value, Variable)
        variable = value if given else Variable(value, requires_grad=False)
        self._enter(name, variable, BUFFER)
        (self._transient.discard if persistent else self._transient.add)(name)

    def _own(self, kind: str) -> Iterator[tuple[str, Any]]:
        for name, found in self._members.items():
            if found == kind:
                yield name, self.__dict__[name]

    def children(self) -> Iterator[Module]:
        """The modules directly inside this one."""
        for _, child in self.named_children():
            yield child

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one with their names."""
        yield from self._own(CHILD)

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all inside it, each once, with their paths: "", "body", "body.0", …"""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                inside = [(join(path, name), child) for name, child in module._own(CHILD)]
                stack.extend(reversed(inside))

    def parameters(self) -> Iterator[Variable]:
        """The Variables that are learnt, here and in all modules inside, each once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Variable]]:
        """The parameters with their paths ("body.0.weight"), each once."""
        yield from self._named(PARAMETER, prefix, recurse)

    def buffers(self) -> Iterator[Variable]:
        """The Variables that are state but not learnt, here and in all modules inside."""
        for _, buffer in self.named_buffers():
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Variable]]:
        """The buffers with their paths ("body.1.running_mean"), each once."""
        yield from self._named(BUFFER, prefix, recurse)

    def _named(self, kind: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Variable]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, variable in module._own(kind):
                if id(variable) not in seen:
                    seen.add(id(variable))
                    yield join(path, name), variable

    # --- state ---

    def _state(self, prefix: str = "") -> Iterator[tuple[str, Variable]]:
        """What `state_dict` holds, in PyTorch's order; a shared Variable under all its names."""
        yield from ((prefix + name, found) for name, found in self._own(PARAMETER))
        for name, found in self._own(BUFFER):
            if name not in self._transient:
                yield prefix + name, found
        for name, child in self._own(CHILD):
            yield from child._state(f"{prefix}{name}.")

    def state_dict(self) -> dict[str, Array]:
        """The parameters and persistent buffers by path, copied into NumPy arrays.

        >>> from neurona import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: variable.numpy() for name, variable in self._state()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Take over the values of `state`: path → array or tensor.

        strict: every name of this module must be in `state` and no other.
        Returns the names that were missing and those that were unexpected. Raises
        `CheckpointError` that lists every name, shape and dtype that does not fit; then nothing
        has been changed.
        """
        return load_variables(type(self).__name__, dict(self._state()), state, strict=strict)

    def astype(self, dtype: Any) -> Self:
        """Cast floating parameters and buffers to a float `dtype`; returns the module.

        Their Variables are replaced: make the optimiser afterwards.
        """
        target = as_dtype(dtype)
        if not is_float(target):
            raise DTypeError(f"{type(self).__name__}.astype: {target} is not a float dtype")
        made: dict[int, Variable] = {}
        for module in list(self.modules()):
            for name, kind in list(module._members.items()):
                old = module.__dict__[name]
                if kind == CHILD or not is_float(old.dtype) or old.dtype == target:
                    continue
                if id(old) not in made:
                    made[id(old)] = Variable(
                        old.numpy(), old.name, dtype=target, requires_grad=old.requires_grad
                    )
                module._enter(name, made[id(old)], kind)
        return self

    # --- modes ---

    def train(self, mode: bool = True) -> Self:
        """Set the training mode here and in all modules inside; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Leave the training mode: dropout passes on, batch norm uses its running statistics."""
        return self.train(False)

    def freeze(self) -> Self:
        """Keep all parameters inside as they are: no gradient, no update. Returns the module."""
        return self._require_grad(False)

    def unfreeze(self) -> Self:
        """Let all parameters inside be learnt again. Returns the module."""
        return self._require_grad(True)

    def _require_grad(self, required: bool) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad = required
            parameter.grad = None
        return self

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` on every module inside, then on this one. Returns the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # --- hooks ---

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Hook:
        """Call `hook(module, args)` before every `forward`; a result replaces the arguments.

        Returns a handle whose `remove()` takes the hook away. In a compiled function hooks run
        while it is recorded, with tensors whose value is not known yet.
        """
        return Hook(self, self._hooks_before, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Hook:
        """Call `hook(module, args, output)` after every `forward`; a result replaces the output.

        See `register_forward_pre_hook`.
        """
        return Hook(self, self._hooks_after, hook)

    # --- looking at it ---

    def summary(self, *examples: Any, dtype: Any = np.float32) -> Summary:
        """The layers in the order they run, with output shapes, parameters and FLOPs.

        examples: one an argument of `forward`: a shape with the batch axis, an array or a tensor.
        dtype: of the arguments given as shapes.
        Nothing is computed and no state changes.

        >>> from neurona import nn
        >>> model = nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10))
        >>> print(model.summary((1, 784)))
        layer  kind        output   parameters    FLOP
        0      Linear      (1, 30)      23,550  47,070
        1      Sigmoid     (1, 30)           0      30
        2      Linear      (1, 10)         310     610
               Sequential  (1, 10)      23,860  47,710
        """
        return summarize(self, examples, as_dtype(dtype))

    def extra_repr(self) -> str:
        """The options shown between the brackets of `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, child in self._own(CHILD):
            lines.append(f"({name}): {child!r}".replace("\n", "\n  "))
        inside = "".join(f"\n  {line}" for line in lines)
        end = "\n" if lines else ""
        return f"{type(self).__name__}({self.extra_repr()}{inside}{end})"


class Hook:
    """What registering a hook returns; `remove()` takes the hook away."""

    def __init__(self, module: Module, hooks: Hooks, hook: Callable[..., Any]) -> None:
        self._module = module
        self._hooks = hooks
        hooks[self] = hook
        module._changed()

    def remove(self) -> None:
        """Take the hook away; doing so again does nothing."""
        if self._hooks.pop(self, None) is not None:
            self._module._changed()


Hooks = dict[Hook, Callable[..., Any]]

_STATIC = (bool, int, float, str, bytes, type(None), np.dtype, type)


def _is_static(value: Any) -> bool:
    """Whether `value` is plain data that compares by value."""
    if isinstance(value, tuple):
        return all(_is_static(element) for element in value)
    return isinstance(value, _STATIC)


def join(prefix: str, name: str) -> str:
    """The path of `name` inside `prefix`."""
    return f"{prefix}.{name}" if prefix else name
