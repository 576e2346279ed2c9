"""What a model says about samples, in words, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.data.files import replacing
from neurona.train.model import Model

OTHERS = 2
"""How many classes are named after the likeliest."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One row a sample.

    - `values`: `(sample, class)`, or `(sample, number)` where there are no classes.
    - `probable`: whether the values are probabilities.
    """

    names: Sequence[str]
    values: NDArray[Any]
    classes: Sequence[str]
    probable: bool

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The class number of each sample."""
        numbers: NDArray[np.int64] = np.argmax(self.values, axis=1)
        return numbers

    def lines(self) -> list[str]:
        """A line a sample: the likeliest classes, or the numbers."""
        width = max(map(len, self.names))
        told = []
        for name, row in zip(self.names, self.values, strict=True):
            if not self.classes:
                told.append(f"{name:{width}}  {'  '.join(map(_number, row))}")
                continue
            order = np.argsort(-row, kind="stable")[: 1 + OTHERS]
            first, *rest = [f"{self.classes[c]} ({self._shown(row[c])})" for c in order]
            told.append(f"{name:{width}}  {first}, then {', '.join(rest)}")
        return told

    def _shown(self, value: float) -> str:
        return f"{100 * value:.1f} %" if self.probable else f"{value:.3g}"

    def records(self) -> list[dict[str, Any]]:
        """A dictionary a sample, fit for JSON."""
        kind = "probabilities" if self.probable else "outputs"
        if not self.classes:
            return [
                {"sample": name, "values": row.tolist()}
                for name, row in zip(self.names, self.values, strict=True)
            ]
        return [
            {
                "sample": name,
                "class": self.classes[number],
                kind: dict(zip(self.classes, row.tolist(), strict=True)),
            }
            for name, number, row in zip(self.names, self.chosen, self.values, strict=True)
        ]

    def save(self, path: Path) -> None:
        """Write a CSV file: the sample, its class, and the value of each class or number."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.classes:
            writer.writerow(["sample", "class", *self.classes])
            for name, number, row in zip(self.names, self.chosen, self.values, strict=True):
                writer.writerow([name, self.classes[number], *row.tolist()])
        else:
            count = self.values.shape[1]
            heads = ["value"] if count == 1 else [f"value {i}" for i in range(count)]
            writer.writerow(["sample", *heads])
            writer.writerows(
                [name, *row.tolist()] for name, row in zip(self.names, self.values, strict=True)
            )
        with replacing(path) as file:
            file.write(text.getvalue().encode())


def _number(value: float) -> str:
    """Six digits, without an exponent for large numbers such as prices.

    >>> _number(0.12345678), _number(1234567.0)
    ('0.123457', '1234567')
    """
    return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"


def answer(model: Model, names: Sequence[str], inputs: NDArray[Any]) -> Answers:
    """What a model says about samples. One output for two classes is the share of the second."""
    values = model.predict(inputs, probabilities=True)
    values = values.reshape(len(values), -1)
    if len(model.classes) == 2 and values.shape[1] == 1:
        values = np.concatenate([1 - values, values], axis=1)
    low, high, sums = values.min(initial=0), values.max(initial=0), values.sum(axis=1)
    probable = bool(model.classes) and low >= 0 and high <= 1 and np.allclose(sums, 1, atol=1e-3)
    return Answers(names, values, model.classes, probable)
