"""The same network from the same weights gives the same losses as Keras."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from neurona import keras
from tests.conftest import CHECKOUT
from tests.keras.cases import Numbers
from tests.keras.golden import CASES, stored

DRIFT = 2e-5
"""How far float32 may drift from float64 in two dozen steps, relatively."""


def compare(ours: Numbers, theirs: Numbers) -> None:
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=DRIFT, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_those_that_keras_gave(name: str) -> None:
    compare(CASES[name](keras), stored()[name])


def of_the_original(module: str, *arguments: str) -> str:
    """What a module of the tests prints where Keras on PyTorch is installed."""
    if not importlib.util.find_spec("keras") or not importlib.util.find_spec("torch"):
        pytest.skip("Keras on PyTorch is not installed")
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "KERAS_BACKEND": "torch"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_keras_installed_still_gives_them() -> None:
    found = json.loads(of_the_original("tests.keras.golden", *CASES).splitlines()[-1])
    for name in CASES:
        compare(stored()[name], found[name])


@pytest.mark.slow
def test_arguments_stand_where_keras_has_them_with_its_defaults() -> None:
    assert not of_the_original("tests.keras.signatures").strip()
