"""Sequential, ModuleList, ModuleDict."""

from __future__ import annotations

import numpy as np
import pytest

from neurona import nn
from neurona.core.errors import ArgumentError


def test_sequential_runs_in_order() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = np.ones((5, 3), np.float32)
    expected = model[2](model[1](model[0](x))).numpy()
    np.testing.assert_array_equal(model(x).numpy(), expected)


def test_sequential_takes_names() -> None:
    model = nn.Sequential({"hidden": nn.Linear(3, 4), "output": nn.Linear(4, 2)})
    assert next(iter(model.state_dict())) == "hidden.weight"
    assert model[-1].out_features == 2
    model[0] = nn.Linear(2, 4)
    assert model.hidden.in_features == 2


def test_slices_keep_names_in_sequential_and_number_anew_in_lists() -> None:
    layers = [nn.Linear(1, 1) for _ in range(4)]
    model = nn.Sequential(*layers)
    assert [name for name, _ in model[1:3].named_children()] == ["1", "2"]
    several = nn.ModuleList(layers)
    assert [name for name, _ in several[1:3].named_children()] == ["0", "1"]
    assert several[1:3][0] is layers[1]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_editing(kind: type) -> None:
    a, b, c = nn.Linear(1, 1), nn.ReLU(), nn.Tanh()
    several = kind()
    assert several.append(a).extend([c]).insert(1, b) is several
    assert list(several) == [a, b, c]
    del several[0]
    assert list(several) == [b, c]
    assert [name for name, _ in several.named_children()] == ["0", "1"]
    several[-1] = a
    assert several[1] is a
    assert len(several) == 2
    del several[:]
    assert len(several) == 0


def test_errors() -> None:
    with pytest.raises(ArgumentError, match=r"make it, as in nn\.ReLU\(\)"):
        nn.Sequential(nn.ReLU)
    with pytest.raises(ArgumentError, match="a Module is needed, not 3"):
        nn.ModuleList([3])
    with pytest.raises(IndexError, match="2 is out of range for 2"):
        nn.ModuleList([nn.ReLU(), nn.ReLU()])[2]
    with pytest.raises(KeyError, match="did you mean 'digit'"):
        nn.ModuleDict({"digit": nn.ReLU()})["digits"]


def test_module_dict() -> None:
    heads = nn.ModuleDict({"a": nn.ReLU()})
    heads["b"] = nn.Tanh()
    heads.update({"c": nn.Linear(1, 1)})
    assert list(heads) == list(heads.keys()) == ["a", "b", "c"]
    assert "b" in heads
    assert len(heads) == 3
    del heads["a"]
    assert [type(module).__name__ for module in heads.values()] == ["Tanh", "Linear"]
    assert dict(heads.items())["b"] is heads["b"]
    with pytest.raises(NotImplementedError):
        heads(1)
