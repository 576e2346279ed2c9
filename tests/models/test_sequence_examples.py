"""The examples of sequence tasks: what they make of their data, a glance at each, the figures."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona import data
from neurona.core.errors import DataError

from ..pages import DOCS

EXAMPLES = DOCS.parent / "examples"


@pytest.fixture(scope="module")
def sentiment() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "sentiment.py"))


@pytest.fixture(scope="module")
def accents() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "accents.py"))


@pytest.fixture(scope="module")
def notes() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "notes.py"))


@pytest.fixture(scope="module")
def captions() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "captions.py"))


@pytest.fixture(scope="module")
def forecasting() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "forecasting.py"))


# --- many to one ---


def test_sentences_of_films(data_folder: Path, tmp_path: Path) -> None:
    sentences, labels = data.rt_polarity(data_folder)
    assert len(sentences) == len(labels) == 10_662
    np.testing.assert_array_equal(labels, np.repeat([0, 1], 5331))
    assert sentences[0].startswith("simplistic , silly and tedious")
    with pytest.raises(DataError, match=r"rt-polarity\.neg: not found"):
        data.rt_polarity(tmp_path)
    (tmp_path / "rt-polarity.neg").write_text("bad .\n")
    with pytest.raises(DataError, match=r"rt-polarity\.neg: wrong checksum"):
        data.rt_polarity(tmp_path)


def test_questions_and_statements(sentiment: dict[str, Any], tmp_path: Path) -> None:
    lines = ["Is he here?\t¿Está?", "He is here.\tEstá.", "Go!\tVe.", "Tom?\tTom", "Tom.\tTom"]
    (tmp_path / "spa-eng.txt").write_text("\n".join(lines), encoding="utf-8")
    sentences, labels = sentiment["intents"](tmp_path)
    assert (sentences, labels.tolist()) == (["is he here", "he is here"], [1, 0])


def test_sentiment_at_a_glance(sentiment: dict[str, Any], data_folder: Path) -> None:
    config = sentiment["Config"](
        folder=data_folder, sentences=40, held_out=(3,), length=6, embedding_size=4,
        hidden_size=4, batch_size=24, learning=(1, 0.01), bag=(1, 0.01), cell="GRU",
    )  # fmt: skip
    found = sentiment["main"](config)
    assert set(found) == {"GRU", "bag of words"}
    assert all(0 <= one <= 1 for (one,) in found.values())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_films_are_judged_by_their_reviews(sentiment: dict[str, Any], data_folder: Path) -> None:
    found = sentiment["main"](sentiment["Config"](folder=data_folder))
    assert len(found["LSTM"]) == 5
    assert np.mean(found["LSTM"]) >= 0.75
    assert min(found["LSTM"]) >= 0.72


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_order_tells_a_question(sentiment: dict[str, Any], data_folder: Path) -> None:
    from dataclasses import replace

    found = sentiment["main"](replace(sentiment["TASKS"]["intent"], folder=data_folder))
    assert min(found["LSTM"]) >= 0.965
    assert max(found["bag of words"]) <= 0.93


# --- many to many, aligned ---


def test_accents_come_off_and_on(accents: dict[str, Any]) -> None:
    for sentence in ("¿Qué añoras, pingüino?", "«Él está aquí», dijo.", "Ñu"):
        letters, labels = accents["taken_apart"](sentence)
        assert len(letters) == len(labels)
        assert accents["put_together"](letters, labels) == sentence
    assert accents["taken_apart"]("¿Qué?") == ("¿Que?", [0, 0, 0, 1, 0])


def test_dictionary_of_accents(accents: dict[str, Any]) -> None:
    dictionary = accents["Dictionary"](["él está", "el sol", "El té y el mar", "él"])
    assert dictionary.restored("el te esta en mar") == ["el", "té", "está", "en", "mar"]
    assert dictionary.doubtful == {"el"}
    assert [dictionary.unsure(word) for word in ("el", "te", "en")] == [True, False, True]
    right, doubtful = accents["measured"](["él está"], [["el", "está"]], dictionary.doubtful)
    assert (right, doubtful) == (0.5, 0.0)


def test_accents_at_a_glance(accents: dict[str, Any], tmp_path: Path) -> None:
    forms = ["Él está.", "El está!", "él esta", "Ésta es.", "¿Qué es?", "Que sí", "que si.", "Sé."]
    rows = [f"{i}\t{form} {word}" for i in range(9) for word in ("ya", "yo") for form in forms]
    (tmp_path / "spa-eng.txt").write_text("\n".join(rows), encoding="utf-8")
    config = accents["Config"](
        length=12, sentences=12, held_out=4, embedding_size=3, hidden_size=4, epochs=1, seeds=(0,)
    )
    known, unseen = accents["sentences_of"](tmp_path, config)
    there, here = (
        {accents["taken_apart"](sentence)[0].lower().strip("¿?¡!. ") for sentence in part}
        for part in (known, unseen)
    )
    assert here
    assert not there & here
    found = accents["main"](tmp_path, config)
    assert set(found) == {"dictionary", "LSTM", "both"}


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_sentence_tells_the_accent(accents: dict[str, Any], data_folder: Path) -> None:
    found = accents["main"](data_folder, accents["Config"](seeds=(0, 1)))
    assert min(found["both"]) > found["dictionary"][0] + 0.005


def test_a_melody_is_what_its_notes_say(
    notes: dict[str, Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    config = notes["Config"](seconds=3.0, noise=(0.0, 0.0))
    sound, melody = notes["melody"](config, rng)
    assert sound.shape == (24_000,)
    assert np.abs(sound).max() <= 1
    assert all(0 <= begin < end <= 3 for begin, end, _ in melody)
    assert all(a[1] <= b[0] for a, b in pairwise(melody))
    begin, end, name = max(melody, key=lambda note: note[1] - note[0])
    octave = int(name[-1])
    pitch = 440 * 2 ** ((notes["NAMES"].index(name[:-1]) - 9) / 12 + octave - 4)
    heard = np.abs(np.fft.rfft(sound[int((begin + 0.06) * 8000) : int(end * 8000)]))
    frequency = heard.argmax() * 8000 / (2 * len(heard))
    k = round(frequency / pitch)  # one of its partials
    assert k >= 1
    assert abs(12 * np.log2(frequency / k / pitch)) < 0.4


def test_frames_with_their_labels(notes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    data.write_wav(path, np.zeros((800, 2)), 100)  # 8 seconds
    labels = path.with_suffix(".txt")
    labels.write_text("1.0\t3.0\ta bird\n\\\t200\t300\n\n5\t6.5\tC#4\n", encoding="utf-8")
    config = notes["Config"](frame=1.0, step=0.5)
    decibels, names = notes["read_recording"](path, 100, config)
    assert decibels.shape == (15, 51)
    np.testing.assert_allclose(decibels, -60)
    wanted = ["silence", *["a bird"] * 4, *["silence"] * 4, *["C#4"] * 3, *["silence"] * 3]
    assert names.tolist() == wanted  # in the middles 0.5, 1, … 7.5
    with pytest.raises(DataError, match=r"x\.wav: 100 samples in a second, the first recording"):
        notes["read_recording"](path, 200, config)
    with pytest.raises(DataError, match=r"x\.wav: short_time_spectrum: samples must be"):
        notes["read_recording"](path, 100, notes["Config"](frame=9.0))
    for line, message in (
        ("1 x A", "line 1 must be a begin"),
        ("2 1 A", "line 1: from 2.0 to 1.0"),
    ):
        labels.write_text(line, encoding="utf-8")
        with pytest.raises(DataError, match=rf"x\.txt: {message}"):
            notes["read_labels"](labels)
    labels.unlink()
    with pytest.raises(DataError, match=r"x\.txt: cannot be read"):
        notes["read_recording"](path, 100, config)
    with pytest.raises(DataError, match=r"holds 1 recordings \*\.wav; at least 2"):
        notes["main"](tmp_path)


def test_recordings_in_pieces(notes: dict[str, Any]) -> None:
    pieces = notes["windows"]([np.arange(5), np.array([9, 8])], 2, -100)
    assert pieces.tolist() == [[0, 1], [2, 3], [4, -100], [9, 8]]
    assert notes["windows"]([np.zeros((3, 4))], 2, 1.0).shape == (2, 2, 4)
    away = notes["away_from_changes"](np.array(list("aaabbca"), object))
    assert away.tolist() == [True, True, False, False, False, False, False]


def test_notes_at_a_glance(notes: dict[str, Any]) -> None:
    config = notes["Config"](
        recordings=4, seconds=1.0, test=0.5, length=9, hidden_size=2, epochs=1, seeds=(0,)
    )
    found = notes["main"](None, config)
    assert set(found) == {"peak", "one frame", "LSTM"}
    assert all(0 <= right <= 1 for (right,) in found.values())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_neighbours_tell_the_note(notes: dict[str, Any]) -> None:
    found = notes["main"](None, notes["Config"](seeds=(0, 1)))
    assert min(found["LSTM"]) > max(found["one frame"]) + 0.01
    assert min(found["one frame"]) > found["peak"][0] + 0.1


# --- one to many ---


def boxes(*digits: tuple[int, int, int]) -> np.ndarray:
    """Objects 10×10 at (left, top) with a class, and one that is not there."""
    rows = [(left, top, left + 10, top + 10, digit) for left, top, digit in digits]
    return np.array([*rows, (-1,) * 5], np.float32)


def test_what_is_true_of_a_canvas(captions: dict[str, Any]) -> None:
    true = captions["true_captions"]
    assert true(boxes((0, 0, 7))) == {"seven"}
    assert true(boxes((0, 0, 3), (1, 20, 7))) == {"three above seven", "seven below three"}
    assert true(boxes((0, 0, 3), (20, 8, 7))) == {
        "three left of seven",
        "three above seven",
        "seven right of three",
        "seven below three",
    }
    assert len(true(boxes((0, 0, 1), (20, 0, 2), (0, 20, 3)))) == 10


def test_describers_say_what_is_true(captions: dict[str, Any], rng: np.random.Generator) -> None:
    canvas = boxes((20, 8, 7), (0, 0, 3))
    assert captions["in_order"](canvas, rng) == "three left of seven"
    said = {captions["at_will"](canvas, rng) for _ in range(60)}
    assert said == captions["true_captions"](canvas)


def test_captions_at_a_glance(
    captions: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEURONA_DATA", str(tmp_path))  # no MNIST there
    config = captions["Config"](
        epochs=1, canvases=8, test_canvases=10, size=(16, 16), count=(1, 1), side=(12, 14),
        widths=(2,), hidden_size=4, batch_size=4, seeds=(0,), feedback=(True,),
    )  # fmt: skip
    monkeypatch.delitem(captions["DESCRIBERS"], "in order")
    found = captions["main"](str(tmp_path / "captions.png"), config)
    assert 0 <= found["at will, words"][0] <= 1


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_what_was_said_decides_what_follows(captions: dict[str, Any], tmp_path: Path) -> None:
    found = captions["main"](str(tmp_path / "captions.png"), captions["Config"](seeds=(0, 1)))
    assert min(found["at will, words"]) > 0.7
    assert min(found["at will, words"]) > max(found["at will, zeros"]) + 0.15
    assert (tmp_path / "captions.png").stat().st_size > 10_000


# --- series ---


def test_windows_do_not_overlap_what_follows(forecasting: dict[str, Any]) -> None:
    series = np.arange(10.0)
    known, following = forecasting["windows"](series[:, None], series, 4, 2, stride=2)
    assert known[:, :, 0].tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7]]
    assert following.tolist() == [[4, 5], [6, 7], [8, 9]]


def test_regression_finds_a_line(forecasting: dict[str, Any], rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 3))
    y = x @ np.array([[1.0, 0.0], [2.0, 1.0], [0.0, -1.0]]) + np.array([3.0, 4.0])
    found = forecasting["regression"](x[:150], y[:150], x[150:], ridge=1e-6)
    np.testing.assert_allclose(found, y[150:], atol=1e-5)


def test_forecasts_at_a_glance(forecasting: dict[str, Any]) -> None:
    config = forecasting["Config"](hours=600, stride=40, hidden_size=3, epochs=1, seeds=(0,))
    found = forecasting["foretell_demand"](None, config)
    assert set(found) == {"a week ago", "linear regression", "LSTM"}
    assert all(error > 0 for (error,) in found.values())


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_demand_can_be_foretold_and_prices_cannot(forecasting: dict[str, Any]) -> None:
    demand, prices = forecasting["main"](None, forecasting["Config"](seeds=(0, 1)))
    assert max(demand["LSTM"]) < demand["linear regression"][0] < demand["a week ago"][0]
    assert np.mean(prices["LSTM"]) > 0.98 * prices["as today"][0]
