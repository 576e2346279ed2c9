"""`SequenceToSequence`: reading in one go and word by word, padding, attention, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import models, optim, train
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, ShapeError
from neurona.models.sequence_to_sequence import scheduled_inputs
from neurona.nn import functional as F

SOURCE = np.array([[3, 5, 1, 0], [4, 0, 0, 0], [2, 2, 6, 7]])
LENGTHS = np.array([3, 1, 4])
TARGET = np.array([[1, 7, 8], [1, 8, 9], [1, 2, 3]])


@pytest.fixture(params=["dot", "additive", None], ids=str)
def network(request: pytest.FixtureRequest) -> models.SequenceToSequence:
    return models.SequenceToSequence(10, 12, 8, num_layers=2, attention=request.param).eval()


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-6)


def test_word_by_word_is_as_in_one_go(network: models.SequenceToSequence) -> None:
    whole = network(SOURCE, TARGET, LENGTHS)
    assert whole.shape == (3, 3, network.vocabulary_size)
    state = network.begin(SOURCE, LENGTHS)
    assert all(part.shape[0] == 3 for part in state.values())
    for t in range(TARGET.shape[1]):
        scores, state = network.read(TARGET[:, t : t + 1], state)
        close(scores[:, 0], whole[:, t])
    close(ne.compile(network)(SOURCE, TARGET, LENGTHS), whole)


def test_padding_says_nothing(network: models.SequenceToSequence) -> None:
    other = np.where(np.arange(4) < LENGTHS[:, None], SOURCE, 9)
    scores = network(SOURCE, TARGET, LENGTHS)
    close(network(other, TARGET, LENGTHS), scores)
    for i, length in enumerate(LENGTHS):
        close(network(SOURCE[i : i + 1, :length], TARGET[i : i + 1])[0], scores[i])


@pytest.mark.parametrize("attention", ["dot", "additive"])
def test_attention_is_the_softmax_of_scores(attention: str) -> None:
    network = models.SequenceToSequence(10, 12, 8, attention=attention).eval()
    shares = network.attention_map(SOURCE, TARGET, LENGTHS).numpy()
    [(path, drawn)] = models.attention_maps(network, SOURCE, TARGET, LENGTHS).items()
    assert path == ("alignment" if attention == "additive" else "")
    close(drawn, shares)
    assert shares.shape == (3, 3, 4)
    close(shares.sum(axis=-1), np.ones((3, 3)))
    assert (shares[1, :, 1:] == 0).all()
    # The last word's scores from the parts of the network.
    i = 2
    memory, state = network.encoder(network.source_table(SOURCE[i])[:, None, :])
    joined = [ne.reshape(part, (1, 1, 8)) for part in state]
    s = network.decoder(network.target_table(TARGET[i])[:, None, :], tuple(joined))[0].numpy()[:, 0]
    m = memory.numpy()[:, 0]
    if attention == "dot":
        scores = s @ m.T
    else:
        w, u, v = [parameter.numpy() for parameter in network.alignment.parameters()]
        scores = np.tanh((s @ w.T)[:, None] + m @ u.T) @ v
    powers = np.exp(scores)
    close(shares[i], powers / powers.sum(axis=1, keepdims=True))
    h = np.tanh(np.concatenate([shares[i] @ m, s], axis=1) @ network.combine.weight.numpy().T)
    wanted = h @ network.target_table.weight.numpy().T + network.bias.numpy()
    close(network(SOURCE, TARGET, LENGTHS)[i], wanted)


def test_it_learns_to_turn_sequences_round() -> None:
    """A task that a state of 16 numbers hardly carries: attention finds the place to look at."""
    generator = np.random.default_rng(0)
    network = models.SequenceToSequence(8, 8, 16)
    optimizer = optim.Adam(network.parameters(), 0.02)

    @ne.compile
    def step(source: Any, inputs: Any, target: Any) -> Any:
        loss = F.token_cross_entropy(network(source, inputs), target)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(200):
        source = generator.integers(1, 8, (32, 6))
        target = source[:, ::-1].copy()
        loss = step(source, np.roll(np.where(np.arange(6) < 5, target, 0), 1, axis=1), target)
    assert float(loss) < 0.1
    shares = network.eval().attention_map(source, np.roll(target, 1, axis=1) * (np.arange(6) > 0))
    assert (shares.numpy().mean(axis=0).argmax(axis=-1) == np.arange(6)[::-1]).mean() >= 0.5


def test_scheduled_sampling_reads_what_the_network_says(
    network: models.SequenceToSequence,
) -> None:
    def read(share: float) -> Any:
        return scheduled_inputs(network, SOURCE, TARGET, LENGTHS, share=share).numpy()

    said = network(SOURCE, TARGET, LENGTHS).numpy().argmax(axis=-1)
    own = np.concatenate([TARGET[:, :1], said[:, :-1]], axis=1)
    assert (read(0.0) == TARGET).all()
    assert (read(1.0) == own).all()
    for some in (read(0.5), read(0.5)):
        assert ((some == TARGET) | (some == own)).all()


def test_it_is_described_and_made_again(network: models.SequenceToSequence) -> None:
    again = train.build(train.describe(network)).eval()
    again.load_state_dict(network.state_dict())
    close(again(SOURCE, TARGET, LENGTHS), network(SOURCE, TARGET, LENGTHS))


def test_saved_before_there_was_a_choice() -> None:
    old = {"layer": "SequenceToSequence", "source_size": 10, "target_size": 12, "hidden_size": 8}
    for given, wanted in (({}, "dot"), ({"attention": True}, "dot"), ({"attention": False}, None)):
        assert train.build({**old, **given}).attention == wanted
    with pytest.raises(ArgumentError, match="attention is one of 'dot', 'additive', not 'aditive'"):
        train.build({**old, "attention": "aditive"})


def test_mistakes(network: models.SequenceToSequence) -> None:
    with pytest.raises(ShapeError, match=r"source must be .* at least one step"):
        network(SOURCE[:, :0], TARGET)
    with pytest.raises(IndexOutOfRangeError, match=r"source\[2, 3\] is 10; the tokens are 0…9"):
        network(SOURCE + 3, TARGET)
    with pytest.raises(ShapeError, match=r"target must be \(batch, time\) .* not \(3,\)"):
        network(SOURCE, TARGET[:, 0])
    with pytest.raises(TypeError, match="source are integers, not float64"):
        network(SOURCE / 2, TARGET)
    with pytest.raises(ArgumentError, match="lengths"):
        network(SOURCE, TARGET, [0, 1, 4])
    with pytest.raises(ArgumentError, match="hidden_size 7 must be even"):
        models.SequenceToSequence(10, 12, 7)
    if not network.attention:
        with pytest.raises(ArgumentError, match="attention=None"):
            network.attention_map(SOURCE, TARGET)


def test_states_and_options_that_do_not_fit() -> None:
    network = models.SequenceToSequence(5, 6, 4)
    with pytest.raises(ShapeError, match=r"state's h has the shapes \[\(1, 1, 4\)\]"):
        network.read([[1], [1]], network.begin([[1, 2]]))
    with pytest.raises(ArgumentError, match="a dict with h, c, as begin gives it, not None"):
        network.read([[1]], None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="p is a probability"):
        models.SequenceToSequence(5, 6, 4, dropout=2)
    with pytest.raises(ArgumentError, match="hidden_size must be a positive whole number"):
        models.SequenceToSequence(5, 6, None)  # type: ignore[arg-type]
