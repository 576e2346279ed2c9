"""The examples in the docstrings run, module by module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import neurona

MODULES = ["neurona", *(m.name for m in pkgutil.walk_packages(neurona.__path__, "neurona."))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for example in doctest.DocTestFinder().find(module):
        neurona.random.seed(0)  # each docstring stands for itself
        runner.run(example)
    assert runner.failures == 0, f"{runner.failures} of {runner.tries} examples of {name}"
