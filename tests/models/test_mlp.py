"""The networks of N2 and what must hold for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurona as ne
from neurona import data, nn, optim, random, train
from neurona.core.errors import ArgumentError
from neurona.models import MLP, FeedForward, LinearDiscriminant, NielsenConfig, train_nielsen
from neurona.models.mlp import ACTIVATIONS


def test_layers_and_parameters() -> None:
    network = MLP(784, (30,), 10, activation="sigmoid", output_activation="sigmoid")
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Linear", "Sigmoid", "Linear", "Sigmoid"]
    assert sum(p.size for p in network.parameters()) == 23_860
    kinds = [type(layer).__name__ for layer in MLP(4, (3, 3), 2, dropout=0.5).layers]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear", "Identity"]
    for activation in ACTIVATIONS:
        assert MLP(4, (3,), 2, activation=activation)(ne.zeros((5, 4))).shape == (5, 2)
    with pytest.raises(ArgumentError, match="did you mean 'relu'"):
        MLP(4, (3,), 2, activation="rel")


def test_an_all_linear_mlp_is_one_linear_discriminant(rng: np.random.Generator) -> None:
    random.seed(0)
    network = MLP(5, (7, 6), 3, activation="linear", dtype=ne.float64)
    one, two, three = (network.layers[i] for i in (0, 2, 4))
    line = LinearDiscriminant(5, 3, dtype=ne.float64)
    product = three.weight.numpy() @ two.weight.numpy()
    line.weight.assign(product @ one.weight.numpy())
    line.bias.assign(
        product @ one.bias.numpy() + three.weight.numpy() @ two.bias.numpy() + three.bias.numpy()
    )
    x = rng.standard_normal((40, 5))
    np.testing.assert_allclose(network(x).numpy(), line(x).numpy(), rtol=1e-12, atol=1e-14)


def test_a_trained_linear_mlp_comes_to_the_same_discriminant(rng: np.random.Generator) -> None:
    x = rng.standard_normal((100, 3))
    t = np.column_stack([x @ [1.0, -1.0, 2.0] + 1, rng.standard_normal(100)])
    line = LinearDiscriminant(3, 2, dtype=ne.float64)
    line.fit(x, t)
    random.seed(1)
    network = MLP(3, (8,), 2, activation="linear", dtype=ne.float64)
    model = train.Model(network)
    model.compile(
        optim.SGD(network.parameters(), learning_rate=0.1, momentum=0.9), "quadratic_cost"
    )
    model.fit(x, t, epochs=600, batch_size=100, verbose=False)
    np.testing.assert_allclose(model.predict(x), line(x).numpy(), atol=1e-6)


def interpolator(x: np.ndarray, labels: np.ndarray, classes: int, steep: float) -> MLP:
    """A classifier of N samples with N − 1 hidden nodes, after the proof: no training.

    Along a line on which all samples differ, node j switches on between sample j and j + 1; the
    output weights are the jumps of the wanted outputs there.
    """
    direction = np.random.default_rng(0).standard_normal(x.shape[1])
    place = x @ direction
    order = np.argsort(place)
    place, wanted = place[order], np.eye(classes)[labels[order]]
    network = MLP(x.shape[1], (len(x) - 1,), classes, activation="sigmoid", dtype=ne.float64)
    hidden, output = network.layers[0], network.layers[2]
    gaps = np.diff(place)
    sharp = steep / gaps
    hidden.weight.assign(sharp[:, None] * direction)
    hidden.bias.assign(-sharp * (place[:-1] + gaps / 2))
    output.weight.assign(np.diff(wanted, axis=0).T)
    output.bias.assign(wanted[0])
    return network


@pytest.mark.parametrize("seed", range(5))
def test_one_hidden_node_fewer_than_samples_fits_any_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((40, 3)), rng.integers(0, 4, 40)
    network = interpolator(x, labels, 4, steep=60.0)
    assert network.hidden == (39,)
    outputs = network(x).numpy()
    np.testing.assert_allclose(outputs, np.eye(4)[labels], atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_one_hidden_node_fewer_than_samples_is_also_learnt(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels = rng.standard_normal((12, 2)), rng.integers(0, 2, 12)
    random.seed(seed)
    network = MLP(2, (11,), 2, activation="tanh")
    for layer in network.layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal(layer.weight, std=2.0)
    model = train.Model(network)
    model.compile(optim.Adam(network.parameters(), learning_rate=0.05), metrics=["accuracy"])
    model.fit(x, labels, epochs=1500, batch_size=12, verbose=False)
    assert model.evaluate(x, labels)["accuracy"] == 1.0


@pytest.mark.parametrize("loss", ["cross_entropy", "quadratic_cost"])
def test_outputs_approach_posteriors(loss: str) -> None:
    # A class in the middle of another, in one dimension: posteriors known, no line separates them.
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 30_000)
    x = np.where(labels, rng.normal(0, 0.5, 30_000), rng.normal(0, 2.0, 30_000))[:, None]
    random.seed(3)
    squared = loss == "quadratic_cost"
    network = MLP(
        1, (16,), 2, activation="tanh", output_activation="sigmoid" if squared else "linear"
    )
    model = train.Model(network, classes=["wide", "narrow"])
    model.compile(optim.Adam(network.parameters(), learning_rate=0.01), loss)
    targets = data.encode_targets(labels, 2) if squared else labels
    model.fit(x, targets, epochs=40, batch_size=500, verbose=False)
    points = np.linspace(-3, 3, 25)[:, None]
    narrow = np.exp(-(points**2) / 0.5) / 0.5
    wide = np.exp(-(points**2) / 8) / 2
    posterior = narrow / (narrow + wide)
    found = model.predict(points, probabilities=True)
    np.testing.assert_allclose(found[:, 1:], posterior, atol=0.05)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=0.05)


def test_a_regressor_follows_a_curve() -> None:
    x = np.linspace(-3, 3, 200)[:, None]
    y = np.sin(2 * x)
    random.seed(0)
    network = MLP(1, (32, 32), 1, activation="tanh")
    model = train.Model(network)
    model.compile(
        optim.Adam(network.parameters(), learning_rate=0.01),
        "mean_squared_error",
        ["root_mean_squared_error"],
    )
    model.fit(x, y, epochs=300, verbose=False)
    assert model.evaluate(x, y)["root_mean_squared_error"] < 0.05


# --- the net whose output also sees the input ---


def test_an_mlp_is_a_feed_forward_net_without_the_short_way(rng: np.random.Generator) -> None:
    random.seed(2)
    mlp = MLP(4, (6,), 3, activation="sigmoid", dtype=ne.float64)
    net = FeedForward(4, 6, 3, dtype=ne.float64)
    for mine, other in ((net.to_hidden, mlp.layers[0]), (net.from_hidden, mlp.layers[2])):
        mine.weight.assign(other.weight.numpy())
        mine.bias.assign(other.bias.numpy())
    net.from_input.weight.assign(np.zeros((3, 4)))
    x = rng.standard_normal((9, 4))
    np.testing.assert_array_equal(net(x).numpy(), mlp(x).numpy())
    # And without the hidden layer it is a linear discriminant.
    short = rng.standard_normal((3, 4))
    net.from_input.weight.assign(short)
    net.from_hidden.weight.assign(np.zeros((3, 6)))
    expected = x @ short.T + net.from_hidden.bias.numpy()
    np.testing.assert_allclose(net(x).numpy(), expected, rtol=1e-12)


def test_both_ways_of_a_feed_forward_net_learn() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (400, 1))
    y = 3 * x + np.sin(4 * x)
    random.seed(0)
    network = FeedForward(1, 12, 1, activation="tanh")
    model = train.Model(network)
    model.compile(
        optim.Adam(network.parameters(), learning_rate=0.02),
        "mean_squared_error",
        ["root_mean_squared_error"],
    )
    model.fit(x, y, epochs=200, verbose=False)
    assert model.evaluate(x, y)["root_mean_squared_error"] < 0.1


# --- Nielsen's digits ---


def test_nielsen_on_the_embedded_digits() -> None:
    whole = data.digits()
    bright = data.Dataset(
        inputs=(whole.inputs.astype(int) * 255 // 16).astype(np.uint8),
        targets=whole.targets,
        classes=whole.classes,
    )
    training, test = data.split(bright, (0.8, 0.2), stratify=whole.targets)
    scores = []
    for seed in range(3):
        config = NielsenConfig(seed=seed)
        model, history = train_nielsen(training, test, config, verbose=False)
        scores.append(history.values["validation_accuracy"][-1])
    assert np.median(scores) > 0.94, scores
    assert sum(p.size for p in model.network.parameters()) == 64 * 30 + 30 + 310
    weight, bias = (p.numpy() for p in list(model.network.parameters())[:2])
    assert weight.shape == (30, 64)
    assert bias.std() > 0.5


@pytest.mark.slow
def test_nielsen_and_its_configuration_are_the_same_run(data_folder: Path) -> None:
    from neurona.train.experiment import load_parts, make_model, read_config, run

    example = Path(__file__).resolve().parents[2] / "examples" / "nielsen.toml"
    config = read_config(example, ["training.epochs=1", "data.split=[1]"]).config
    parts = load_parts(config, data_dir=data_folder)
    model = make_model(config, parts)
    run(model, config, parts, verbose=False)
    by_hand, _ = train_nielsen(*data.mnist(data_folder), NielsenConfig(epochs=1), verbose=False)
    for one, two in zip(model.network.parameters(), by_hand.network.parameters(), strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_nielsen_wants_pictures() -> None:
    table = data.Dataset(inputs=np.zeros((3, 2)), targets=[0, 1, 0])
    with pytest.raises(ArgumentError, match="pictures with classes are needed"):
        train_nielsen(table, table)
