"""A reader of the pickles inside PyTorch's files that calls nothing but what it is given.

A pickle is a program for a stack machine (CPython's `Lib/pickletools.py` describes it). Of its
operations this machine knows those that `torch.save` writes for numbers, texts, lists, dicts,
tuples and tensors. Whatever a pickle asks for by name goes through `find`, which returns a function
for the few names that it knows and raises for all others; no other function can ever be called. The
content is walked once, each operation takes time proportional to its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NoReturn

from neurona.core.errors import CheckpointError

SCALAR = str | int | float | bytes | None
"""What may be a key of a dict or lie in a set: things whose hash does not go deep."""
MAX_DEPTH = 100
MAX_ELEMENTS = 10_000_000


class Builder:
    """What a name in a pickle stands for: a function for the pickle to call, and its name."""

    def __init__(self, name: str, build: Callable[..., Any]) -> None:
        self.name = name
        self.build = build


class Attributes(dict[Any, Any]):
    """A dict whose class lets a pickle give it attributes, which are dropped."""


class Machine:
    """Runs one pickle.

    content: the pickle.
    find: called with (module, name) for every name; returns a `Builder` or plain data, or raises.
    load: called with every persistent id (how a pickle refers to a storage); returns what it means.
    """

    def __init__(
        self, content: bytes, find: Callable[[str, str], Any], load: Callable[[Any], Any]
    ) -> None:
        self._content = content
        self._at = 0
        self._find = find
        self._load = load
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The object that the pickle builds.

        Raises `CheckpointError` for damage, for operations unknown here and whatever `find`
        and `load` raise.
        """
        while True:
            code = self._take(1)
            if code == b".":
                result = self._pop()
                if self._stack or self._outer:
                    self._damaged("things are left over")
                return result
            operation = _OPERATIONS.get(code)
            if operation is None:
                self._damaged(f"the operation {code!r} has no business in a file of tensors")
            operation(self)

    # --- bytes and stack ---

    def _damaged(self, why: str) -> NoReturn:
        raise CheckpointError(f"its pickle is damaged at byte {self._at}: {why}")

    def _take(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        if self._at > len(self._content):
            self._damaged("it ends too early")
        return self._content[start : self._at]

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        end = self._content.find(b"\n", self._at)
        if end < 0:
            self._damaged("it ends too early")
        text = self._text(end - self._at)
        self._at += 1
        return text

    def _text(self, count: int) -> str:
        try:
            return self._take(count).decode("utf-8")
        except UnicodeDecodeError:
            self._damaged("a text is not UTF-8")

    def _pop(self) -> Any:
        if not self._stack:
            self._damaged("the stack is empty")
        return self._stack.pop()

    def _top(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            self._damaged(f"there is no {kind.__name__} to add to")
        return self._stack[-1]

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _since_mark(self) -> list[Any]:
        if not self._outer:
            self._damaged("a mark is missing")
        found, self._stack = self._stack, self._outer.pop()
        return found

    # --- operations with more than a line ---

    def _mark(self) -> None:
        self._outer.append(self._stack)
        self._stack = []

    def _protocol(self) -> None:
        version = self._number("<B")
        if version > 5:
            self._damaged(f"protocol {version} is newer than 5")

    def _put(self, index: int) -> None:
        if not self._stack:
            self._damaged("the stack is empty")
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        if index not in self._memo:
            self._damaged(f"it refers to number {index}, which is not there")
        self._push(self._memo[index])

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def _extend(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _update(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2:
            self._damaged("a key has no value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, SCALAR):
                raise CheckpointError(
                    f"a dict in it has a {type(key).__name__} for a key; only texts, numbers and "
                    "None are read, so save it with such keys"
                )
            target[key] = value

    def _add(self, items: list[Any]) -> None:
        if not all(isinstance(item, SCALAR) for item in items):
            self._damaged("a set has something other than numbers and texts")
        self._top(set).update(items)

    def _global(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            self._damaged("a name is not a text")
        self._push(self._find(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._global(module, name)

    def _reduce(self) -> None:
        arguments, builder = self._pop(), self._pop()
        if not isinstance(builder, Builder) or not isinstance(arguments, tuple):
            self._damaged("it calls something that is no function of a file of tensors")
        try:
            made = builder.build(*arguments)
        except TypeError:
            self._damaged(f"{builder.name} is called with other arguments than PyTorch gives it")
        self._push(made)

    def _build(self) -> None:
        state = self._pop()
        if not isinstance(state, dict):
            self._damaged("the attributes of an object are not a dict")
        self._top(Attributes)

    def _persistent(self) -> None:
        self._push(self._load(self._pop()))


def _long(machine: Machine) -> None:
    machine._push(int.from_bytes(machine._take(machine._number("<B")), "little", signed=True))


_OPERATIONS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": Machine._protocol,
    b"\x95": lambda m: m._number("<Q"),  # FRAME: the content is here already
    b"(": Machine._mark,
    # numbers, texts, None
    b"N": lambda m: m._push(None),
    b"\x88": lambda m: m._push(True),
    b"\x89": lambda m: m._push(False),
    b"J": lambda m: m._push(m._number("<i")),
    b"K": lambda m: m._push(m._number("<B")),
    b"M": lambda m: m._push(m._number("<H")),
    b"G": lambda m: m._push(m._number(">d")),
    b"\x8a": _long,
    b"X": lambda m: m._push(m._text(m._number("<I"))),
    b"\x8c": lambda m: m._push(m._text(m._number("<B"))),
    b"\x8d": lambda m: m._push(m._text(m._number("<Q"))),
    b"C": lambda m: m._push(m._take(m._number("<B"))),
    b"B": lambda m: m._push(m._take(m._number("<I"))),
    # containers
    b")": lambda m: m._push(()),
    b"\x85": lambda m: m._tuple(1),
    b"\x86": lambda m: m._tuple(2),
    b"\x87": lambda m: m._tuple(3),
    b"t": lambda m: m._push(tuple(m._since_mark())),
    b"]": lambda m: m._push([]),
    b"a": lambda m: m._extend([m._pop()]),
    b"e": lambda m: m._extend(m._since_mark()),
    b"}": lambda m: m._push({}),
    b"s": lambda m: m._update(list(reversed([m._pop(), m._pop()]))),
    b"u": lambda m: m._update(m._since_mark()),
    b"\x8f": lambda m: m._push(set()),
    b"\x90": lambda m: m._add(m._since_mark()),
    # what has been built before
    b"q": lambda m: m._put(m._number("<B")),
    b"r": lambda m: m._put(m._number("<I")),
    b"\x94": lambda m: m._put(len(m._memo)),
    b"h": lambda m: m._get(m._number("<B")),
    b"j": lambda m: m._get(m._number("<I")),
    # names and calls
    b"c": lambda m: m._global(m._line(), m._line()),
    b"\x93": Machine._stack_global,
    b"R": Machine._reduce,
    b"b": Machine._build,
    b"Q": Machine._persistent,
}


def check_size(result: Any, plain: tuple[type, ...]) -> None:
    """Raise `CheckpointError` unless `result` is a tree of `plain` things of bearable size.

    A pickle of a few bytes can hold lists that contain themselves or, by way of references, more
    elements than there are atoms; whoever walks them would not return.
    """
    known: dict[int, tuple[int, int]] = {}
    above: set[int] = set()
    stack: list[tuple[Any, bool]] = [(result, False)]
    while stack:
        value, done = stack.pop()
        inside = _inside(value)
        if inside is None:
            if not isinstance(value, plain):
                raise CheckpointError(f"it holds a {_kind(value)}, which stands for nothing")
        elif done:
            above.discard(id(value))
            found = [known.get(id(one), (1, 0)) for one in inside]
            size = 1 + sum(size for size, _ in found)
            depth = 1 + max((depth for _, depth in found), default=0)
            if size > MAX_ELEMENTS:
                raise CheckpointError(f"it unfolds to more than {MAX_ELEMENTS} elements")
            if depth > MAX_DEPTH:
                raise CheckpointError(f"it is nested more than {MAX_DEPTH} deep")
            known[id(value)] = size, depth
        elif id(value) in above:
            raise CheckpointError("it holds something that contains itself")
        elif id(value) not in known:
            above.add(id(value))
            stack.append((value, True))
            stack.extend((one, False) for one in inside)


def _inside(value: Any) -> list[Any] | None:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else None


def _kind(value: Any) -> str:
    return value.name if isinstance(value, Builder) else type(value).__name__
