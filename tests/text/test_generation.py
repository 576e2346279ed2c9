"""Generation: eager is compiled, the rules of the context, stops, streams; beams by brute force."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.core.tensor import Tensor
from neurona.models import GPT
from neurona.text import (
    BeamSearch,
    CharacterTokenizer,
    TokenGenerator,
    Vocabulary,
    WordTokenizer,
    keep_top_k,
    keep_top_p,
)


class Elman(nn.Module):
    """The smallest recurrent model with begin and read, written out."""

    def __init__(self, vocabulary_size: int, features: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.features = features
        self.embedding = nn.Embedding(vocabulary_size, features)
        self.state = nn.Linear(features, features)
        self.scores = nn.Linear(features, vocabulary_size)

    def begin(self, batch: int) -> Tensor:
        return ne.zeros((batch, self.features))

    def read(self, tokens: Any, state: Tensor) -> tuple[Tensor, Tensor]:
        found = []
        for t in range(tokens.shape[1]):
            state = ne.tanh(3 * self.embedding(tokens[:, t]) + self.state(state))
            found.append(3 * self.scores(state))
        return ne.stack(found, axis=1), state


@pytest.fixture(scope="module")
def gpt() -> GPT:
    ne.random.seed(1)
    network = GPT(vocabulary_size=11, context=24, layers=1, heads=2, features=8, tied=False)
    for parameter in network.parameters():
        parameter.assign(parameter * 20 if parameter.ndim == 2 else parameter)
    return network


@pytest.fixture(scope="module")
def elman() -> Elman:
    ne.random.seed(2)
    return Elman(5, 6)


@pytest.fixture(scope="module")
def greedy(gpt: GPT) -> TokenGenerator:
    return TokenGenerator(gpt, temperature=0)


def by_definition(model: Any, prompt: list[int], length: int) -> list[int]:
    """Greedy, every token from the whole text in front of it, by the rule for the context."""
    tokens = list(prompt)
    context = getattr(model, "context", None)
    first = max(0, len(prompt) - context) if context else 0
    with ne.no_grad():
        while len(tokens) < len(prompt) + length:
            if context and len(tokens) - first > context:
                first = len(tokens) - 1 - context // 2
            part = np.array([tokens[first:]])
            scores, _ = model.read(part, model.begin(1))
            tokens.append(int(np.argmax(scores.numpy()[0, -1])))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("prompt", [[3], [1, 2, 3, 4, 5, 6, 7, 8, 9], list(range(11)) * 3])
def test_greedy_is_its_definition_beyond_the_context_too(
    gpt: GPT, greedy: TokenGenerator, prompt: list[int]
) -> None:
    expected = by_definition(gpt, prompt, 30)
    (found,) = greedy.generate([prompt], 30)
    assert found.tolist() == expected
    assert len(set(expected)) > 2


def test_prompts_of_many_lengths_are_read_side_by_side(elman: Elman) -> None:
    generator = TokenGenerator(elman, temperature=0)
    prompts = [[1, 2, 3] * 25, [4], [0, 1] * 17]
    together = generator.generate(prompts, 12)
    for prompt, found in zip(prompts, together, strict=True):
        assert found.tolist() == by_definition(elman, prompt, 12)


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.7, "top_k": 4}, {"temperature": 1.5, "top_p": 0.8}]
)
def test_eager_is_compiled_and_a_stream_is_the_same(gpt: GPT, options: dict[str, Any]) -> None:
    compiled = TokenGenerator(gpt, **options)
    (expected,) = TokenGenerator(gpt, compiled=False, **options).generate([[1, 2]], 20, seed=5)
    (found,) = compiled.generate([[1, 2]], 20, seed=5)
    assert found.tolist() == expected.tolist()
    assert list(compiled.stream([1, 2], 20, seed=5)) == expected.tolist()
    other = compiled.stream([1, 2], 20, seed=6)
    in_turns = list(zip(compiled.stream([1, 2], 20, seed=5), other, strict=True))
    assert [token for token, _ in in_turns] == expected.tolist()
    assert [token for _, token in in_turns] != expected.tolist()


def test_draws_have_the_probabilities_of_the_model(elman: Elman) -> None:
    """3,000 draws: each frequency within 4 standard errors."""
    generator = TokenGenerator(elman, temperature=2.0, top_k=4)
    found = np.concatenate(generator.generate([[2]] * 3000, 1, seed=1))
    scores = elman.read(np.array([[2]]), elman.begin(1))[0].numpy()[0, -1] / 2
    scores[scores.argmin()] = -np.inf
    expected = np.exp(scores) / np.exp(scores).sum()
    shares = np.bincount(found, minlength=5) / 3000
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected * (1 - expected) / 3000)).all()


def test_a_stop_token_ends_its_sequence_only(elman: Elman) -> None:
    prompts = [[0, 3, 3], [1], [2, 2]]
    free = [by_definition(elman, prompt, 12) for prompt in prompts]
    stop = free[0][4]
    generator = TokenGenerator(elman, temperature=0, stop=[stop])
    for found, expected in zip(generator.generate(prompts, 12), free, strict=True):
        end = expected.index(stop) + 1 if stop in expected else 12
        assert found.tolist() == expected[:end]
    assert list(generator.stream(prompts[0], 12))[-1] == stop


def test_a_state_to_begin_with(elman: Elman) -> None:
    """As an encoder gives it; beams of one are greedy."""
    states = ne.asarray(np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32))
    found = TokenGenerator(elman, temperature=0).generate([[0], [0]], 6, state=states)
    beams = BeamSearch(elman, beams=1).search([[0], [0]], 6, state=states)
    scores, state = elman.read(np.array([[0], [0]]), states)
    for t in range(6):
        best = np.argmax(scores.numpy()[:, -1], axis=1)
        assert [row[t] for row in found] == best.tolist()
        assert [row[0].tokens[t] for row in beams] == best.tolist()
        scores, state = elman.read(best[:, None], state)


def test_lengths_of_prompts_make_no_programs(greedy: TokenGenerator) -> None:
    programs = sum(map(len, greedy._advance.entries.values()))  # type: ignore[attr-defined]
    for n in (1, 5, 7, 20):
        greedy.generate([[1] * n], n)
    assert sum(map(len, greedy._advance.entries.values())) == max(programs, 1)  # type: ignore[attr-defined]
    assert sum(map(len, greedy._read.entries.values())) <= 1  # type: ignore[attr-defined]


def test_the_model_stays_in_its_mode(greedy: TokenGenerator) -> None:
    greedy.model.train()
    for _ in greedy.stream([1], 3):
        assert greedy.model.training
    assert greedy.generate([[1]], 0)[0].tolist() == []


def test_the_least_temperature_takes_the_most_probable(elman: Elman) -> None:
    coldest = TokenGenerator(elman, temperature=5e-324, compiled=False).generate([[1]], 4)
    assert coldest[0].tolist() == by_definition(elman, [1], 4)


def test_writing(elman: Elman) -> None:
    characters = CharacterTokenizer.train("helo ")
    out = io.StringIO()
    generator = TokenGenerator(elman, temperature=0)
    follows = generator.write(characters, "he", 5, file=out)
    assert out.getvalue() == f"he{follows}\n"
    assert follows == characters.decode(by_definition(elman, [2, 1], 5))
    words = WordTokenizer(Vocabulary(["el", "gato", "es", "mi", "."]))
    follows = generator.write(words, "el gato", 3, file=out)
    assert follows == words.decode([0, 1, *by_definition(elman, [0, 1], 3)])[len("el gato") :]


def test_kept_tokens() -> None:
    scores = ne.asarray(np.log(np.array([[0.1, 0.4, 0.2, 0.2, 0.1]], np.float32)))
    kept = {
        k: np.isfinite(keep_top_k(scores, k).numpy())[0].astype(int).tolist() for k in (1, 2, 9)
    }
    assert kept == {1: [0, 1, 0, 0, 0], 2: [0, 1, 1, 1, 0], 9: [1] * 5}
    for p, expected in ((1e-9, [0, 1, 0, 0, 0]), (0.5, [0, 1, 1, 1, 0]), (1.0, [1] * 5)):
        assert np.isfinite(keep_top_p(scores, p).numpy())[0].astype(int).tolist() == expected


def every_sequence(
    model: Elman, prompt: list[int], length: int, end: int | None, penalty: float
) -> list[tuple[float, tuple[int, ...]]]:
    """All sequences up to the end token or the length, best first."""
    tokens = np.array(list(itertools.product(range(model.vocabulary_size), repeat=length)))
    whole = np.concatenate([np.tile(prompt, (len(tokens), 1)), tokens], axis=1)
    scores, _ = model.read(whole[:, :-1], model.begin(len(tokens)))
    nexts = ne.log_softmax(scores, axis=2).numpy()[:, len(prompt) - 1 :]
    steps = np.take_along_axis(nexts, tokens[:, :, None], axis=2)[:, :, 0]
    found = {}
    for row, step in zip(tokens.tolist(), steps, strict=True):
        cut = row.index(end) + 1 if end in row else length
        found[tuple(row[:cut])] = float(step[:cut].sum())
    return sorted(((lp / len(t) ** penalty, t) for t, lp in found.items()), reverse=True)


@pytest.mark.parametrize(("end", "penalty"), [(0, 1.0), (0, 0.0)])
def test_wide_beams_are_exact(elman: Elman, end: int | None, penalty: float) -> None:
    """125 beams hold all beginnings of up to 3 of 5 tokens, so the best of 4 tokens are found."""
    prompts = [[1, 2], [3, 4]]
    search = BeamSearch(elman, beams=125, end=end, length_penalty=penalty)
    for prompt, beams in zip(prompts, search.search(prompts, 4), strict=True):
        expected = every_sequence(elman, prompt, 4, end, penalty)[:10]
        assert [beam.tokens for beam in beams[:10]] == [tokens for _, tokens in expected]
        np.testing.assert_allclose(
            [b.score for b in beams[:10]], [s for s, _ in expected], rtol=1e-5
        )
        assert beams[0].log_probability == pytest.approx(
            beams[0].score * len(beams[0].tokens) ** penalty
        )


def test_narrow_beams(elman: Elman, gpt: GPT) -> None:
    """One beam is greedy; a wider one finds nothing worse; eager is compiled."""
    (one,) = BeamSearch(elman, beams=1).search([[2] * 3], 9)[0]
    assert list(one.tokens) == by_definition(elman, [2] * 3, 9)
    three = BeamSearch(gpt, beams=3, end=4).search([[1, 2], [5, 6]], 6)
    again = BeamSearch(gpt, beams=3, end=4, compiled=False).search([[1, 2], [5, 6]], 6)
    assert [[b.tokens for b in beams] for beams in three] == [[b.tokens for b in s] for s in again]
    for beams in three:
        assert [beam.score for beam in beams] == sorted((b.score for b in beams), reverse=True)


def test_errors(gpt: GPT, greedy: TokenGenerator) -> None:
    for prompts, error, message in (
        ([], ArgumentError, "no prompts"),
        ([[1], []], ArgumentError, "prompt 1 is empty"),
        ([[1.5]], DTypeError, "prompt 0 is float64"),
        ([[1], [2, 11]], IndexOutOfRangeError, "token 1 of prompt 1 is 11; the vocabulary has 11"),
    ):
        with pytest.raises(error, match=message):
            greedy.generate(prompts, 3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="prompt 0 is empty"):
        greedy.stream([], 3)
    for length in (-1, 2.5, True):
        with pytest.raises(ArgumentError, match=f"length must be a whole number.*found {length}"):
            greedy.generate([[1]], length)
    for prompts in (None, "ab", [[[1], [1, 2]]]):
        with pytest.raises(DTypeError, match="generation: prompt"):
            greedy.generate(prompts, 3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="seed must be a whole number"):
        greedy.generate([[1]], 3, seed="x")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="a tokeniser is needed, not NoneType"):
        greedy.write(None, "a", 3)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="there are 1 prompts"):
        greedy.generate([[1]], 3, state=gpt.begin(2))
    for options, message in (
        ({"temperature": -1}, "temperature -1"),
        ({"temperature": "hot"}, "temperature 'hot'"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_k": 1.5}, "top_k must be a whole number of at least 1, found 1.5"),
        ({"top_k": 0}, "top_k must be .* found 0"),
        ({"top_p": 1.5}, "top_p 1.5"),
        ({"top_p": 0}, "top_p 0"),
        ({"stop": [11]}, "stop is 11; the vocabulary has 11 tokens"),
        ({"stop": [-1]}, "stop must be a whole number of at least 0, found -1"),
        ({"stop": [1.5]}, "found 1.5"),
        ({"stop": 3}, "stop is a list of tokens, not 3"),
    ):
        with pytest.raises(ArgumentError, match=message):
            TokenGenerator(gpt, **options)  # type: ignore[arg-type]
    for options, message in (
        ({"beams": 0}, "beams must be a whole number of at least 1, found 0"),
        ({"beams": 1.5}, "found 1.5"),
        ({"end": 11}, "end is 11; the vocabulary has 11 tokens"),
        ({"end": "a"}, "end must be a whole number"),
        ({"length_penalty": "a"}, "length_penalty 'a' must be at least 0 and finite"),
        ({"length_penalty": float("inf")}, "length_penalty inf"),
    ):
        with pytest.raises(ArgumentError, match=message):
            BeamSearch(gpt, **options)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Linear has no begin and no read"):
        TokenGenerator(nn.Linear(2, 3))
    with pytest.raises(ShapeError, match="there are 1 prompts"):
        BeamSearch(gpt).search([[1]], 3, state=gpt.begin(2))
    with pytest.raises(ArgumentError, match="context 24"):
        BeamSearch(gpt).search([[1]], 25)
    with pytest.raises(ShapeError, match="have 1 to 2 tokens"):
        BeamSearch(gpt).search([[1], [1, 2]], 3)
