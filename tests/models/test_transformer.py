"""The encoder–decoder Transformer: padding does not count, reading is the forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import optim, train
from neurona.core.errors import ArgumentError, IndexOutOfRangeError, ShapeError
from neurona.models import EncoderDecoderTransformer
from neurona.nn import functional as F

GENERATOR = np.random.default_rng(0)
SOURCE, TARGET = GENERATOR.integers(1, 11, (2, 6)), GENERATOR.integers(1, 11, (2, 5))
LENGTHS = np.array([6, 4])
SOURCE[1, 4:] = 0


def made(**options: Any) -> EncoderDecoderTransformer:
    ne.random.seed(0)
    given = {"vocabulary_size": 11, "context": 7, "layers": 2, "heads": 2, "features": 8}
    return EncoderDecoderTransformer(**(given | options)).eval()


@pytest.fixture(scope="module")
def network() -> EncoderDecoderTransformer:
    return made(padding=0)


def test_padding_does_not_count(network: EncoderDecoderTransformer) -> None:
    whole = network(SOURCE, TARGET).numpy()
    alone = network(SOURCE[1:, :4], TARGET[1:]).numpy()
    np.testing.assert_allclose(whole[1:], alone, atol=1e-6)
    by_lengths = made()(SOURCE, TARGET, LENGTHS).numpy()
    np.testing.assert_array_equal(by_lengths, whole)
    assert abs(made()(SOURCE, TARGET).numpy() - whole).max() > 0.01


def test_scores_are_those_of_pytorch_and_the_formulas_of_the_paper() -> None:
    torch = pytest.importorskip("torch")
    network = made(padding=0, tied="all", dtype=ne.float64)
    state = {name: torch.tensor(array) for name, array in network.state_dict().items()}
    parts = {
        "encoder": torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(8, 2, 32, 0.0, batch_first=True),
            2,
            enable_nested_tensor=False,
        ),
        "decoder": torch.nn.TransformerDecoder(
            torch.nn.TransformerDecoderLayer(8, 2, 32, 0.0, batch_first=True), 2
        ),
    }
    for name, part in parts.items():
        start = f"{name}."
        own = {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
        part.double().load_state_dict(own)
    angles = np.arange(7)[:, None] / 10000 ** (2 * np.arange(4) / 8)
    waves = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(7, 8)

    def embedded(tokens: Any) -> Any:
        vectors = state["target_embedding.weight"][torch.tensor(tokens)] * 8**0.5
        return vectors + torch.tensor(waves)[: tokens.shape[1]]

    hidden = torch.tensor(SOURCE == 0)
    memory = parts["encoder"](embedded(SOURCE), src_key_padding_mask=hidden)
    later = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    x = parts["decoder"](embedded(TARGET), memory, later, memory_key_padding_mask=hidden)
    expected = x @ state["target_embedding.weight"].T
    found = network(SOURCE, TARGET).numpy()
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_no_step_sees_a_later_one(network: EncoderDecoderTransformer) -> None:
    changed = TARGET.copy()
    changed[:, 3:] = 5
    found, whole = network(SOURCE, changed).numpy(), network(SOURCE, TARGET).numpy()
    np.testing.assert_allclose(found[:, :3], whole[:, :3], atol=1e-6)


@pytest.mark.parametrize("norm_first", [False, True])
def test_reading_is_the_forward_pass(norm_first: bool) -> None:
    network = made(norm_first=norm_first, tied="all", padding=0)
    expected = network(SOURCE, TARGET).numpy()
    scores, state = network.read(TARGET[:, :2], network.begin(SOURCE))
    found = [scores.numpy()]
    for i in range(2, 5):
        scores, state = network.read(TARGET[:, i : i + 1], state)
        found.append(scores.numpy())
    np.testing.assert_allclose(np.concatenate(found, 1), expected, atol=2e-6)
    assert state["position"].tolist() == [5, 5]


def test_where_the_decoder_looks() -> None:
    network = made()
    shares = network.attention_map(SOURCE, TARGET, LENGTHS).numpy()
    assert shares.shape == (*TARGET.shape, SOURCE.shape[1])
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)
    beyond = np.arange(SOURCE.shape[1]) >= LENGTHS[:, None]
    assert (shares.swapaxes(1, 2)[beyond] == 0).all()
    # Nothing is left behind in the network.
    np.testing.assert_array_equal(network.attention_map(SOURCE, TARGET, LENGTHS).numpy(), shares)


def test_samples_may_be_at_different_places(network: EncoderDecoderTransformer) -> None:
    _, ahead = network.read(TARGET[:, :3], network.begin(SOURCE))
    behind = network.begin(SOURCE)
    first, second = np.array([True, False]), 1

    def join(a: Any, b: Any) -> Any:
        mask = first.reshape(-1, *[1] * (a.ndim - 1))
        return ne.where(mask, a, b)

    joined = {
        name: [join(a, b) for a, b in zip(one, behind[name], strict=True)]
        if isinstance(one, list)
        else join(one, behind[name])
        for name, one in ahead.items()
    }
    tokens = np.stack([TARGET[0, 3:5], TARGET[second, :2]])
    scores, after = network.read(tokens, joined)
    whole = network(SOURCE, TARGET).numpy()
    np.testing.assert_allclose(scores.numpy(), [whole[0, 3:5], whole[1, :2]], atol=2e-6)
    assert after["position"].tolist() == [5, 2]


@pytest.mark.parametrize(("tied", "tables"), [("none", 3), ("target", 2), ("all", 1)])
def test_tied_tables(tied: str, tables: int) -> None:
    network = made(tied=tied)
    shapes = [p.shape for p in network.parameters()]
    assert shapes.count((11, 8)) == tables
    rebuilt = train.build(train.describe(network))
    rebuilt.load_state_dict(network.state_dict())
    np.testing.assert_array_equal(
        rebuilt.eval()(SOURCE, TARGET).numpy(), network(SOURCE, TARGET).numpy()
    )


def trained(seed: int) -> EncoderDecoderTransformer:
    """A network that has seen 600 batches of sources and what they are backwards; 10 begins it."""
    ne.random.seed(seed)
    network = EncoderDecoderTransformer(
        vocabulary_size=11, context=8, layers=2, heads=2, features=32, norm_first=True
    )
    optimizer = optim.Adam(network.parameters(), learning_rate=2e-3)

    @ne.compile
    def step(source: Any, given: Any, wanted: Any) -> Any:
        loss = F.token_cross_entropy(network(source, given), wanted)
        loss.backward()
        optimizer.step()
        return loss

    generator = np.random.default_rng(seed)
    for _ in range(600):
        source = generator.integers(0, 10, (64, 7))
        wanted = source[:, ::-1].copy()
        step(source, np.concatenate([np.full((64, 1), 10), wanted[:, :-1]], 1), wanted)
    return network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_it_learns_to_reverse(seed: int) -> None:
    network = trained(seed)
    source = np.random.default_rng(100 + seed).integers(0, 10, (200, 7))
    tokens, state = np.full((200, 1), 10), network.begin(source)
    read, said = ne.compile(network.read), []
    for _ in range(7):
        scores, state = read(tokens, state)
        tokens = scores.numpy().argmax(-1)
        said.append(tokens)
    right = (np.concatenate(said, 1) == source[:, ::-1]).all(1).mean()
    assert right >= 0.95


def test_what_cannot_be_read(network: EncoderDecoderTransformer) -> None:
    with pytest.raises(ShapeError, match=r"source must be .* at least one step, not \(2, 0\)"):
        network(SOURCE[:, :0], TARGET)
    with pytest.raises(ShapeError, match=r"8 steps \(of \(2, 8, 8\)\) are more .* context 7"):
        network(np.ones((2, 8), np.int64), TARGET)
    with pytest.raises(IndexOutOfRangeError, match=r"target\[1, 0\] is 11; the tokens are 0…10"):
        network(SOURCE, np.array([[1], [11]]))
    with pytest.raises(ShapeError, match=r"lengths \(3,\) must be \(batch,\)"):
        network(SOURCE, TARGET, np.array([1, 2, 3]))
    for wrong in (0, SOURCE.shape[1] + 1):
        with pytest.raises(ArgumentError, match=rf"lengths\[1\] is {wrong}; they lie in 1…"):
            network(SOURCE, TARGET, np.array([1, wrong]))
    with pytest.raises(ArgumentError, match="needs one vocabulary, not 9 and 11"):
        made(tied="all", source_vocabulary_size=9)
    with pytest.raises(ArgumentError, match="unknown tied 'al'; did you mean 'all'"):
        made(tied="al")


def test_states_and_options_that_do_not_fit() -> None:
    sizes = {"vocabulary_size": 6, "context": 6, "layers": 1, "heads": 2, "features": 4}
    network = EncoderDecoderTransformer(**sizes)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match=r"position has the shapes \[\(1,\)\].*\[\(2,\)\]"):
        network.read([[1], [1]], network.begin([[1, 2]]))
    with pytest.raises(ArgumentError, match="a dict with position, keys, values"):
        network.read([[1]], None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="padding 6 is no token of the source, which has 6"):
        EncoderDecoderTransformer(**sizes, padding=6)  # type: ignore[arg-type]
