"""LLVM IR text: types, literals and one method an instruction."""

from __future__ import annotations

import platform
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from neurona.compiler.ir import functions
from neurona.compiler.ir.sizes import definitions, depends
from neurona.compiler.machine import native
from neurona.core import dtypes
from neurona.core.dtypes import DType

CONTRACT = "contract "
"""Fast-math flag of float arithmetic: a product may be fused with its sum, which rounds once less.
No other flag is set: sums keep their order, NaN, infinities and signed zeros their meaning."""

_FLOAT_COMPARE = {
    "equal": "oeq", "not_equal": "une", "less": "olt", "less_equal": "ole", "greater": "ogt",
    "greater_equal": "oge", "unordered": "uno",
}  # fmt: skip
_INT_COMPARE = {
    "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge",
}  # fmt: skip
_FLOAT_BINARY = {
    "add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv", "modulo": "frem",
}  # fmt: skip
_INT_BINARY = {
    "add": "add", "subtract": "sub", "multiply": "mul", "bitwise_and": "and", "bitwise_or": "or",
    "bitwise_xor": "xor", "shift_left": "shl",
}  # fmt: skip
_INTRINSIC = {
    "floor": "floor", "ceil": "ceil", "trunc": "trunc", "round": "roundeven", "sqrt": "sqrt",
    "copysign": "copysign", "fma": "fma",
}  # fmt: skip


def llvm_type(dtype: DType) -> str:
    """The type of a value of `dtype` in registers."""
    if dtype == dtypes.bool_:
        return "i1"
    if dtypes.is_float(dtype):
        return "double" if dtype == dtypes.float64 else "float"
    return f"i{dtype.itemsize * 8}"


def memory_type(dtype: DType) -> str:
    """The type of a value of `dtype` in memory."""
    if dtype == dtypes.bool_:
        return "i8"
    if dtype == dtypes.bfloat16:
        return "i16"
    return "half" if dtype == dtypes.float16 else llvm_type(dtype)


def float_literal(value: float, dtype: DType) -> str:
    """LLVM's exact spelling of a float constant."""
    if dtype != dtypes.float64:
        value = struct.unpack("f", struct.pack("f", value))[0]
    return f"0x{struct.unpack('Q', struct.pack('d', value))[0]:016X}"


@dataclass(frozen=True)
class Value:
    """An LLVM register or literal; `wide` if it is a vector."""

    text: str
    dtype: DType
    wide: bool


class Text:
    """Lines of one function, in vectors of `lanes` elements or scalars."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.lines: list[str] = []
        self.finished: list[str] = []
        self.declarations: set[str] = set()
        self.sized: set[str] = set()
        self.count = 0

    @contextmanager
    def function(self, signature: str) -> Iterator[None]:
        """Write a function of its own; its lines go to `finished`."""
        outer, self.lines = self.lines, []
        yield
        if not self.lines[-1].startswith("  ret "):
            self.put("ret void")
        head: list[str] = []
        if any(map(depends, self.lines)):
            head = definitions(self.lines)
            if "ptr %table" in signature:
                # n stands before the table's first entry (see `runner`).
                place = "  %place_of_n = getelementptr ptr, ptr %table, i64 -1"
                head[:0] = [place, "  %n = load i64, ptr %place_of_n"]
            else:
                end = signature.index(")")
                signature = f"{signature[:end]}, i64 %n{signature[end:]}"
                self.sized.add(signature[signature.index("@") : signature.index("(")])
        self.finished += [f"define {signature} #0 {{", "start:", *head, *self.lines, "}"]
        self.lines = outer

    def call_own(self, name: str, *arguments: str) -> None:
        """Call a function that was written with `function`, which gets n if it needs it."""
        more = ("i64 %n",) if name in self.sized else ()
        self.put(f"call void {name}({', '.join([*arguments, *more])})")

    @contextmanager
    def loop(self, start: str, stop: str, step: int = 1) -> Iterator[str]:
        """for i in start … stop − 1 step `step`; yields i."""
        self.count += 1
        tag = self.count
        self.put(f"br label %entry{tag}")
        self.label(f"entry{tag}")
        self.put(f"br label %head{tag}")
        self.label(f"head{tag}")
        i, following = f"%i{tag}", f"%next{tag}"
        self.put(f"{i} = phi i64 [ {start}, %entry{tag} ], [ {following}, %latch{tag} ]")
        inside = self.assign(f"icmp slt i64 {i}, {stop}")
        self.put(f"br i1 {inside}, label %body{tag}, label %exit{tag}")
        self.label(f"body{tag}")
        yield i
        self.put(f"br label %latch{tag}")
        self.label(f"latch{tag}")
        self.put(f"{following} = add nsw i64 {i}, {step}")
        self.put(f"br label %head{tag}")
        self.label(f"exit{tag}")

    @contextmanager
    def where(self, condition: str) -> Iterator[None]:
        """What follows is done if `condition` holds."""
        self.count += 1
        tag = self.count
        self.put(f"br i1 {condition}, label %then{tag}, label %after{tag}")
        self.label(f"then{tag}")
        yield
        self.put(f"br label %after{tag}")
        self.label(f"after{tag}")

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def fresh(self, hint: str = "v") -> str:
        self.count += 1
        return f"%{hint}{self.count}"

    def put(self, line: str) -> None:
        self.lines.append("  " + line)

    def assign(self, expression: str, hint: str = "v") -> str:
        name = self.fresh(hint)
        self.put(f"{name} = {expression}")
        return name

    def declare(self, result: str, name: str, *arguments: str) -> None:
        self.declarations.add(f"declare {result} @{name}({', '.join(arguments)})")

    def call(self, result: str, name: str, *typed: tuple[str, str]) -> str:
        """The text of a call, its declaration noted."""
        self.declare(result, name, *[kind for kind, _ in typed])
        return f"call {result} @{name}({', '.join(f'{kind} {text}' for kind, text in typed)})"

    def intrinsic(self, result: str, name: str, *typed: tuple[str, str]) -> str:
        return self.assign(self.call(result, name, *typed))

    def vector(self, kind: str, wide: bool) -> str:
        return f"<{self.lanes} x {kind}>" if wide else kind

    def order_stores(self) -> None:
        """Let stores past the caches be seen by other threads before what follows."""
        if platform.machine() in ("x86_64", "AMD64"):
            self.put(self.call("void", "llvm.x86.sse.sfence"))

    def pause(self) -> None:
        """Wait a moment before looking again at what another thread does."""
        if platform.machine() in ("x86_64", "AMD64"):
            self.put(self.call("void", "llvm.x86.sse2.pause"))

    def table(self, count: int) -> list[str]:
        """The addresses in a kernel's table."""
        places = [self.assign(f"getelementptr ptr, ptr %table, i64 {i}") for i in range(count)]
        return [self.assign(f"load ptr, ptr {place}") for place in places]

    @contextmanager
    def vectors(self, count: int) -> Iterator[None]:
        """Inside, a vector is as long as `count` of those outside."""
        self.lanes *= count
        yield
        self.lanes //= count

    def multiple_below(self, number: str, unit: int) -> str:
        """The greatest multiple of `unit`, a power of 2, that is at most `number`."""
        if number.isdigit():
            return str(int(number) // unit * unit)
        return self.assign(f"and i64 {number}, {-unit}")

    def lane_numbers(self) -> str:
        return "<" + ", ".join(f"i64 {j}" for j in range(self.lanes)) + ">"

    def suffix(self, kind: str, wide: bool) -> str:
        short = {"float": "f32", "double": "f64", "half": "f16"}.get(kind, kind)
        return f"v{self.lanes}{short}" if wide else short

    # --- values ---

    def from_memory(self, text: str, dtype: DType, wide: bool) -> Value:
        if dtype == dtypes.bool_:
            zero = "zeroinitializer" if wide else "0"
            text = self.assign(f"icmp ne {self.vector('i8', wide)} {text}, {zero}")
        elif dtype == dtypes.float16:
            text = self.assign(
                f"fpext {self.vector('half', wide)} {text} to {self.vector('float', wide)}"
            )
        elif dtype == dtypes.bfloat16:
            i32 = self.vector("i32", wide)
            text = self.assign(f"zext {self.vector('i16', wide)} {text} to {i32}")
            text = self.assign(f"shl {i32} {text}, {self.literal(16, dtypes.int32, wide)}")
            text = self.assign(f"bitcast {i32} {text} to {self.vector('float', wide)}")
        computed = dtypes.float32 if dtype in (dtypes.float16, dtypes.bfloat16) else dtype
        return Value(text, computed, wide)

    def to_memory(self, value: Value, dtype: DType) -> str:
        kind = self.vector(llvm_type(value.dtype), value.wide)
        if dtype == dtypes.bool_:
            return self.assign(f"zext {kind} {value.text} to {self.vector('i8', value.wide)}")
        if dtype == dtypes.float16:
            return self.assign(f"fptrunc {kind} {value.text} to {self.vector('half', value.wide)}")
        if dtype == dtypes.bfloat16:
            return self.bfloat16_bits(value)
        return value.text

    def bfloat16_bits(self, value: Value) -> str:
        """The upper half of a float32, rounded to nearest even; NaN stays NaN."""
        wide = value.wide
        i32, i16 = self.vector("i32", wide), self.vector("i16", wide)
        float_type = self.vector("float", wide)
        bits = self.assign(f"bitcast {float_type} {value.text} to {i32}")
        sixteen = self.literal(16, dtypes.int32, wide)
        odd = self.assign(f"lshr {i32} {bits}, {sixteen}")
        odd = self.assign(f"and {i32} {odd}, {self.literal(1, dtypes.int32, wide)}")
        rounded = self.assign(f"add {i32} {bits}, {odd}")
        rounded = self.assign(f"add {i32} {rounded}, {self.literal(0x7FFF, dtypes.int32, wide)}")
        quiet = self.assign(f"or {i32} {bits}, {self.literal(0x400000, dtypes.int32, wide)}")
        nan = self.assign(f"fcmp uno {float_type} {value.text}, {value.text}")
        flag = self.vector("i1", wide)
        chosen = self.assign(f"select {flag} {nan}, {i32} {quiet}, {i32} {rounded}")
        chosen = self.assign(f"lshr {i32} {chosen}, {sixteen}")
        return self.assign(f"trunc {i32} {chosen} to {i16}")

    def literal(self, value: Any, dtype: DType, wide: bool) -> str:
        if dtypes.is_float(dtype):
            text = float_literal(value, dtype)
        else:
            text = str(value) if dtype != dtypes.bool_ else str(bool(value)).lower()
        return f"splat ({llvm_type(dtype)} {text})" if wide else text

    def splat(self, text: str, kind: str) -> str:
        wide = f"<{self.lanes} x {kind}>"
        one = self.assign(f"insertelement {wide} poison, {kind} {text}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.assign(f"shufflevector {wide} {one}, {wide} poison, {zeros}")

    def widen(self, value: Value) -> str:
        return value.text if value.wide else self.splat(value.text, llvm_type(value.dtype))

    def library(self, name: str, values: list[Value], dtype: DType) -> Value:
        """A call into the C library, lane by lane."""
        symbol = functions.LIBRARY[name] + ("f" if dtype == dtypes.float32 else "")
        kind = llvm_type(dtype)
        self.declare(kind, symbol, *[kind] * len(values))
        if not values[0].wide:
            arguments = ", ".join(f"{kind} {value.text}" for value in values)
            return Value(self.assign(f"call {kind} @{symbol}({arguments})"), dtype, False)
        wide = f"<{self.lanes} x {kind}>"
        result = "poison"
        for lane in range(self.lanes):
            parts = [
                self.assign(f"extractelement {wide} {value.text}, i64 {lane}") for value in values
            ]
            arguments = ", ".join(f"{kind} {part}" for part in parts)
            one = self.assign(f"call {kind} @{symbol}({arguments})")
            result = self.assign(f"insertelement {wide} {result}, {kind} {one}, i64 {lane}")
        return Value(result, dtype, True)

    # --- instructions ---

    def instruction(self, name: str, values: list[Value], dtype: DType) -> Value:
        source = values[-1].dtype if name == "where" else values[0].dtype
        wide = values[0].wide
        kind = self.vector(llvm_type(source), wide)
        texts = [value.text for value in values]
        make: Callable[..., str] = (
            self.float_instruction if dtypes.is_float(source) else self.int_instruction
        )
        match name:
            case "where":
                flags = self.vector("i1", wide)
                text = f"select {flags} {texts[0]}, {kind} {texts[1]}, {kind} {texts[2]}"
            case "cast":
                return Value(self.cast(values[0], dtype), dtype, wide)
            case "bits" | "from_bits":
                text = f"bitcast {kind} {texts[0]} to {self.vector(llvm_type(dtype), wide)}"
            case "scale":
                return self.scale(*values)
            case "round_float16":
                half = self.assign(f"fptrunc {kind} {texts[0]} to {self.vector('half', wide)}")
                text = f"fpext {self.vector('half', wide)} {half} to {kind}"
            case "round_bfloat16":
                bits = self.bfloat16_bits(values[0])
                return self.from_memory(bits, dtypes.bfloat16, wide)
            case _:
                text = make(name, kind, texts, source, wide)
        if text.startswith("%"):
            return Value(text, dtype, wide)
        return Value(self.assign(text), dtype, wide)

    def float_instruction(
        self, name: str, kind: str, texts: list[str], dtype: DType, wide: bool
    ) -> str:
        joined = ", ".join(texts)
        if name in _FLOAT_BINARY:
            return f"{_FLOAT_BINARY[name]} {CONTRACT}{kind} {joined}"
        if name in _FLOAT_COMPARE:
            return f"fcmp {_FLOAT_COMPARE[name]} {kind} {joined}"
        if name == "negative":
            return f"fneg {kind} {joined}"
        if name in ("minimum", "maximum", "least", "greatest"):
            # NaN if either is; of two zeros, the second. LLVM's own also orders the zeros, slowly.
            a, flags = texts[0], self.vector("i1", wide)
            relation = "olt" if name in ("minimum", "least") else "ogt"
            first = self.assign(f"fcmp {relation} {kind} {joined}")
            best = f"select {flags} {first}, {kind} {a}, {kind} {texts[1]}"
            if name in ("least", "greatest"):  # of NaN and a number, the second
                return best
            best = self.assign(best)
            nan = self.assign(f"fcmp uno {kind} {a}, {a}")
            return f"select {flags} {nan}, {kind} {a}, {kind} {best}"
        intrinsic = "fabs" if name == "abs" else _INTRINSIC[name]
        suffix = self.suffix(llvm_type(dtype), wide)
        return self.intrinsic(kind, f"llvm.{intrinsic}.{suffix}", *[(kind, t) for t in texts])

    def scale(self, value: Value, exponent: Value) -> Value:
        """value·2ⁿ of float32 for a whole exponent n, given as float, from −150 to 128."""
        kind, i32 = (self.vector(name, value.wide) for name in ("float", "i32"))
        if value.wide and native.host().lanes == 16 and self.lanes % 16 == 0:
            return self.scale_avx512(value, exponent)
        # In two factors, so that subnormal results come out right.
        one, bias, place = (self.literal(n, dtypes.int32, value.wide) for n in (1, 127, 23))
        whole = self.cast(exponent, dtypes.int32)
        half = self.assign(f"ashr {i32} {whole}, {one}")
        text = value.text
        for part in (half, self.assign(f"sub {i32} {whole}, {half}")):
            bits = self.assign(f"shl {i32} {self.assign(f'add {i32} {part}, {bias}')}, {place}")
            factor = self.assign(f"bitcast {i32} {bits} to {kind}")
            text = self.assign(f"fmul {kind} {text}, {factor}")
        return Value(text, value.dtype, value.wide)

    def scale_avx512(self, value: Value, exponent: Value) -> Value:
        def of_register(*texts: str) -> str:
            operands = [("<16 x float>", text) for text in (*texts, "poison")]
            name = "llvm.x86.avx512.mask.scalef.ps.512"
            return self.intrinsic("<16 x float>", name, *operands, ("i16", "-1"), ("i32", "4"))

        return self.by_register(16, of_register, value, exponent)

    def lookup(self, table: tuple[float, ...], index: Value) -> Value:
        """One of 16 float32 constants for each index, of which the low four bits count."""
        numbers = [f"float {float_literal(number, dtypes.float32)}" for number in table]
        register = native.host().lanes
        if index.wide and register == 16 and self.lanes % 16 == 0:
            return self.by_register(16, lambda i: self.permute(numbers, i), index)
        if index.wide and register == 8 and self.lanes % 8 == 0:
            return self.by_register(8, lambda i: self.permute_halves(numbers, i), index)
        packed = struct.pack("16f", *table)
        name = f"@table_{zlib.crc32(packed):08x}"
        self.declarations.add(f"{name} = private constant [16 x float] [{', '.join(numbers)}]")
        fifteen = self.literal(15, dtypes.int32, index.wide)
        i32, kind = self.vector("i32", index.wide), self.vector("float", index.wide)
        low = self.assign(f"and {i32} {index.text}, {fifteen}")
        place = self.assign(f"getelementptr float, ptr {name}, {i32} {low}")
        if not index.wide:
            return Value(self.assign(f"load float, ptr {place}"), dtypes.float32, False)
        text = self.intrinsic(
            kind, f"llvm.masked.gather.{self.suffix('float', True)}.v{self.lanes}p0",
            (f"<{self.lanes} x ptr>", place), ("i32", "4"),
            (f"<{self.lanes} x i1>", "splat (i1 true)"), (kind, "zeroinitializer"),
        )  # fmt: skip
        return Value(text, dtypes.float32, True)

    def permute(self, numbers: list[str], index: str) -> str:
        return self.intrinsic(
            "<16 x float>", "llvm.x86.avx512.permvar.sf.512",
            ("<16 x float>", f"<{', '.join(numbers)}>"), ("<16 x i32>", index),
        )  # fmt: skip

    def permute_halves(self, numbers: list[str], index: str) -> str:
        low, high = (
            self.intrinsic(
                "<8 x float>", "llvm.x86.avx2.permps",
                ("<8 x float>", f"<{', '.join(half)}>"), ("<8 x i32>", index),
            )
            for half in (numbers[:8], numbers[8:])
        )  # fmt: skip
        bit = self.assign(f"and <8 x i32> {index}, splat (i32 8)")
        below = self.assign(f"icmp eq <8 x i32> {bit}, zeroinitializer")
        return self.assign(f"select <8 x i1> {below}, <8 x float> {low}, <8 x float> {high}")

    def by_register(self, lanes: int, make: Callable[..., str], *values: Value) -> Value:
        """What `make` gives of each part of the vectors that is as long as a register."""
        whole, part, result = self.vector("float", True), f"<{lanes} x float>", "poison"
        for first in range(0, self.lanes, lanes):
            texts = []
            for value in values:
                short = "f32" if dtypes.is_float(value.dtype) else "i32"
                kind = llvm_type(value.dtype)
                name = f"llvm.vector.extract.v{lanes}{short}.v{self.lanes}{short}"
                operand = (self.vector(kind, True), value.text)
                texts.append(
                    self.intrinsic(f"<{lanes} x {kind}>", name, operand, ("i64", str(first)))
                )
            result = self.intrinsic(
                whole, f"llvm.vector.insert.v{self.lanes}f32.v{lanes}f32",
                (whole, result), (part, make(*texts)), ("i64", str(first)),
            )  # fmt: skip
        return Value(result, dtypes.float32, True)

    def int_instruction(
        self, name: str, kind: str, texts: list[str], dtype: DType, wide: bool
    ) -> str:
        joined = ", ".join(texts)
        signed = dtype in dtypes.SIGNED
        if name in _INT_BINARY:
            return f"{_INT_BINARY[name]} {kind} {joined}"
        if name in _INT_COMPARE:
            relation = _INT_COMPARE[name]
            prefix = "" if relation in ("eq", "ne") else "s" if signed else "u"
            return f"icmp {prefix}{relation} {kind} {joined}"
        match name:
            case "negative":
                return f"sub {kind} {self.literal(0, dtype, wide)}, {joined}"
            case "bitwise_invert":
                ones = self.literal(True if dtype == dtypes.bool_ else -1, dtype, wide)
                return f"xor {kind} {joined}, {ones}"
            case "quotient":
                return f"{'sdiv' if signed else 'udiv'} {kind} {joined}"
            case "modulo":
                return f"{'srem' if signed else 'urem'} {kind} {joined}"
            case "shift_right":
                return f"{'ashr' if signed else 'lshr'} {kind} {joined}"
            case "floor" | "ceil" | "trunc" | "round":
                return f"add {kind} {joined}, {self.literal(0, dtype, wide)}"
        suffix = self.suffix(llvm_type(dtype), wide)
        typed = [(kind, text) for text in texts]
        if name == "abs":
            if not signed:
                return f"add {kind} {joined}, {self.literal(0, dtype, wide)}"
            return self.intrinsic(kind, f"llvm.abs.{suffix}", *typed, ("i1", "false"))
        short = "min" if name == "minimum" else "max"
        return self.intrinsic(kind, f"llvm.{'s' if signed else 'u'}{short}.{suffix}", *typed)

    def cast(self, value: Value, target: DType) -> str:
        source, wide = value.dtype, value.wide
        kind = self.vector(llvm_type(source), wide)
        wanted = self.vector(llvm_type(target), wide)
        if target == dtypes.bool_:
            zero = self.literal(0, source, wide)
            compare = "fcmp une" if dtypes.is_float(source) else "icmp ne"
            return self.assign(f"{compare} {kind} {value.text}, {zero}")
        if dtypes.is_float(source) and dtypes.is_float(target):
            verb = "fpext" if target == dtypes.float64 else "fptrunc"
            if target == dtypes.float32:
                # LLVM would go from double to half at once, for which there is no instruction.
                single = self.assign(f"fptrunc {kind} {value.text} to {wanted}")
                suffix = self.suffix("float", wide)
                return self.intrinsic(wanted, f"llvm.arithmetic.fence.{suffix}", (wanted, single))
        elif dtypes.is_float(target):
            verb = "sitofp" if source in dtypes.SIGNED else "uitofp"
        elif dtypes.is_float(source):
            sign = "s" if target in dtypes.SIGNED else "u"
            ends = (
                self.suffix(llvm_type(target), wide),
                self.suffix(llvm_type(source), wide),
            )
            return self.intrinsic(
                wanted, f"llvm.fpto{sign}i.sat.{ends[0]}.{ends[1]}", (kind, value.text)
            )
        else:
            small, large = source.itemsize * 8 if source != dtypes.bool_ else 1, target.itemsize * 8
            if small == large:
                return value.text
            verb = "trunc" if small > large else "sext" if source in dtypes.SIGNED else "zext"
        return self.assign(f"{verb} {kind} {value.text} to {wanted}")
