"""`examples/translation.py`: it runs, and what it translates is measured on unseen sentences."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from neurona.core.errors import ArgumentError, DataError, ShapeError

from ..pages import DOCS


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    pytest.importorskip("sacrebleu")
    return runpy.run_path(str(DOCS.parent / "examples" / "translation.py"))


SMALL = {
    "vocabulary": 300,
    "held_out": 12,
    "sizes": (24,),
    "epochs": 1,
    "batch_size": 16,
    "longest": 10,
}


@pytest.fixture
def few_pairs(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (data_folder / "spa-eng.txt").read_text(encoding="utf-8").splitlines()
    few = "\n".join(lines[3000:9000:60])
    (tmp_path / "spa-eng.txt").write_text(few, encoding="utf-8")
    monkeypatch.setenv("NEURONA_DATA", str(tmp_path))


@pytest.mark.usefixtures("few_pairs")
def test_lstms_on_few_pairs(
    names: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(names["CONFIGURATIONS"]["seq2seq"], hidden_size=16, beams=(2,), **SMALL)
    config = replace(config, attention="additive")
    scores = names["main"](config, tmp_path / "attention.png")
    assert set(scores) == {2}
    assert all(0 <= score < 20 for score in scores.values())
    out = capsys.readouterr().out
    assert "seq2seq with additive attention, " in out
    assert "88 pairs, 5 batches an epoch" in out
    assert "5–7 words" in out
    with Image.open(tmp_path / "attention.png") as image:
        assert image.width > image.height
    with pytest.raises(ArgumentError, match="without attention there is no picture"):
        names["main"](replace(config, attention=None), tmp_path / "nothing.png")


@pytest.mark.usefixtures("few_pairs")
def test_the_transformer_is_drawn(names: dict[str, Any], tmp_path: Path) -> None:
    config = replace(names["CONFIGURATIONS"]["transformer"], layers=1, features=16, **SMALL)
    training, unseen = names["read"](config)
    source, target = [
        names["Language"].of([pair[i] for pair in training], config.vocabulary) for i in (0, 1)
    ]
    network = names["make"](config, source, target).eval()
    names["draw"](network, [unseen[0][0]], source, target, config, tmp_path / "attention.png")
    assert (tmp_path / "attention.png").is_file()
    with pytest.raises(DataError, match="the sentence is empty"):
        names["translate"](network, ["Hola.", " "], source, target, config)
    with pytest.raises(ShapeError, match="more than the table of positions holds, context 100"):
        names["translate"](network, ["Hola. " * 100], source, target, config)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("network", ["seq2seq", "transformer"])
def test_translations_of_unseen_sentences(
    network: str, names: dict[str, Any], data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURONA_DATA", str(data_folder))
    config = replace(names["CONFIGURATIONS"][network], epochs=2, beams=(1,))
    assert names["main"](config)[1] >= 20
