"""Windows of a text."""

from __future__ import annotations

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DTypeError, IndexOutOfRangeError, ShapeError
from neurona.data import StreamLoader, TokenWindows


@pytest.mark.parametrize(("tokens", "length"), [(2, 1), (9, 4), (10, 4), (3, 8), (257, 16)])
def test_every_token_but_the_first_is_a_target_once(tokens: int, length: int) -> None:
    ids = np.arange(tokens)[::-1]
    windows = TokenWindows(ids, length)
    x, y = windows.read_batch(np.arange(len(windows)))
    assert x.shape == y.shape == (len(windows), length)
    counted = y != -100
    assert (y[counted] == ids[1:]).all()
    assert (x[counted] == ids[:-1]).all()
    assert (x >= 0).all()


def test_places_are_drawn_by_seed_epoch_and_sample() -> None:
    ids = np.arange(100)
    windows = TokenWindows(ids, 8, draws=2_000)
    options = {"batch_size": 500, "seed": 3, "workers": 0}
    loader = StreamLoader(windows, **options)  # type: ignore[arg-type]
    epochs = [list(loader.epoch(epoch)) for epoch in (0, 1)]
    for x, y in epochs[0]:
        assert (x == x[:, :1] + np.arange(8)).all()
        assert (y == x + 1).all()
    begins = np.concatenate([x[:, 0] for x, _ in epochs[0]])
    assert set(begins.tolist()) == set(range(92))  # the last target is the last token
    assert (epochs[0][0][0] != epochs[1][0][0]).any()
    with StreamLoader(windows, **{**options, "workers": 2}) as again:  # type: ignore[arg-type]
        (resumed,) = again.epoch(1, start_batch=3)
    assert (resumed[0] == epochs[1][3][0]).all()


def test_one_sample_is_as_in_its_batch() -> None:
    windows = TokenWindows(np.arange(50), 4, draws=7)
    x, _ = windows.read_batch(np.arange(7))
    one, _ = windows.take([5]).read_batch(np.array([0]))
    generator = np.random.Generator(np.random.Philox(key=[0, 0], counter=[0, 0, 0, 6]))
    assert (windows.read(5, generator)[0] == x[5]).all()
    assert one.shape == (1, 4)


def test_mistakes() -> None:
    with pytest.raises(ShapeError, match=r"a text of 4 tokens is too short.*need 5"):
        TokenWindows(np.arange(4), 4, draws=1)
    with pytest.raises(ShapeError, match=r"\(token,\), found \(2, 2\)"):
        TokenWindows(np.zeros((2, 2), int), 1)
    with pytest.raises(DTypeError, match="integers, found float64"):
        TokenWindows(np.zeros(9), 2)
    with pytest.raises(DTypeError, match="ids are no array"):
        TokenWindows([[1], [1, 2]], 2)  # type: ignore[list-item]
    for index in (-1, 9):
        with pytest.raises(IndexOutOfRangeError, match=r"not all among the windows 0…4"):
            TokenWindows(np.arange(11), 2).read_batch(np.array([0, index]))
    for length, draws in ((0, None), (2.5, None), (4, 0), (4, True)):
        with pytest.raises(ArgumentError, match="whole number of at least 1"):
            TokenWindows(np.arange(9), length, draws)  # type: ignore[arg-type]
