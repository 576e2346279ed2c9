"""`examples/hello.py`, `examples/wikitext.py` and `examples/tagging.py`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona.core.errors import DataError

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


# --- tagging ---

TAGGED = (
    "La/DET casa/NOUN es/AUX vieja/ADJ ./PUNCT",
    "Él/PRON casa/VERB a/ADP su/DET hija/NOUN ./PUNCT",
    "Ella/PRON para/VERB el/DET coche/NOUN viejo/ADJ ./PUNCT",
    "El/DET vino/NOUN es/AUX para/ADP la/DET hija/NOUN ./PUNCT",
    "Ana/PROPN vino/VERB con/ADP el/DET coche/NOUN ./PUNCT",
    "Yo/PRON bajo/VERB la/DET caja/NOUN ./PUNCT",
    "Está/VERB bajo/ADP la/DET silla/NOUN ./PUNCT",
)
NAMED = (
    "Ana/B-PER Ruiz/I-PER vive/O en/O Madrid/B-LOC ./O",
    "El/O Real/B-ORG Madrid/I-ORG ganó/O en/O Nueva/B-LOC York/I-LOC ./O",
    "Luis/B-PER visitó/O la/O Cruz/B-ORG Roja/I-ORG ./O",
)


def in_columns(sentences: tuple[str, ...], *, universal: bool) -> str:
    """As CoNLL-U, or as columns of words and tags."""
    lines: list[str] = []
    for sentence in sentences:
        pairs = [pair.split("/") for pair in sentence.split()]
        for place, (word, tag) in enumerate(pairs, 1):
            whole = (str(place), word, "_", tag, *"______")
            lines.append("\t".join(whole) if universal else f"{word} {tag}")
        lines.append("")
    return "\n".join(lines)


def test_entities_of_a_few_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """*Madrid* is a place here and part of a club there; sentences are longer than a piece."""
    path = tmp_path / "esp.train"
    path.write_text(in_columns(NAMED, universal=False), encoding="utf-8")
    names = names_of("tagging.py")
    config = names["Config"](
        length=5, minimum_count=1, embedding_size=12, hidden_size=12, dropout=0.0,
        batch_size=5, epochs=30, learning_rate=0.05,
    )  # fmt: skip
    found = names["main"](path, path, config)
    assert found["LSTM"] == 1 > found["dictionary"]
    assert "ORG       precision 1.0000  recall 1.0000  F1 1.0000" in capsys.readouterr().out


def test_parts_of_speech_by_dictionary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "es.conllu"
    path.write_text(in_columns(TAGGED, universal=True), encoding="utf-8")
    names = names_of("tagging.py")
    sentences = names["read"](path)
    assert sentences[1] == (("Él", "casa", "a", "su", "hija", "."), sentences[1].tags)
    dictionary = names["Dictionary"](sentences)
    assert dictionary.tagged(["Él", "casa", "Berta"]) == ("PRON", "NOUN", "DET")
    tags = [dictionary.tagged(words) for words, _ in sentences]
    right = names["report"]("dictionary", tags, sentences, dictionary.tags)
    assert right == pytest.approx(1 - 4 / 40)  # casa, para, vino and bajo, each once
    assert "F1" not in capsys.readouterr().out


def test_tags_that_are_no_entities(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("Ana PROPN\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"wrong\.txt: sentence 1: .* tag 0 is 'PROPN'"):
        names_of("tagging.py")["read"](wrong)


def test_parts_of_a_word() -> None:
    parts_of = names_of("tagging.py")["parts_of"]
    assert parts_of("Madrid") == ["=madrid", "-d", "-id", "-rid", "Xx"]
    assert [parts_of(word)[-1] for word in ("USA", "iPhone", "2.024", "él", "...")] == [
        "X", "xXx", "0.0", "x", ".",
    ]  # fmt: skip


def made_up(number: int, seed: int) -> tuple[str, ...]:
    """Sentences about names that nobody has; what a name is, the words around it say."""
    rng = np.random.default_rng(seed)

    def entity(label: str) -> str:
        names = ["".join(rng.choice(list("abdegilmnorstu"), 5)).capitalize() for _ in range(2)]
        tags = (f"{names[0]}/B-{label}", f"{names[1]}/I-{label}")
        return " ".join(tags[: rng.integers(1, 3)])

    forms = (
        "{PER} vive/O en/O {LOC} ./O",
        "{ORG} ganó/O en/O {LOC} ./O",
        "hoy/O llega/O {PER} ./O",
    )
    return tuple(
        forms[rng.integers(3)].format(PER=entity("PER"), ORG=entity("ORG"), LOC=entity("LOC"))
        for _ in range(number)
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_entities_never_seen(tmp_path: Path) -> None:
    names = names_of("tagging.py")
    for seed in range(3):
        paths = [tmp_path / "esp.train", tmp_path / "esp.testb"]
        for path, number in zip(paths, (400, 100), strict=True):
            path.write_text(in_columns(made_up(number, 2 * seed + (number > 100)), universal=False))
        found = names["main"](*paths, names["Config"](length=8, batch_size=8, seed=seed))
        assert found["LSTM"] > 0.97
        assert found["dictionary"] < 0.5
