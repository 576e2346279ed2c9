"""The summary: shapes, parameters and FLOPs without computing anything."""

from __future__ import annotations

import numpy as np
import pytest

import neurona as ne
from neurona import nn
from neurona.core.errors import ArgumentError


def test_rows_and_totals() -> None:
    model = nn.Sequential(nn.Linear(784, 30), nn.Sigmoid(), nn.Linear(30, 10))
    model[0].freeze()
    summary = model.summary((16, 784))
    rows = [(row.path, row.kind, row.output, row.parameters, row.flops) for row in summary.rows]
    first, last = 2 * 16 * 784 * 30 + 16 * 30, 2 * 16 * 30 * 10 + 16 * 10
    assert rows == [
        ("0", "Linear", ((16, 30),), 23550, first),
        ("1", "Sigmoid", ((16, 30),), 0, 16 * 30),
        ("2", "Linear", ((16, 10),), 310, last),
        ("", "Sequential", ((16, 10),), 23860, first + 16 * 30 + last),
    ]
    assert (summary.parameters, summary.trainable, summary.buffers) == (23860, 310, 0)
    assert "784" not in str(summary)
    assert len(str(summary).splitlines()) == 5


def test_a_dense_layer_of_the_notes() -> None:
    assert nn.Linear(3072, 784).summary((1, 3072)).parameters == 2_409_232


def test_shared_layers_count_their_parameters_once_and_their_work_twice() -> None:
    layer = nn.Linear(4, 4)
    summary = nn.Sequential(layer, layer).summary((1, 4))
    assert summary.parameters == 20
    assert summary.flops == 2 * (2 * 16 + 4)


def test_nothing_changes() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    before, state = model.state_dict(), ne.random.DEFAULT.state
    model.summary((8, 3))
    assert ne.random.DEFAULT.state == state
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert model.training


def test_examples_may_be_arrays() -> None:
    model = nn.Embedding(10, 4)
    assert model.summary(np.zeros((2, 3), np.int64)).rows[-1].output == ((2, 3, 4),)
    assert model.summary((2, 3), dtype=ne.int64).rows[-1].output == ((2, 3, 4),)
    assert nn.Bilinear(2, 3, 4).summary((5, 2), (5, 3)).rows[-1].output == ((5, 4),)
    with pytest.raises(ArgumentError, match="give the shape of the input"):
        model.summary()


def test_convolutions_and_pooling_count_every_kernel_and_window() -> None:
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.MaxPool2d(2), nn.ConvTranspose2d(6, 2, 3)
    )
    flops = [row.flops for row in model.summary((5, 4, 8, 8)).rows]
    outputs = 5 * 6 * 64
    assert flops[0] == 2 * outputs * (4 // 2 * 9) + outputs
    assert flops[1] == outputs
    assert flops[2] == 2 * 5 * 6 * 16 * (2 * 9) + 5 * 2 * 36
