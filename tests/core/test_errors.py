"""Errors keep the meaning of Python's own, and hints name what was meant."""

from __future__ import annotations

import pytest

from neurona.core import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ShapeError, ValueError),
        (errors.DTypeError, TypeError),
        (errors.ArgumentError, ValueError),
        (errors.DataError, ValueError),
        (errors.CheckpointError, ValueError),
        (errors.NonFiniteError, ArithmeticError),
        (errors.TraceError, Exception),
    ],
)
def test_bases(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, errors.NeuronaError)
    assert issubclass(error, builtin)


def test_nearest() -> None:
    assert errors.nearest("Linaer", ["ReLU", "Linear"]) == "; did you mean 'Linear'?"
    assert errors.nearest("xyz", ["ReLU", "Linear"]) == ""
    assert errors.nearest("x", iter(())) == ""
