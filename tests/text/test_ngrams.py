"""n-gram models: values by hand, probabilities that sum to 1, brute force, and real text."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neurona as ne
from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError
from neurona.models import GPT
from neurona.text import (
    AddK,
    Interpolation,
    KneserNey,
    NetworkLanguageModel,
    NGramCounts,
    NGramModel,
    WordTokenizer,
)

TEXT = [0, 1, 0, 2, 0, 1, 3]  # a b a c a b d
SMOOTHINGS = [AddK(0.5), Interpolation(0.6), Interpolation([0.9, 0.5, 0.3]), KneserNey("plain")]
SMOOTHINGS += [KneserNey(), KneserNey(0.75)]


def test_counts() -> None:
    """ab 2, ac, ba, bd, ca; nothing reaches from one sequence into the next."""
    counts = NGramCounts(TEXT, vocabulary_size=4, order=2)
    assert counts.levels[0].counts.tolist() == [3, 2, 1, 1]
    assert counts.levels[1].keys.tolist() == [1, 2, 4, 7, 8]
    assert counts.levels[1].counts.tolist() == [2, 1, 1, 1, 1]
    assert counts.levels[1].suffix.tolist() == [1, 2, 0, 3, 0]
    apart = NGramCounts([[0, 1], [], [0], [1, 2]], vocabulary_size=3, order=3)
    assert [level.counts.sum() for level in apart.levels] == [5, 2]
    assert apart.levels[0].starts.tolist() == [2, 1, 0]


def test_kneser_ney_by_hand() -> None:
    """Discount 3/4, bigrams of a b a c a b d.

    Single tokens by what stands in front of them: a after b, c and at the beginning 3; b after a 1;
    c after a 1; d after b 1; 6 in all. p₁(a) = (3 − 3/4)/6 + (4·3/4)/6 · 1/4 = 1/2; the others
    (1 − 3/4)/6 + 1/8 = 1/6.
    After a: b 2, c 1, γ = 2·(3/4)/3 = 1/2. p(b | a) = (2 − 3/4)/3 + 1/2 · 1/6 = 1/2;
    p(c | a) = 1/12 + 1/12 = 1/6; p(a | a) = 1/2 · 1/2 = 1/4; p(d | a) = 1/12.
    d is followed by nothing: p(· | d) = p₁.
    """
    model = NGramModel(TEXT, vocabulary_size=4, order=2, smoothing=KneserNey(0.75))
    np.testing.assert_allclose(model.distribution([]), [1 / 2, 1 / 6, 1 / 6, 1 / 6])
    np.testing.assert_allclose(model.distribution([0]), [1 / 4, 1 / 2, 1 / 6, 1 / 12])
    np.testing.assert_allclose(model.distribution([3]), model.distribution([]))
    assert model.log_probability([0, 1]) == pytest.approx(math.log(1 / 2 * 1 / 2))
    assert model.log_probability([2], given=[3, 0]) == pytest.approx(math.log(1 / 6))
    assert model.perplexity([0, 1]) == pytest.approx(2)


def test_discounts_by_hand() -> None:
    """n₁ … n₄ = 4, 2, 2, 1: Y = 1/2, D₁ = 1 − 2·½·2/4, D₂ = 2 − 3·½·2/2, D₃ = 3 − 4·½·1/2."""
    times = np.array([1, 1, 1, 1, 2, 2, 3, 3, 4, 7])
    assert KneserNey().discounts(times) == (0.5, 0.5, 2.0)
    assert KneserNey("plain").discounts(times) == (0.5, 0.5, 0.5)
    assert KneserNey().discounts(times[:8]) == (0.5, 0.5, 0.5)
    assert KneserNey().discounts(times[4:]) == (0.5, 0.5, 0.5)


def test_other_smoothing_by_hand() -> None:
    """a is followed by b twice and by c; (c + ½)/(3 + 2); and 0.6·c/3 + 0.4·p₁."""
    added = NGramModel(TEXT, vocabulary_size=4, order=2, smoothing=AddK(0.5))
    np.testing.assert_allclose(added.distribution([0]), [0.1, 0.5, 0.3, 0.1])
    np.testing.assert_allclose(added.distribution([3]), [0.25] * 4)
    mixed = NGramModel(TEXT, vocabulary_size=4, order=2, smoothing=Interpolation(0.6))
    single = 0.6 * np.array([3, 2, 1, 1]) / 7 + 0.1
    np.testing.assert_allclose(mixed.distribution([]), single)
    np.testing.assert_allclose(mixed.distribution([0]), [0, 0.4, 0.2, 0] + 0.4 * single)
    np.testing.assert_allclose(mixed.distribution([3]), single)


@pytest.mark.parametrize("smoothing", SMOOTHINGS, ids=str)
@settings(max_examples=25)
@given(
    texts=st.lists(st.lists(st.integers(0, 4), max_size=40), min_size=1, max_size=3),
    asked=st.lists(st.integers(0, 4), max_size=8),
)
def test_probabilities_sum_to_1_and_are_those_of_sequences(
    smoothing: Any, texts: list[list[int]], asked: list[int]
) -> None:
    model = NGramModel([[0], *texts], vocabulary_size=5, order=3, smoothing=smoothing)
    each = [model.distribution(asked[:i]) for i in range(len(asked) + 1)]
    np.testing.assert_allclose([p.sum() for p in each], 1)
    assert min(p.min() for p in each) > 0
    expected = [math.log(p[token]) for p, token in zip(each, asked, strict=False)]
    np.testing.assert_allclose(model.log_probabilities(asked), expected)


def test_lower_orders_count_what_stands_in_front() -> None:
    """Kneser–Ney's reason: "Francisco" is frequent, but only behind "San"."""
    tokens = [0, 1] * 20 + [2, 3, 4, 3, 5, 3, 6, 2]  # 1: Francisco, 3 stands behind many
    model = NGramModel(tokens, vocabulary_size=7, order=2)
    single = model.distribution([])
    assert single[3] > single[1]
    assert Counter(tokens)[1] > Counter(tokens)[3]


SENTENCES = """la casa es pequeña . la mesa es pequeña . la casa es grande . el perro es pequeño .
la casa es de mi madre . el gato es grande . mi casa es tu casa ."""


def test_word_order_is_ranked() -> None:
    tokenizer = WordTokenizer.train(SENTENCES, cut="spaces")
    model = NGramModel(tokenizer.encode(SENTENCES), vocabulary_size=len(tokenizer), order=3)
    candidates = ["pequeña la casa es", "la casa es pequeña", "la casa pequeña es"]
    ranked = model.rank([tokenizer.encode(text) for text in candidates])
    assert candidates[ranked[0][0]] == "la casa es pequeña"
    assert [score for _, score in ranked] == sorted((s for _, s in ranked), reverse=True)
    first, second = model.complete(tokenizer.encode("la casa"), 2, number=2)
    assert tokenizer.decode(first.tokens) in ("es pequeña", "es grande", "es de")
    assert first.log_probability == pytest.approx(
        model.log_probability(first.tokens, given=tokenizer.encode("la casa"))
    )
    assert first.score >= second.score


def test_completions_are_the_most_probable_of_all() -> None:
    model = NGramModel(TEXT, vocabulary_size=4, order=3)
    both = {(i, j): model.log_probability([i, j], given=[0, 1]) for i in range(4) for j in range(4)}
    best = sorted(both.items(), key=lambda item: (-item[1], item[0]))
    found = model.complete([0, 1], 2, number=4)
    assert [beam.tokens for beam in found] == [tokens for tokens, _ in best[:4]]
    ended = model.complete([0, 1], 2, number=4, end=0)
    assert ended[0].tokens == (0,)


def test_samples() -> None:
    """4,000 draws: within 4 standard errors; a low temperature takes the most probable."""
    model = NGramModel(TEXT, vocabulary_size=4, order=1, smoothing=AddK(1))
    drawn = model.sample([], 4000, seed=1)
    p = np.array([4, 3, 2, 2]) / 11
    shares = np.bincount(drawn, minlength=4) / 4000
    assert (np.abs(shares - p) <= 4 * np.sqrt(p * (1 - p) / 4000)).all()
    assert model.sample([1], 20, temperature=0.01).tolist() == [0] * 20
    assert model.sample([1], 9, seed=3).tolist() == model.sample([1], 9, seed=3).tolist()


def test_a_network_is_asked_in_the_same_way() -> None:
    """The context is full after 6 tokens; then the last 3 are read anew."""
    ne.random.seed(3)
    network = GPT(vocabulary_size=7, context=6, layers=1, heads=1, features=8, tied=False)
    model = NetworkLanguageModel(network, start=[0])
    tokens = [1, 5, 2, 2, 6, 3, 4, 1, 0, 5]
    expected = []
    whole, first = [0, *tokens], 0
    for i, token in enumerate(tokens, 1):
        if i - first > 6:
            first = i - 1 - 3
        p = ne.log_softmax(network(np.array([whole[first:i]])), axis=2).numpy()[0, -1]
        expected.append(p[token])
    np.testing.assert_allclose(model.log_probabilities(tokens), expected, rtol=1e-4)
    np.testing.assert_allclose(
        np.log(model.distribution(tokens[:4])[6]), model.log_probabilities(tokens)[4], rtol=1e-4
    )
    assert model.log_probability(tokens[6:], tokens[:6]) == pytest.approx(sum(expected[6:]), 1e-4)
    (best, *_) = model.complete([1, 5], 2, number=7)
    assert best.log_probability == pytest.approx(model.log_probability(best.tokens, [1, 5]), 1e-4)
    assert model.rank([[1], best.tokens[:1]], [1, 5])[0][0] in (0, 1)
    assert model.sample([1], 5, seed=2).shape == (5,)
    with pytest.raises(ArgumentError, match="start needs at least one"):
        NetworkLanguageModel(network, start=[])


def test_errors() -> None:
    for tokens, error, message in (
        ([], ArgumentError, "no tokens to count"),
        ([0.5], DTypeError, "float64"),
        ([0, 4], IndexOutOfRangeError, "token 1 is 4; the vocabulary has 4"),
    ):
        with pytest.raises(error, match=message):
            NGramModel(tokens, vocabulary_size=4)
    with pytest.raises(ArgumentError, match="order must be a whole number of at least 1, found 0"):
        NGramCounts([1], vocabulary_size=4, order=0)
    with pytest.raises(ArgumentError, match="vocabulary_size must be a whole number"):
        NGramCounts([1], vocabulary_size=1.5, order=1)  # type: ignore[arg-type]
    for smoothing in ("kneser-ney", KneserNey):
        with pytest.raises(ArgumentError, match=r"smoothing .* is none; give KneserNey"):
            NGramModel(TEXT, vocabulary_size=4, smoothing=smoothing)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="3 weights"):
        NGramModel(TEXT, vocabulary_size=4, smoothing=Interpolation([0.5, 0.5]))
    for kind, values in (
        (AddK, (0, "a", float("nan"), float("inf"))),
        (KneserNey, (0, "chen", None)),
        (
            lambda w: Interpolation(w).weights(NGramCounts([1], vocabulary_size=4, order=1)),
            ("a", 2),
        ),
    ):
        for value in values:
            with pytest.raises(ArgumentError):
                kind(value)  # type: ignore[operator]
    model = NGramModel(TEXT, vocabulary_size=4)
    with pytest.raises(ArgumentError, match="there are no tokens"):
        model.perplexity([])
    for temperature in (0, float("nan"), float("inf"), "warm"):
        with pytest.raises(ArgumentError, match=r"temperature .* must be positive and finite"):
            model.sample([], 3, temperature=temperature)  # type: ignore[arg-type]
    for count in (-1, 1.5):
        with pytest.raises(ArgumentError, match=f"length must be a whole number.*found {count}"):
            model.sample([], count)  # type: ignore[arg-type]
    for options, message in (
        ({"length": 0}, "length must be"),
        ({"number": 0}, "number must be"),
        ({"end": 4}, "end is 4; the vocabulary has 4 tokens"),
    ):
        with pytest.raises(ArgumentError, match=message):
            model.complete([], **{"length": 2, **options})  # type: ignore[arg-type]
    with pytest.raises(DTypeError, match=r"log_probability: tokens are integers .*float64"):
        model.log_probability([0.5, 1.2])
    with pytest.raises(DTypeError, match="rank: candidates are a list"):
        model.rank(3)  # type: ignore[arg-type]
    with pytest.raises(IndexOutOfRangeError, match="token 1 is -1"):
        model.log_probabilities([0, -1])
