"""Containers: modules that hold modules under numbers or names."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self, SupportsIndex, overload

from neurona.core.errors import ArgumentError, nearest
from neurona.nn.module import Module


def _need_module(who: str, value: Any) -> Module:
    if not isinstance(value, Module):
        hint = "; make it, as in nn.ReLU()" if isinstance(value, type) else ""
        raise ArgumentError(f"{who}: a Module is needed, not {value!r}{hint}")
    return value


class _Numbered(Module):
    """Modules under the names "0", "1", …"""

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def _at(self, index: SupportsIndex) -> tuple[str, Module]:
        members = list(self.named_children())
        place = operator.index(index)
        if not -len(members) <= place < len(members):
            raise IndexError(f"{type(self).__name__}: {place} is out of range for {len(members)}")
        return members[place]

    def __setitem__(self, index: SupportsIndex, module: Module) -> None:
        setattr(self, self._at(index)[0], _need_module(type(self).__name__, module))

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        modules = list(self)
        if not isinstance(index, slice):
            self._at(index)
        del modules[index]
        self._replace(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        setattr(self, str(len(self)), _need_module(type(self).__name__, module))
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns the container."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at `index`, number all anew; returns the container."""
        modules = list(self)
        modules.insert(index, _need_module(type(self).__name__, module))
        self._replace(modules)
        return self

    def _replace(self, modules: list[Module]) -> None:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        self.extend(modules)


class Sequential(_Numbered):
    """Modules one after the other: fₙ(… f₂(f₁(x))).

    modules: the modules in order, or one mapping name → module.

    >>> from neurona import nn
    >>> nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        named: Any = enumerate(modules)
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = modules[0].items()
        for name, module in named:
            setattr(self, str(name), _need_module(type(self).__name__, module))

    def forward(self, x: Any) -> Any:
        for module in self.children():
            x = module(x)
        return x

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        """The module at `index`, or a Sequential of those in a slice, which keep their names."""
        if isinstance(index, slice):
            return Sequential(dict(list(self.named_children())[index]))
        return self._at(index)[1]


class ModuleList(_Numbered):
    """A list whose modules are members; it has no `forward`.

    >>> from neurona import nn
    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), [name for name, _ in layers[1:].named_parameters()]
    (3, ['0.weight', '0.bias', '1.weight', '1.bias'])
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Module:
        """The module at `index`, or a ModuleList of those in a slice, numbered anew."""
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._at(index)[1]


class ModuleDict(Module):
    """A dictionary whose modules are members; it has no `forward`.

    >>> from neurona import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
    >>> heads["parity"]
    Linear(in_features=8, out_features=2, bias=True)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def __contains__(self, name: object) -> bool:
        return name in dict(self.named_children())

    def __getitem__(self, name: str) -> Module:
        modules = dict(self.named_children())
        if name not in modules:
            raise KeyError(f"{type(self).__name__}: no {name!r}{nearest(name, modules)}")
        return modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        setattr(self, name, _need_module(type(self).__name__, module))

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def keys(self) -> Iterator[str]:
        """The names."""
        return (name for name, _ in self.named_children())

    def values(self) -> Iterator[Module]:
        """The modules."""
        return self.children()

    def items(self) -> Iterator[tuple[str, Module]]:
        """Names and modules."""
        return self.named_children()

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add modules, replacing those of the same name."""
        for name, module in modules.items():
            self[name] = module
