"""Recurrent layers against PyTorch and against their cells; sequences of different lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, ShapeError

TIME, BATCH, INPUTS, FEATURES = 5, 3, 4, 6
STACK = {"num_layers": 2, "bidirectional": True}
LENGTHS = np.array([5, 2, 3])


def arrays(layer: Any, *, batch_first: bool = False) -> tuple[Any, list[Any]]:
    rng = np.random.default_rng(0)
    shape = (BATCH, TIME, INPUTS) if batch_first else (TIME, BATCH, INPUTS)
    places = layer.num_layers * (1 + layer.bidirectional)
    states = [rng.normal(size=(places, BATCH, layer.features())) for _ in layer.states]
    return rng.normal(size=shape).astype(np.float32), [h.astype(np.float32) for h in states]


def flat(outputs: Any) -> list[Any]:
    y, state = outputs
    return [y, *(state if isinstance(state, tuple) else [state])]


def ours(layer: Any, x: Any, states: list[Any], lengths: Any) -> Callable[[], Any]:
    """All results of a layer, and the gradients of their weighted sum by all it depends on."""
    places = [ne.Variable(x), *map(ne.Variable, states)]

    def run() -> Any:
        state = tuple(places[1:]) if len(states) > 1 else places[1]
        found = flat(layer(places[0], state, lengths=lengths))
        loss = sum((ne.sum(r * ne.sin(r)) for r in found), ne.asarray(0.0))
        return [*found, *ne.gradients(loss, [*places, *layer.parameters()])]

    return run


def theirs(layer: Any, x: Any, states: list[Any], lengths: Any) -> list[Any]:
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    kind = getattr(torch.nn, type(layer).__name__)
    names = ("num_layers", "bias", "batch_first", "bidirectional")
    more = {"nonlinearity": layer.nonlinearity} if isinstance(layer, nn.RNN) else {}
    peer = kind(INPUTS, FEATURES, **{name: getattr(layer, name) for name in names}, **more)
    state = layer.state_dict()
    assert list(state) == list(peer.state_dict())
    peer.load_state_dict({name: torch.from_numpy(a) for name, a in state.items()})
    places = [torch.from_numpy(a).requires_grad_() for a in (x, *states)]
    first = {"batch_first": layer.batch_first}
    rows = places[0]
    if lengths is not None:
        sizes = torch.from_numpy(lengths)
        rows = pack_padded_sequence(rows, sizes, enforce_sorted=False, **first)
    y, end = peer(rows, tuple(places[1:]) if len(states) > 1 else places[1])
    if lengths is not None:
        y, _ = pad_packed_sequence(y, total_length=TIME, **first)
    found = flat((y, end))
    sum((r * r.sin()).sum() for r in found).backward()
    slopes = [p.grad for p in (*places, *peer.parameters())]
    return [r.detach().numpy() for r in (*found, *slopes)]


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "lengths"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.RNN(INPUTS, FEATURES, nonlinearity="relu", bias=False, **STACK),
        lambda: nn.LSTM(INPUTS, FEATURES, batch_first=True, **STACK),
        lambda: nn.GRU(INPUTS, FEATURES, **STACK),
    ],
    ids=["RNN", "LSTM", "GRU"],
)
def test_results_and_gradients_are_those_of_pytorch(make: Any, lengths: Any) -> None:
    pytest.importorskip("torch")
    ne.random.seed(0)
    layer = make()
    x, states = arrays(layer, batch_first=layer.batch_first)
    expected = theirs(layer, x, states, lengths)
    run = ours(layer, x, states, lengths)
    for found in [run()] if lengths is None else [run(), ne.compile(run)()]:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-5)


PAIRS: list[Any] = [
    (lambda: nn.RNN(4, 6), lambda: nn.RNNCell(4, 6)),
    (lambda: nn.LSTM(4, 6, bias=False), lambda: nn.LSTMCell(4, 6, bias=False)),
    (lambda: nn.GRU(4, 6, bias=False), lambda: nn.GRUCell(4, 6, bias=False)),
    (lambda: nn.GRU(4, 6, reset_after=False), lambda: nn.GRUCell(4, 6, reset_after=False)),
    (
        lambda: nn.JordanRNN(4, 6, 2, output_nonlinearity="identity"),
        lambda: nn.JordanRNNCell(4, 6, 2, output_nonlinearity="identity"),
    ),
    (
        lambda: nn.SecondOrderRNN(4, 6, nonlinearity="sigmoid"),
        lambda: nn.SecondOrderRNNCell(4, 6, nonlinearity="sigmoid"),
    ),
]


@pytest.mark.parametrize(
    ("layer", "cell"), PAIRS, ids=["RNN", "LSTM", "GRU", "GRU before", "Jordan", "second order"]
)
def test_a_layer_is_its_cell_step_by_step(layer: Any, cell: Any) -> None:
    layer, cell = layer(), cell()
    cell.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in layer.state_dict().items()}
    )
    x, states = arrays(layer)
    last = tuple(ne.asarray(h[0]) for h in states)
    rows = []
    for t in range(TIME):
        last = cell(x[t], last if len(last) > 1 else last[0])
        last = last if isinstance(last, tuple) else (last,)
        rows.append(last[0].numpy())
    y, *ends = flat(layer(x, tuple(states) if len(states) > 1 else states[0]))
    np.testing.assert_allclose(y.numpy(), np.stack(rows), rtol=1e-5, atol=1e-6)
    for end, h in zip(ends, last, strict=True):
        np.testing.assert_allclose(end.numpy()[0], h.numpy(), rtol=1e-5, atol=1e-6)
    one = layer(x[:, 0], tuple(h[:, 0] for h in states) if len(states) > 1 else states[0][:, 0])
    np.testing.assert_allclose(one[0].numpy(), y.numpy()[:, 0], rtol=1e-5, atol=1e-6)


def test_the_gate_that_resets_first() -> None:
    cell = nn.GRUCell(4, 6, reset_after=False).astype(ne.float64)
    w = cell.state_dict()
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(3, 4)), rng.normal(size=(3, 6))

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    a, b = x @ w["weight_ih"].T + w["bias_ih"], h @ w["weight_hh"].T + w["bias_hh"]
    r, u = sigmoid(a[:, :6] + b[:, :6]), sigmoid(a[:, 6:12] + b[:, 6:12])
    n = np.tanh(a[:, 12:] + (r * h) @ w["weight_hh"][12:].T + w["bias_hh"][12:])
    np.testing.assert_allclose(cell(x, h).numpy(), (1 - u) * n + u * h, rtol=1e-12)


def test_dropout_is_between_the_layers_and_in_training_only() -> None:
    ne.random.seed(0)
    layer = nn.RNN(4, 6, 2, dropout=0.5)
    x, _ = arrays(layer)
    plain = nn.RNN(4, 6, 2)
    plain.load_state_dict(layer.state_dict())
    expected, _ = plain(x)
    np.testing.assert_array_equal(layer.eval()(x)[0].numpy(), expected.numpy())
    y, h = layer.train()(x)
    assert (y.numpy() != expected.numpy()).any()
    np.testing.assert_array_equal(h.numpy()[0], plain(x)[1].numpy()[0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            [np.zeros((0, 3, 4), np.float32)],
            ShapeError,
            r"LSTM 'body': x \(0, 3, 4\) is an empty sequence",
        ),
        (
            [np.zeros((5, 3, 2), np.float32)],
            ShapeError,
            r"LSTM 'body': x \(5, 3, 2\) must be \(time, batch, input_size\) .* input_size 4",
        ),
        (
            [np.zeros((5, 3, 4))],
            DTypeError,
            "LSTM 'body': x is float64, weight float32",
        ),
        (
            [np.zeros((5, 3, 4), np.int64)],
            DTypeError,
            "LSTM 'body': x is int64; cast it to a float",
        ),
        (
            [np.zeros((5, 3, 4), np.float32), np.zeros((1, 3, 6), np.float32)],
            ShapeError,
            r"LSTM 'body': the state hx is the 2 tensors \(h, c\)",
        ),
        (
            [np.zeros((5, 3, 4), np.float32), [np.zeros((1, 3, 6), np.float32), np.zeros((3, 6))]],
            ShapeError,
            r"LSTM 'body': the state c has shape \(3, 6\).*must be \(1, 3, 6\)",
        ),
        (
            [np.zeros((5, 3, 4), np.float32), [np.zeros((1, 3, 6))] * 2],
            DTypeError,
            "LSTM 'body': the state h is float64, x float32",
        ),
    ],
)
def test_what_does_not_fit_is_named(arguments: Any, error: Any, message: str) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            self.body = nn.LSTM(4, 6)

        def forward(self, *given: Any) -> Any:
            return self.body(*given)

    with pytest.raises(error, match=message):
        Network()(*arguments)


def test_lengths_that_do_not_fit() -> None:
    layer = nn.GRU(4, 6)
    x = np.zeros((5, 3, 4), np.float32)
    with pytest.raises(ArgumentError, match=r"GRU: lengths\[1\] is 6; they lie in 1…5"):
        layer(x, lengths=[1, 6, 5])
    with pytest.raises(ArgumentError, match=r"GRU: lengths\[0\] is 0; they lie in 1…5"):
        ne.compile(lambda x, lengths: layer(x, lengths=lengths))(x, np.array([0, 1, 1]))
    with pytest.raises(ShapeError, match=r"lengths have shape \(2,\); one a sequence .*\(3,\)"):
        layer(x, lengths=[1, 2])
    with pytest.raises(DTypeError, match="lengths are integers, not float32"):
        layer(x, lengths=[1.0, 2.0, 3.0])


def test_options_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match=r"proj_size 3 .* put nn.Linear\(6, 3\) behind"):
        nn.LSTM(4, 6, proj_size=3)
    with pytest.raises(ArgumentError, match="nonlinearity is one of 'tanh', 'relu', not 'sine'"):
        nn.RNN(4, 6, nonlinearity="sine")
    with pytest.raises(ArgumentError, match="GRU: hidden_size must be a positive whole number"):
        nn.GRU(4, 0)
    with pytest.raises(ShapeError, match=r"lstm_cell: weight_ih \(5, 1\) must be \(4, 1\)"):
        nn.functional.lstm_cell([[1.0]], None, np.ones((5, 1)), np.ones((4, 1)))
