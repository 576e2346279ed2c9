"""Splits: exact sizes, every sample once, shares kept, the same on every machine."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.core.errors import ArgumentError, ShapeError
from neurona.data import Dataset, Table, digits, split, split_indices
from neurona.data.order import permutation

FRACTIONS = st.lists(st.integers(1, 20), min_size=1, max_size=5).map(
    lambda weights: tuple(weight / sum(weights) for weight in weights)
)


@given(st.integers(100, 3000), FRACTIONS, st.integers(0, 2**64 - 1))
def test_every_sample_is_in_one_part(length: int, fractions: tuple[float, ...], seed: int) -> None:
    parts = split_indices(length, fractions, seed=seed)
    assert np.sort(np.concatenate(parts)).tolist() == list(range(length))
    for part, fraction in zip(parts, fractions, strict=True):
        assert abs(len(part) - fraction * length) < 1
        assert (np.diff(part) > 0).all()


@given(st.lists(st.integers(1, 200), min_size=1, max_size=12), FRACTIONS, st.integers(0, 2**64 - 1))
def test_stratified_parts_keep_the_shares(
    counts: list[int], fractions: tuple[float, ...], seed: int
) -> None:
    counts = [*counts, 100]
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = split_indices(len(labels), fractions, seed=seed, stratify=labels)
    plain = split_indices(len(labels), fractions, seed=seed)
    assert [len(part) for part in parts] == [len(part) for part in plain]
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(labels)))
    left = np.bincount(labels)
    for part in parts:
        found = np.bincount(labels[part], minlength=len(counts))
        assert (abs(found - len(part) * left / left.sum()) < 1).all()
        left = left - found


@given(st.lists(st.integers(1, 40), min_size=40, max_size=80), FRACTIONS, st.integers(0, 2**64 - 1))
def test_no_group_is_in_two_parts(
    counts: list[int], fractions: tuple[float, ...], seed: int
) -> None:
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = split_indices(len(groups), fractions, seed=seed, groups=groups)
    again = split_indices(len(groups), fractions, seed=seed, groups=[f"g{k}" for k in groups])
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(groups)))
    assert sum(len(np.unique(groups[part])) for part in parts) == len(counts)
    for part, fraction in zip(parts, fractions, strict=True):
        assert len(part) - fraction * len(groups) < max(counts) + 1
        assert (np.diff(part) > 0).all()
    assert [len(part) for part in again] == [len(part) for part in parts]


def test_sizes_of_groups_are_near_what_is_wanted() -> None:
    """Many groups of 1 to 9 samples: every part has the size of a plain split."""
    groups = np.repeat(np.arange(500), np.random.default_rng(1).integers(1, 10, 500))
    plain = split_indices(len(groups))
    for seed in range(5):
        parts = split_indices(len(groups), seed=seed, groups=groups)
        assert [len(part) for part in parts] == [len(part) for part in plain]
    first = split_indices(len(groups), seed=0, groups=groups)[2]
    assert first.tolist() == split_indices(len(groups), seed=0, groups=groups)[2].tolist()
    assert first.tolist() != parts[2].tolist()


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        ([10, 10, 10], [10, 10, 10]),  # wanted 24, 3, 3: no part stays empty
        ([80, 10, 10], [80, 10, 10]),
        ([50, 30, 10, 10], [80, 10, 10]),
        ([96, 2, 2], [96, 2, 2]),
        ([1, 1, 98], [98, 1, 1]),
    ],
)
def test_sizes_of_few_groups(counts: list[int], sizes: list[int]) -> None:
    parts = split_indices(sum(counts), groups=np.repeat(np.arange(len(counts)), counts))
    assert [len(part) for part in parts] == sizes


@given(st.lists(st.integers(0, 30), min_size=100, max_size=150), FRACTIONS)
def test_earlier_samples_are_in_earlier_parts(
    times: list[int], fractions: tuple[float, ...]
) -> None:
    parts = split_indices(len(times), fractions, order=times)
    plain = split_indices(len(times), fractions)
    assert [len(part) for part in parts] == [len(part) for part in plain]
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(times)))
    for one, two in pairwise(parts):
        latest, earliest = max(times[k] for k in one), min(times[k] for k in two)
        assert latest <= earliest
        if latest == earliest:
            at = [max(k for k in one if times[k] == latest), min(k for k in two)]
            assert at[0] < min(k for k in two if times[k] == earliest)


def test_dates_and_texts_are_ordered() -> None:
    days = ["2024-03-01", "2023-12-31", "2024-01-15", "2022-06-01"]
    for order in (days, np.array(days, dtype="datetime64[D]"), np.array(days, dtype=object)):
        before, after = split_indices(4, (0.5, 0.5), order=order)
        assert (before.tolist(), after.tolist()) == ([1, 3], [0, 2])


def test_tables_are_split() -> None:
    table = Table(
        {
            "x": np.arange(40),
            "kind": ["a", "b", None, "b"] * 10,
            "who": [f"p{k // 5}" for k in range(40)],
        },
        target="x",
    )
    for options in ({"stratify": table["kind"]}, {"groups": table["who"]}, {"order": -table["x"]}):
        parts = split(table, (0.5, 0.25, 0.25), **options)
        assert [len(part) for part in parts] == [20, 10, 10]
        assert all(isinstance(part, Table) and part.target == "x" for part in parts)
    assert parts[0]["x"].tolist() == list(range(20, 40))
    for part in split(table, (0.5, 0.5), stratify=table["kind"]):
        assert part.missing("kind").sum() == 5
    groups = [set(part["who"]) for part in split(table, (0.5, 0.5), groups=table["who"])]
    assert not groups[0] & groups[1]


def test_sizes_of_the_usual_split() -> None:
    sizes = {n: [len(part) for part in split_indices(n)] for n in (10, 1797, 60000, 190, 14)}
    assert sizes == {
        10: [8, 1, 1],
        1797: [1437, 180, 180],  # 1437.6, 179.7, 179.7
        60000: [48000, 6000, 6000],
        190: [152, 19, 19],
        14: [11, 2, 1],  # 11.2, 1.4, 1.4: the earlier of two equal remainders
    }


@pytest.mark.parametrize(
    ("length", "fractions", "sizes"),
    [
        (30, (0.1, 0.9), [3, 27]),  # 0.1 * 30 > 3
        (100, (0.29, 0.71), [29, 71]),  # 0.29 * 100 < 29
        (3, (1 / 3, 1 / 3, 1 / 3), [1, 1, 1]),
        (5, (1.0,), [5]),
        (10**6, (0.7, 0.2, 0.1), [700000, 200000, 100000]),
    ],
)
def test_whole_shares_are_exact(
    length: int, fractions: tuple[float, ...], sizes: list[int]
) -> None:
    assert [len(part) for part in split_indices(length, fractions)] == sizes


def test_stratified_digits() -> None:
    data = digits()
    train, validation, test = split(data, seed=5, stratify=data.targets)
    assert [len(part) for part in (train, validation, test)] == [1437, 180, 180]
    shares = [np.bincount(part.targets) / len(part) for part in (train, validation, test)]
    everything = np.bincount(data.targets) / len(data)
    assert max(abs(share - everything).max() for share in shares) < 2 / 180
    assert train.classes == data.classes


def test_the_seed_alone_decides() -> None:
    first, second = split_indices(500, seed=1), split_indices(500, seed=1)
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    other = split_indices(500, seed=2)
    assert len(np.intersect1d(first[1], other[1])) < 20  # 5 expected by chance


def philox(key: tuple[int, int], counter: int) -> list[int]:
    """Philox-4x64-10 as its paper writes it."""
    word = 2**64 - 1
    x = [counter >> 64 * k & word for k in range(4)]
    k0, k1 = key
    for _ in range(10):
        a, b = x[0] * 0xD2E7470EE14C6C93, x[2] * 0xCA5A826395121157
        x = [(b >> 64) ^ x[1] ^ k0, b & word, (a >> 64) ^ x[3] ^ k1, a & word]
        k0, k1 = k0 + 0x9E3779B97F4A7C15 & word, k1 + 0xBB67AE8584CAA73B & word
    return x


def test_orders_follow_the_published_generator() -> None:
    """So that no upgrade of NumPy can change a run's order unseen."""
    zeros = ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"]
    assert [f"{word:016x}" for word in philox((0, 0), 0)] == zeros  # the authors' own test vector
    for seed, stream in ((0, 0), (1, 2), (2**64 - 1, 2**64 - 1)):
        words = [word for block in range(1, 6) for word in philox((seed, stream), block)][:19]
        keys = [word >> 5 << 5 | index for index, word in enumerate(words)]
        expected = sorted(range(19), key=keys.__getitem__)
        assert permutation(19, seed=seed, stream=stream).tolist() == expected


def test_split_is_independent_of_the_epoch_order() -> None:
    """With the same seed, a training sample's place in epoch 0 must not follow from the split."""
    places = []
    for seed in range(200):
        train, _ = split_indices(100, (0.5, 0.5), seed=seed)
        order = permutation(50, seed=seed)
        places.append(train[order[:10]].mean())
    assert abs(np.mean(places) - 49.5) < 4 * 29 / np.sqrt(2000)


def test_permutations_are_uniform() -> None:
    """Each value at each place equally often: χ² with 81 degrees of freedom, 5σ."""
    counts = np.zeros((10, 10))
    for stream in range(3000):
        counts[np.arange(10), permutation(10, seed=9, stream=stream)] += 1
    chi2 = ((counts - 300) ** 2 / 300).sum()
    assert abs(chi2 - 81) < 5 * np.sqrt(2 * 81)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 255, 256, 257, 70000])
def test_permutation_holds_everything_once(length: int) -> None:
    order = permutation(length, seed=1)
    assert order.dtype == np.int64
    assert np.sort(order).tolist() == list(range(length))


def test_arrays_are_split_alike() -> None:
    x, y = np.arange(50)[:, None] * np.ones((1, 3)), np.arange(50)
    for part in split((x, y), (0.5, 0.5), seed=4):
        assert isinstance(part, tuple)
        np.testing.assert_array_equal(part[0][:, 0], part[1])


def test_text_labels_stratify() -> None:
    labels = np.array(["cat", "dog"] * 50)
    for part in split_indices(100, (0.5, 0.3, 0.2), stratify=labels):
        assert (labels[part] == "cat").sum() * 2 == len(part)


def test_what_is_refused() -> None:
    for fractions in ((0.8, 0.1), (0.5, 0.6), (1.2, -0.2), (), (0.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(ArgumentError, match="positive and add up to 1"):
            split_indices(100, fractions)
    with pytest.raises(ArgumentError, match=r"4 samples leave a part .* empty: sizes \[3, 1, 0\]"):
        split_indices(4)
    with pytest.raises(ArgumentError, match="one label for each of 10 samples"):
        split_indices(10, stratify=np.zeros(9))
    numbers = np.arange(10)
    for options, message in (
        ({"stratify": numbers, "groups": numbers}, "give stratify or groups, not both"),
        ({"groups": numbers, "order": numbers}, "give groups or order, not both"),
        ({"groups": [0] * 9}, r"groups must hold one label for each of 10 samples, .*found .*9,"),
        ({"order": [[0]] * 10}, r"order must hold one value .*found shape \(10, 1\)"),
        ({"order": [*range(9), np.nan]}, "order has no value for sample 9"),
        ({"groups": np.array([*"abcdefghi", None], object)}, "groups has no value for sample 9"),
        ({"order": np.array([*range(9), "x"], object)}, "split: order: '<' not supported"),
        ({"groups": [0] * 5 + [1] * 5}, "2 groups leave one of 3 parts empty"),
    ):
        with pytest.raises(ArgumentError, match=message):
            split_indices(10, **options)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="seed must be in"):
        split_indices(10, seed=-1)
    with pytest.raises(ShapeError, match=r"found shapes \[\(3,\), \(4,\)\]"):
        split((np.zeros(3), np.zeros(4)))
    with pytest.raises(ShapeError):
        split(())


def test_a_data_set_gives_data_sets() -> None:
    data = Dataset(inputs=np.arange(20.0)[:, None], targets=np.arange(20.0))
    parts = split(data)
    assert all(isinstance(part, Dataset) for part in parts)
    assert all((part.inputs[:, 0] == part.targets).all() for part in parts)
