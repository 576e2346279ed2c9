"""`examples/copy_task.py`: what the picture of `docs/recurrent.md` shows is so."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "copy_task.py"


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


def test_gradients_vanish_and_explode_and_are_clipped(names: dict[str, Any]) -> None:
    config = names["Config"](seeds=(0,), clipping_steps=200, gaps=(40,))
    lstm, elman, _, grown = names["norms_by_step"](config).values()
    assert elman[0] < 1e-8 * elman[-1]
    assert grown[0] > 20 * grown[-1]
    assert lstm[0] > 0.05 * lstm[-1]
    losses = names["clipped"](config)
    assert losses["clipped"][0, -20:].mean() < 0.1
    assert losses["not clipped"][0, -20:].mean() > 1


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_lstm_remembers_further_than_elman(names: dict[str, Any], tmp_path: Path) -> None:
    config = names["Config"](gaps=(10, 40))
    right, _, _ = names["main"](str(tmp_path / "copy.png"), config)
    assert right["LSTM"].min() > 0.95
    assert right["Elman"][0].min() > 0.95
    assert right["Elman"][1].max() < 0.7
    assert (tmp_path / "copy.png").stat().st_size > 10_000
