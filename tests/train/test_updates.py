"""What compile puts into the step: accumulation, clipping, penalties, frozen layers, rates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import neurona as ne
from neurona import nn, optim, random, train
from neurona.core.errors import ArgumentError
from neurona.optim.schedules import Schedule

RNG = np.random.default_rng(8)
X = RNG.normal(size=(24, 6)).astype(np.float32)
Y = RNG.normal(size=(24, 2)).astype(np.float32)


def model(rate: float = 0.1, groups: Any = None, **options: Any) -> train.Model:
    random.seed(1)
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2))
    made = train.Model(network)
    parameters = network.parameters() if groups is None else groups(network)
    made.compile(optim.SGD(parameters, learning_rate=rate), "mean_squared_error", **options)
    return made


def plain(rate: float = 0.1, **options: Any) -> train.Model:
    """Without batch normalisation, whose statistics are those of the small batches."""
    random.seed(1)
    network = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    made = train.Model(network)
    optimizer = optim.SGD(network.parameters(), learning_rate=rate, momentum=0.9)
    made.compile(optimizer, "mean_squared_error", **options)
    return made


def state(made: train.Model) -> dict[str, NDArray[Any]]:
    return made.network.state_dict()


def assert_close(one: train.Model, other: train.Model, rtol: float = 1e-5) -> None:
    for name, array in state(one).items():
        np.testing.assert_allclose(array, state(other)[name], rtol=rtol, atol=1e-6, err_msg=name)


def gradient_norm(made: train.Model) -> float:
    loss = nn.functional.mse_loss(made.network(ne.asarray(X)), ne.asarray(Y))
    loss.backward()
    squares = [float(ne.sum(p.grad * p.grad).item()) for p in made.network.parameters()]
    for parameter in made.network.parameters():
        parameter.grad = None
    return float(np.sqrt(sum(squares)))


# --- accumulation ---


def test_accumulated_batches_are_one_large_one() -> None:
    # Of 24 samples the last group is shorter, and its last batch shorter still.
    small, batches = 5, 3
    one, many = plain(l2=0.01, clip_norm=0.5), plain(l2=0.01, clip_norm=0.5, accumulate=batches)
    large = one.fit(X, Y, batch_size=small * batches, epochs=3, seed=5, verbose=False)
    parts = many.fit(X, Y, batch_size=small, epochs=3, seed=5, verbose=False)
    assert_close(one, many)
    assert one.steps_done == many.steps_done
    np.testing.assert_allclose(large.values["loss"][0], parts.values["loss"][0], rtol=0.2)


def test_accumulated_weights_count_by_their_sums() -> None:
    weights = RNG.uniform(0, 2, 24)
    one, many = plain(), plain(accumulate=2)
    one.fit(X, Y, batch_size=16, sample_weight=weights, verbose=False)
    many.fit(X, Y, batch_size=8, sample_weight=weights, verbose=False)
    assert_close(one, many)


def test_an_interrupted_group_is_forgotten() -> None:
    clean, other = plain(accumulate=3), plain(accumulate=3)
    other.steps.accumulate((X[:4], Y[:4]), finish=False)
    for made in (clean, other):
        made.fit(X, Y, batch_size=4, verbose=False)
    for name, array in state(clean).items():
        np.testing.assert_array_equal(array, state(other)[name])


# --- clipping and penalties ---


def test_gradients_are_clipped() -> None:
    made = model(rate=1.0, clip_norm=0.01)
    before, norm = state(made), gradient_norm(made)
    assert norm > 0.1
    made = model(rate=1.0, clip_norm=0.01)
    made.fit(X, Y, batch_size=24, verbose=False)
    names = [name for name, _ in made.network.named_parameters()]
    moved = np.sqrt(sum(float(((state(made)[n] - before[n]) ** 2).sum()) for n in names))
    np.testing.assert_allclose(moved, 0.01, rtol=1e-4)
    made = model(rate=1.0, clip_value=1e-3)
    made.fit(X, Y, batch_size=24, verbose=False)
    assert max(float(np.abs(state(made)[n] - before[n]).max()) for n in names) <= 1.001e-3


def test_penalties_are_learnt_but_not_reported() -> None:
    with_penalty, decayed = plain(l2=0.1), plain()
    first = with_penalty.fit(X, Y, batch_size=24, verbose=False)
    second = decayed.fit(X, Y, batch_size=24, verbose=False)
    assert first.values["loss"] == second.values["loss"]
    for name, array in state(plain()).items():
        # λ/2·Σw² has the gradient λw; biases are left out.
        moved = 0.1 * 0.1 * array if array.ndim > 1 else 0
        np.testing.assert_allclose(
            state(with_penalty)[name], state(decayed)[name] - moved, rtol=1e-4, atol=1e-6
        )
    sparse = plain(l1=0.1)
    sparse.fit(X, Y, batch_size=24, verbose=False)
    for name, array in state(plain()).items():
        moved = 0.1 * 0.1 * np.sign(array) if array.ndim > 1 else 0
        np.testing.assert_allclose(
            state(sparse)[name], state(decayed)[name] - moved, rtol=1e-4, atol=1e-6
        )


def test_norms_are_bounded() -> None:
    made = plain(max_norm=0.3)
    made.fit(X, Y, batch_size=8, epochs=2, verbose=False)
    for name in ("0.weight", "2.weight"):
        assert np.linalg.norm(state(made)[name], axis=1).max() <= 0.3 * (1 + 1e-6)


# --- layers ---


def test_frozen_layers_stay_bit_for_bit() -> None:
    made = model(frozen=["0", "1"], l2=0.1, max_norm=0.2)
    before = state(made)
    made.fit(X, Y, batch_size=8, epochs=2, validation_data=(X, Y), verbose=False)
    after = state(made)
    for name in before:
        same = np.array_equal(before[name], after[name])
        assert same == (name.split(".")[0] in ("0", "1")), name
    # A frozen layer is as in evaluation: statistics of the batch are not looked at.
    assert made.network.training
    assert all(module.training for module in made.network.modules())
    assert all(parameter.requires_grad for parameter in made.network.parameters())
    made.compile(made.optimizer, "mean_squared_error")
    made.fit(X, Y, batch_size=8, verbose=False)
    assert not np.array_equal(state(made)["0.weight"], after["0.weight"])
    assert not np.array_equal(state(made)["1.running_mean"], after["1.running_mean"])


def test_a_single_parameter_can_be_frozen() -> None:
    made = model(frozen="3.bias")
    before = state(made)
    made.fit(X, Y, batch_size=8, verbose=False)
    assert np.array_equal(before["3.bias"], state(made)["3.bias"])
    assert not np.array_equal(before["3.weight"], state(made)["3.weight"])


def test_layers_with_rates_of_their_own() -> None:
    def groups(network: nn.Module) -> Any:
        return train.parameter_groups(network, {"0": 0.0, "3": 0.05, "3.bias": 0.2})

    made, all_alike = model(groups=groups), model()
    before = state(made)
    for one in (made, all_alike):
        one.fit(X, Y, batch_size=24, verbose=False)
    for name, share in (
        *(("0.weight", 0.0), ("0.bias", 0.0), ("1.weight", 1.0)),
        *(("3.weight", 0.5), ("3.bias", 2.0)),
    ):
        moved, usual = (state(one)[name] - before[name] for one in (made, all_alike))
        np.testing.assert_allclose(moved, share * usual, rtol=1e-3, atol=1e-6, err_msg=name)


class Halving(Schedule):
    """½ᵏ at step k."""

    def factor(self, step: int, steps_per_epoch: int) -> float:
        return 0.5 ** (step // steps_per_epoch)


def test_a_schedule_counts_updates_and_keeps_proportions() -> None:
    seen: list[tuple[int, float, float]] = []

    class Watch(train.Callback):
        def on_step_end(self, step: int, loss: ne.Tensor) -> None:
            rates = [float(rate.numpy()) for rate in self.model.optimizer.rates]
            assert np.isfinite(loss.item())
            seen.append((step, *rates))

    def groups(network: nn.Module) -> Any:
        return train.parameter_groups(network, {"3": 0.02})

    made = model(groups=groups, schedule=Halving(), accumulate=2)
    history = made.fit(X, Y, batch_size=6, epochs=2, callbacks=[Watch()], verbose=False)
    made.fit(X, Y, batch_size=6, epochs=1, callbacks=[Watch()], verbose=False)
    assert [step for step, *_ in seen] == list(range(6))
    np.testing.assert_allclose([rate for _, rate, _ in seen], [0.1, 0.1, 0.05, 0.05, 0.025, 0.025])
    np.testing.assert_allclose([own for _, _, own in seen], [0.02] * 2 + [0.01] * 2 + [0.005] * 2)
    assert history.learning_rates == [0.1, 0.05]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 0}, "accumulate is a number of batches"),
        ({"clip_norm": -1.0}, "clip_norm must be positive"),
        ({"clip_norm": 1.0, "clip_value": 1.0}, "clip_norm or clip_value"),
        ({"l1": float("nan")}, "l1 must be finite"),
        ({"l2": "much"}, "l2 must be finite"),
        ({"max_norm": 0}, "max_norm must be positive"),
        ({"frozen": ["00"]}, r"no layer '00'; did you mean '0'"),
        ({"frozen": ["0", "1", "3"]}, "every parameter would be frozen"),
        ({"schedule": 0.5}, "schedule: a name of constant, cosine"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        model(**options)


def test_rates_of_layers_that_are_not_there() -> None:
    with pytest.raises(ArgumentError, match=r"learning_rates: the network has no layer '3.weigth'"):
        train.parameter_groups(model().network, {"3.weigth": 0.1})


def test_a_schedule_that_gives_nonsense() -> None:
    class Wrong(Schedule):
        def factor(self, step: int, steps_per_epoch: int) -> float:
            return -1.0 if step == 2 else 1.0

    made = model(schedule=Wrong())
    with pytest.raises(ArgumentError, match=r"factor -1.0 at step 2"):
        made.fit(X, Y, batch_size=4, verbose=False)
