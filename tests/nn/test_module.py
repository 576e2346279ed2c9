"""Module: members, names, state, modes, hooks, errors with paths."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, CheckpointError, DTypeError, ShapeError
from neurona.core.trace import Modes, recording


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        self.norm = nn.BatchNorm1d(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return self.linear(self.norm(x))


class Network(nn.Module):
    def __init__(self) -> None:
        self.scale = ne.Variable(np.ones(3, np.float32))
        self.body = nn.ModuleList([Block(3), Block(3)])
        self.head = nn.Linear(3, 2, bias=False)
        self.register_buffer("calls", np.zeros((), np.int64))
        self.register_buffer("scratch", np.zeros(2, np.float32), persistent=False)

    def forward(self, x: Any) -> Any:
        for block in self.body:
            x = block(x * self.scale)
        return self.head(x)


BLOCK = ["norm.weight", "norm.bias", "linear.weight", "linear.bias"]


def test_names_are_those_of_pytorch() -> None:
    network = Network()
    assert [name for name, _ in network.named_parameters()] == [
        "scale",
        *[f"body.0.{name}" for name in BLOCK],
        *[f"body.1.{name}" for name in BLOCK],
        "head.weight",
    ]
    assert [name for name, _ in network.named_buffers()] == [
        "calls",
        "scratch",
        *[
            f"body.{i}.norm.{name}"
            for i in (0, 1)
            for name in ("running_mean", "running_var", "num_batches_tracked")
        ],
    ]
    assert [name for name, _ in network.named_modules()] == [
        "",
        "body",
        *["body.0", "body.0.norm", "body.0.linear"],
        *["body.1", "body.1.norm", "body.1.linear"],
        "head",
    ]
    assert [name for name, _ in network.named_children()] == ["body", "head"]
    assert len(list(network.parameters())) == 10
    assert len(list(network.buffers())) == 8


def test_order_of_the_state_is_that_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    ours = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.PReLU(), nn.Linear(3, 1))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.PReLU(), torch.nn.Linear(3, 1)
    )
    expected = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    found = {name: value.shape for name, value in ours.state_dict().items()}
    assert list(found.items()) == list(expected.items())
    ours.load_state_dict(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[name], value.numpy())


def test_state_is_copied_and_leaves_transient_buffers_out() -> None:
    network = Network()
    state = network.state_dict()
    assert "scratch" not in state
    assert "calls" in state
    state["head.weight"][:] = 7
    assert not (network.head.weight.numpy() == 7).any()


def test_load_takes_copies() -> None:
    layer = nn.Linear(2, 1)
    state = {"weight": np.ones((1, 2), np.float32), "bias": np.zeros(1, np.float32)}
    assert layer.load_state_dict(state) == ([], [])
    state["weight"][:] = 5
    np.testing.assert_array_equal(layer.weight.numpy(), [[1, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "missing: 0.bias"),
        (lambda s: s.update({"0.bais": s["0.bias"]}), "unexpected: 0.bais"),
        (lambda s: s.update({"0.bias": np.zeros(4, np.float32)}), r"shape \(4,\) in the state"),
        (lambda s: s.update({"0.bias": np.zeros(3)}), "0.bias: float64 in the state, float32 here"),
        (lambda s: s.update({"0.bias": "text"}), "0.bias: not an array of numbers"),
    ],
)
def test_load_changes_nothing_when_anything_does_not_fit(change: Any, message: str) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = model.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises(CheckpointError, match=message):
        model.load_state_dict(state)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_load_hints_at_the_name_that_was_meant() -> None:
    state = nn.Linear(2, 1).state_dict()
    state["wieght"] = state.pop("weight")
    with pytest.raises(CheckpointError, match="did you mean 'weight'"):
        nn.Linear(2, 1).load_state_dict(state)


def test_load_hints_at_names_with_a_prefix_and_at_parts() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = model.state_dict()
    parallel = {f"module.{name}": value for name, value in state.items()}
    with pytest.raises(CheckpointError, match=r"\{name\.removeprefix\('module\.'\): value for"):
        model.load_state_dict(parallel)
    with pytest.raises(CheckpointError, match=r"state begin with 'module\.1\.', give"):
        model[1].load_state_dict({name: parallel[name] for name in list(parallel)[2:]})
    with pytest.raises(
        CheckpointError, match=r"module begin with '0\.', give \{'0\.' \+ name: value"
    ):
        model.load_state_dict(model[0].state_dict())
    with pytest.raises(CheckpointError, match=r"state\['weights'\] has such names, give that"):
        model.load_state_dict({"epoch": 3, "weights": state})


def test_load_in_part() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = {"0.bias": np.ones(3, np.float32), "other": np.zeros(1)}
    result = model.load_state_dict(state, strict=False)
    assert result.missing_keys == ["0.weight", "1.weight", "1.bias"]
    assert result.unexpected_keys == ["other"]
    np.testing.assert_array_equal(model.state_dict()["0.bias"], [1, 1, 1])


def test_shared_parameters_are_learnt_once_and_saved_under_each_name() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert "1.weight" in model.state_dict()
    other = copy.deepcopy(model)
    assert other[0].weight is other[1].weight


def test_deep_copies_share_nothing() -> None:
    model = Network()
    other = copy.deepcopy(model)
    assert list(other.state_dict()) == list(model.state_dict())
    assert isinstance(other.head.weight, ne.Variable)
    other.head.weight.assign(other.head.weight * 0)
    assert model.head.weight.numpy().any()


def test_modes_reach_all_modules() -> None:
    network = Network()
    assert network.eval() is network
    assert not any(module.training for module in network.modules())
    network.train()
    assert all(module.training for module in network.modules())


def test_freezing_stops_gradients_of_parameters_only() -> None:
    network = Network()
    network.body[0].freeze()
    assert sum(not parameter.requires_grad for parameter in network.parameters()) == 4
    loss = ne.sum(network(np.ones((4, 3), np.float32)))
    loss.backward()
    assert network.body[0].linear.weight.grad is None
    assert network.body[1].linear.weight.grad is not None
    network.unfreeze()
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert not any(buffer.requires_grad for buffer in network.buffers())


def test_members_can_be_replaced_and_removed() -> None:
    network = Network()
    network.head = nn.Linear(3, 5)
    assert network(np.ones((2, 3), np.float32)).shape == (2, 5)
    network.head.bias = None
    assert [name for name, _ in network.head.named_parameters()] == ["weight"]
    del network.scale
    assert "scale" not in dict(network.named_parameters())
    network.calls = ne.Variable(np.int64(3), requires_grad=False)
    assert "calls" in dict(network.named_buffers())


def test_members_that_would_get_lost_are_refused() -> None:
    class Wrong(nn.Module):
        def __init__(self, value: Any) -> None:
            self.layers = value

    with pytest.raises(ArgumentError, match=r"nn\.ModuleList"):
        Wrong([nn.Linear(1, 1)])
    with pytest.raises(ArgumentError, match=r"nn\.ModuleDict"):
        Wrong({"a": nn.Linear(1, 1)})
    assert not list(Wrong((nn.Linear(1, 1),)).parameters())
    with pytest.raises(DTypeError, match="register_buffer"):
        Wrong(ne.Variable(np.int64(1), requires_grad=False))
    with pytest.raises(ArgumentError, match="the class has an attribute"):
        nn.ModuleDict({"train": nn.Linear(1, 1)})
    with pytest.raises(ArgumentError, match="no dots"):
        nn.ModuleDict({"a.b": nn.Linear(1, 1)})


def test_astype_casts_floats_and_keeps_sharing() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    model[0].freeze()
    assert model.astype(ne.float64) is model
    state = model.state_dict()
    assert state.pop("1.num_batches_tracked").dtype == np.int64
    assert {array.dtype for array in state.values()} == {np.dtype(np.float64)}
    assert model[2].weight is model[0].weight
    assert not model[0].weight.requires_grad
    assert model(np.ones((2, 3))).dtype == np.float64
    with pytest.raises(DTypeError, match="int32 is not a float"):
        model.astype(ne.int32)


def test_apply_goes_inside_first() -> None:
    seen: list[str] = []
    nn.Sequential(nn.Linear(1, 1), nn.ReLU()).apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Sequential"]


def test_hooks_see_replace_and_go() -> None:
    layer = nn.Linear(2, 2)
    seen: list[Any] = []
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    after = layer.register_forward_hook(lambda module, args, output: seen.append(output))
    x = np.ones((1, 2), np.float32)
    twice = layer(x).numpy()
    assert len(seen) == 1
    before.remove()
    before.remove()
    once = layer(x).numpy()
    np.testing.assert_allclose(twice, 2 * once - layer.bias.numpy(), rtol=1e-5)
    after.remove()
    layer.register_forward_hook(lambda module, args, output: output * 0)
    assert not layer(x).numpy().any()
    assert len(seen) == 2


def test_repr_shows_the_tree() -> None:
    assert repr(Block(3)) == (
        "Block(\n"
        "  (norm): BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
        "  (linear): Linear(in_features=3, out_features=3, bias=True)\n"
        ")"
    )


def test_errors_name_the_path_of_the_layer() -> None:
    network = nn.Sequential(nn.Linear(400, 8), nn.ModuleDict(), nn.Linear(256, 8))
    del network[1]
    body = nn.Sequential({"body": network})
    with pytest.raises(ShapeError) as caught:
        body(np.ones((32, 400), np.float32))
    assert str(caught.value) == "Linear 'body.1': last axis of x (32, 8) must be in_features 256"
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(ShapeError, match=r"^Linear: last axis of x \(1, 3\) must be in_features 2"):
        nn.Linear(2, 1)(np.ones((1, 3), np.float32))


def test_errors_of_ops_get_a_note_with_the_path() -> None:
    class Sum(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + np.ones(5, np.float32)

    model = nn.Sequential(nn.Linear(2, 3), Sum())
    with pytest.raises(ShapeError) as caught:
        model(np.ones((4, 2), np.float32))
    assert caught.value.__notes__ == ["in Sum '1'"]
    with pytest.raises(ShapeError) as caught:
        Sum()(ne.asarray(np.ones(4, np.float32)))
    assert caught.value.__notes__ == ["in Sum"]


def test_the_stack_of_running_modules_is_empty_after_an_error() -> None:
    from neurona.nn.running import RUNNING

    with pytest.raises(DTypeError, match=r"x is float64, weight float32"):
        nn.Sequential(nn.Linear(2, 2))(np.ones((1, 2)))
    assert not RUNNING.stack


def guards_of(module: nn.Module) -> list[Any]:
    with recording() as trace:
        module(ne.asarray(np.ones((2, 3), np.float32)))
    return [(probe, seen) for probe, seen in trace.guards if not isinstance(seen, bool)]


def test_a_recording_depends_on_each_module_once() -> None:
    block = Block(3)
    twice = nn.Sequential(block, block)
    assert len(guards_of(twice)) == 4  # the container, the block and its two layers
    assert len(guards_of(twice)) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.eval(),
        lambda m: setattr(m[1], "p", 0.25),
        lambda m: setattr(m[0], "bias", None),
        lambda m: setattr(m[0], "weight", ne.Variable(np.ones((3, 3), np.float32))),
        lambda m: m.append(nn.ReLU()),
        lambda m: m[0].register_forward_hook(lambda *_: None),
        lambda m: setattr(m[0], "function", np.tanh),
    ],
)
def test_what_a_recording_depends_on_shows_in_its_guards(change: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    guards = guards_of(model)
    epoch = Modes.epoch
    assert all(probe() == seen for probe, seen in guards)
    change(model)
    assert Modes.epoch > epoch
    assert any(probe() != seen for probe, seen in guards)


def test_going_back_to_a_mode_finds_the_old_recording() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    guards = guards_of(model)
    model.eval()
    model.train()
    model[1].p = 0.25
    model[1].p = 0.5
    assert all(probe() == seen for probe, seen in guards)


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Empty must define forward"):
        type("Empty", (nn.Module,), {})()(1)
