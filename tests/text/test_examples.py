"""`examples/hello.py` and `examples/wikitext.py`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def names_of(example: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / example))


def test_hello_is_spelt(capsys: pytest.CaptureFixture[str]) -> None:
    """Three units in the state tell the two l apart, whatever the seed."""
    names = names_of("hello.py")
    assert [names["main"](names["Config"](seed=seed)) for seed in range(2)] == ["hello"] * 2
    printed = capsys.readouterr().out
    assert "  h    1000 " in printed
    assert "  l    0010 " in printed


def a_few_words(data_folder: Path, *, peer: bool) -> dict[str, tuple[float, float]]:
    names = names_of("wikitext.py")
    config = names["Config"](
        vocabulary_size=50,
        features=8,
        dropout=0.0,
        batch_size=4,
        length=5,
        steps=30,
        order=3,
        characters=9000,
    )
    found: dict[str, tuple[float, float]] = names["main"](data_folder, config, peer=peer)
    return found


def test_a_few_words_of_wikipedia(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = a_few_words(data_folder, peer=False)
    assert list(found) == ["3-gram", "Neurona"]
    assert all(1 < perplexity < 50 for perplexity, _ in found.values())
    assert "The" in capsys.readouterr().out


@pytest.mark.slow
def test_without_dropout_the_networks_learn_the_same(data_folder: Path) -> None:
    pytest.importorskip("torch")
    found = a_few_words(data_folder, peer=True)
    assert found["Neurona"][0] == pytest.approx(found["PyTorch"][0], rel=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_words_of_wikipedia_as_in_pytorch(data_folder: Path) -> None:
    """After 3,000 steps the perplexity is within 2 % of PyTorch's, in less time."""
    pytest.importorskip("torch")
    found = names_of("wikitext.py")["main"](data_folder)
    (ours, our_seconds), (theirs, their_seconds) = found["Neurona"], found["PyTorch"]
    assert abs(ours / theirs - 1) < 0.02, found
    assert our_seconds < their_seconds, found
    assert 112 < found["5-gram"][0] < 113
