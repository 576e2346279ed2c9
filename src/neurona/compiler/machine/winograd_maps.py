"""Linear maps with few constant coefficients, as LLVM IR of vectors.

Two columns whose coefficients have equal sizes, in some rows of opposite signs, are replaced by the
sum and the difference of their values; two such rows by the sum and the difference of what they
share. Points ±a of an interpolation make such pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from neurona.compiler.machine.pack import PanelText
from neurona.compiler.machine.winograd_matrices import Matrix, transpose

Terms = list[tuple[Fraction, str]]


class Maps(PanelText):
    """Text of matrix·values, where every value is a vector register."""

    def two_sided(
        self,
        matrix: Matrix,
        value: Callable[[int, int], str],
        save: Callable[[int, int, str], None],
    ) -> None:
        """Save the elements of M X Mᵀ, row by row; X is asked for column by column."""
        size = range(len(matrix[0]))
        columns = [self.mapped(matrix, [value(i, j) for i in size]) for j in size]
        for i in range(len(matrix)):
            for j, element in enumerate(self.mapped(matrix, [column[i] for column in columns])):
                save(i, j, element)

    def mapped(self, matrix: Matrix, values: Sequence[str]) -> list[str]:
        """The vectors of matrix·values."""
        columns, held = list(transpose(matrix)), list(values)
        for p, q in _pairs(columns):
            both = _both(columns, p, q)
            columns[p] = tuple(a if a == b else Fraction(0) for a, b in both)
            columns[q] = tuple(a if a != b else Fraction(0) for a, b in both)
            pair = held[p], held[q]
            held[p], held[q] = self.added(*pair), self.added(*pair, "fsub")
        rows = transpose(tuple(columns))
        results = [""] * len(rows)
        for p, q in _pairs(rows):
            both = _both(rows, p, q)
            same = [(a, x) for (a, b), x in zip(both, held, strict=True) if a == b]
            apart = [(a, x) for (a, b), x in zip(both, held, strict=True) if a != b]
            even, odd, factor = self.total(same), *self.up_to_factor(apart)
            results[p] = self.total([(Fraction(1), even), (factor, odd)])
            results[q] = self.total([(Fraction(1), even), (-factor, odd)])
        for i, row in enumerate(rows):
            results[i] = results[i] or self.total(list(zip(row, held, strict=True)))
        return results

    def up_to_factor(self, terms: Terms) -> tuple[str, Fraction]:
        """A sum divided by one of its coefficients, and that."""
        factor = next(a for a, _ in reversed(terms) if a)
        return self.total([(a / factor, x) for a, x in terms]), factor

    def total(self, terms: Terms) -> str:
        """Σ coefficient·value."""
        terms = [(a, x) for a, x in terms if a]
        terms.sort(key=lambda term: (term[0] != 1, abs(term[0]) != 1))
        if not terms:
            return "zeroinitializer"
        (a, x), *rest = terms
        found = x if a == 1 else self.assign(f"fmul {self.wide} {x}, {self.constant(a)}")
        for a, x in rest:
            if abs(a) == 1:
                found = self.added(found, x, "fadd" if a == 1 else "fsub")
            else:
                typed = [(self.wide, text) for text in (x, self.constant(a), found)]
                name = f"llvm.fma.{self.suffix(self.kind, True)}"
                found = self.intrinsic(self.wide, name, *typed)
        return found

    def added(self, a: str, b: str, verb: str = "fadd") -> str:
        return self.assign(f"{verb} {self.wide} {a}, {b}")

    def constant(self, value: Fraction) -> str:
        return self.literal(float(value), self.dtype, True)


def _both(rows: Sequence[tuple[Fraction, ...]], p: int, q: int) -> list[tuple[Fraction, Fraction]]:
    return list(zip(rows[p], rows[q], strict=True))


def _pairs(rows: Sequence[tuple[Fraction, ...]]) -> list[tuple[int, int]]:
    """Rows that differ in some signs only, no row twice."""
    found: list[tuple[int, int]] = []
    for p in range(len(rows)):
        for q in range(p + 1, len(rows)):
            pairs = [(a, b) for a, b in _both(rows, p, q) if a or b]
            free = all(p not in pair and q not in pair for pair in found)
            equal = sum(a == b for a, b in pairs)
            if free and 0 < equal < len(pairs) and all(abs(a) == abs(b) for a, b in pairs):
                found.append((p, q))
    return found
