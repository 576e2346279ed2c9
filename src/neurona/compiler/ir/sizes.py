"""Sizes that are known when a program runs: n, the extent that changes from call to call.

A `Size` is the integer scale·n + offset. It goes wherever the compiler has extents, strides and
offsets; sums and multiples of it are Sizes again, and in LLVM IR it prints as a register. What is
not of that form (n², n // 2) raises `NotAffine`; the program is then made for each n on its own.
As a number it stands for a very large n, so that comparisons decide as for large extents, and one
that lost its form on the way is recognised in the code (`stray`).
"""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from neurona.core.errors import NeuronaError

LARGE = 1_300_456_700_137
"""The n that Sizes stand for as numbers; no power of two is near a multiple of it."""
NEAR = 1 << 31


class NotAffine(NeuronaError):  # noqa: N818 (a fact about a graph, not a mistake)
    """A size is no scale·n + offset."""


class Size(int):
    """scale·n + offset, where n is known at run time; `scale` is not 0."""

    scale: int
    offset: int

    def __new__(cls, scale: int, offset: int = 0) -> Size:
        made = super().__new__(cls, scale * LARGE + offset)
        made.scale, made.offset = scale, offset
        return made

    def at(self, n: int) -> int:
        return self.scale * n + self.offset

    def __add__(self, other: int) -> int:
        if isinstance(other, Size):
            return _size(self.scale + other.scale, self.offset + other.offset)
        return Size(self.scale, self.offset + other) if isinstance(other, int) else NotImplemented

    __radd__ = __add__

    def __neg__(self) -> int:
        return Size(-self.scale, -self.offset)

    def __sub__(self, other: int) -> int:
        return self + -other if isinstance(other, int) else NotImplemented

    def __rsub__(self, other: int) -> int:
        return -self + other if isinstance(other, int) else NotImplemented

    def __mul__(self, other: int) -> int:
        if isinstance(other, Size):
            raise NotAffine(f"({self})·({other})")
        if not isinstance(other, int):
            return NotImplemented
        return _size(self.scale * other, self.offset * other)

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> int:
        if isinstance(other, Size) and self.scale * other.offset == self.offset * other.scale:
            if self.scale % other.scale == 0:
                return self.scale // other.scale
        elif not isinstance(other, Size) and not (self.scale % other or self.offset % other):
            return Size(self.scale // other, self.offset // other)
        raise NotAffine(f"({self}) // ({other})")

    def __rfloordiv__(self, other: int) -> int:
        raise NotAffine(f"{other} // ({self})")

    def __mod__(self, other: int) -> int:
        if isinstance(other, Size):
            if self.scale * other.offset == self.offset * other.scale:
                return self - other * (self // other)
        elif not self.scale % other:
            return self.offset % other
        raise NotAffine(f"({self}) % ({other})")

    def __rmod__(self, other: int) -> int:
        raise NotAffine(f"{other} % ({self})")

    def _refuse(self, *_: Any) -> Any:
        raise NotAffine(f"a number that depends on n ({self}) is wanted as a plain one")

    __divmod__ = __rdivmod__ = __pow__ = __rpow__ = __truediv__ = __rtruediv__ = _refuse
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _refuse
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = _refuse
    __int__ = __float__ = __round__ = __trunc__ = _refuse

    def __repr__(self) -> str:
        """The LLVM register that has it (see `definitions`)."""
        if (self.scale, self.offset) == (1, 0):
            return "%n"
        factor = "" if self.scale == 1 else "-" if self.scale == -1 else str(self.scale)
        return f'%"{factor}n{f"{self.offset:+}" if self.offset else ""}"'

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return repr(self)


def _size(scale: int, offset: int) -> int:
    return Size(scale, offset) if scale else offset


def varies(value: Any) -> bool:
    """Whether there is a Size in a number, a shape or attributes."""
    if isinstance(value, dict):
        return any(map(varies, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(varies, value))
    return isinstance(value, Size)


def at(value: Any, n: int) -> Any:
    """The same with numbers in place of the Sizes."""
    if isinstance(value, Size):
        return value.at(n)
    if isinstance(value, dict):
        return {key: at(item, n) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(at(item, n) for item in value)
    return value


def is_plain(value: Any) -> TypeGuard[int]:
    """Whether it is a number that is known."""
    return isinstance(value, int) and not isinstance(value, Size)


def plain(value: int) -> int:
    """A number of its size, for estimates."""
    return value.at(LARGE) if isinstance(value, Size) else value


def typical(value: int) -> int:
    """A number of its size when n is an ordinary batch."""
    return value.at(128) if isinstance(value, Size) else value


_REGISTER = re.compile(r'%n\b|%"(-?\d*)n([+-]\d+)?"')


def spelled(text: str, n: int) -> str:
    """A message in which the Sizes stand as numbers."""

    def number(match: re.Match[str]) -> str:
        factor, offset = match.groups()
        scale = {None: 1, "": 1, "-": -1}.get(factor) or int(factor)
        return str(scale * n + int(offset or 0))

    return _REGISTER.sub(number, text)


def definitions(lines: list[str]) -> list[str]:
    """Instructions that make the registers of all Sizes in a function's lines from `%n`."""
    found = sorted({m.group() for line in lines for m in _REGISTER.finditer(line)} - {"%n"})
    made = []
    for i, register in enumerate(found):
        factor, offset = _REGISTER.fullmatch(register).groups()  # type: ignore[union-attr]
        scale = {"": 1, "-": -1}.get(factor) or int(factor)
        made.append(f"  %size{i} = mul i64 %n, {scale}")
        made.append(f"  {register} = add i64 %size{i}, {int(offset or 0)}")
    return made


def depends(text: str) -> bool:
    """Whether code has Sizes in it."""
    return _REGISTER.search(text) is not None


def stray(text: str) -> bool:
    """Whether code contains what was made of a Size as if it were a number."""
    numbers = [int(digits) for digits in re.findall(r"(?<![\w.])\d{12,}\b", text)]
    return any(min(number % LARGE, -number % LARGE) < NEAR for number in numbers)
