"""Many to many, aligned: which note sounds in each frame of a recording, or none.

A recording becomes the logarithms of the spectrum of short pieces, and an LSTM that reads them in
both directions labels each: the note that sounds in its middle, or silence. Beside it there are a
network of the same width that sees one frame at a time, and a table of what sounded most often when
this frequency was the strongest, so loud.

The sound is made by this example, not recorded: notes of random length, loudness and timbre, out
of tune by up to a fifth of a semitone, that fade into each other and into noise. Their partials may
be stronger than the note itself. The recordings are written as WAV files and read again.

With a folder, its recordings are learnt instead: NAME.wav beside NAME.txt, in which each line has a
label's begin and end in seconds and its name, as Audacity writes them; elsewhere there is silence.
Labels may be anything that a frame can be, as speakers or birds.

python examples/notes.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import data, models, nn, optim, train
from neurona.core.errors import DataError, ShapeError

Floats = NDArray[np.float64]
Labels = list[tuple[float, float, str]]
SILENCE = "silence"
IGNORED = -100
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True, kw_only=True)
class Config:
    """recordings of so many seconds, of which the share `test` is held out.

    rate: samples in a second, of the recordings made here. frame, step: the length of a frame and
    from one to the next, in seconds. length: the frames that are read together.
    noise: its loudness, between these; a note's is 0.1 to 0.8.
    """

    recordings: int = 200
    seconds: float = 8.0
    test: float = 0.2
    rate: int = 8000
    frame: float = 0.128
    step: float = 0.032
    length: int = 60
    noise: tuple[float, float] = (0.01, 0.1)
    hidden_size: int = 64
    batch_size: int = 16
    epochs: int = 12
    learning_rate: float = 0.005
    seeds: tuple[int, ...] = (0, 1, 2)


# --- the sound ---


def melody(config: Config, generator: np.random.Generator) -> tuple[Floats, Labels]:
    """A recording's samples in −1…1, and its notes, C4 to B5, from when to when.

    A note is Σ_k a_k sin(2π k f t) with 1 to 8 partials k, a_k evenly in 0…1 over √k. It comes in
    10 ms, fades by e in 0.2 to 1 s, and 40 ms after the next has begun it is gone.
    """
    rate, number = config.rate, int(config.seconds * config.rate)
    sound = np.zeros(number)
    notes: Labels = []
    begin = generator.uniform(0, 0.3)
    while begin < config.seconds - 0.1:
        end = min(begin + generator.uniform(0.1, 0.6), config.seconds)
        if generator.random() < 0.8:
            pitch = int(generator.integers(24))
            frequency = 440 * 2 ** ((pitch - 9 + generator.uniform(-0.2, 0.2)) / 12)
            first, behind = int(begin * rate), min(int((end + 0.04) * rate), number)
            t = np.arange(behind - first) / rate
            k = np.arange(1, generator.integers(1, 9) + 1)
            partials = generator.uniform(0, 1, len(k)) / np.sqrt(k) * (k * frequency < rate / 2)
            phases = generator.uniform(0, 2 * np.pi, len(k))
            wave = np.sin(2 * np.pi * frequency * t[:, None] * k + phases) @ partials
            fading = np.exp(-t / generator.uniform(0.2, 1.0))
            shape = np.minimum(t / 0.01, 1) * fading * np.clip((t[-1] - t) / 0.04, 0, 1)
            loudness = generator.uniform(0.1, 0.8) / (np.abs(wave).max() + 1e-9)
            sound[first:behind] += loudness * wave * shape
            notes.append((begin, end, f"{NAMES[pitch % 12]}{4 + pitch // 12}"))
        begin = end
    sound += generator.normal(0, generator.uniform(*config.noise), number)
    return np.clip(sound, -1, 1), notes


def write_recordings(folder: Path, config: Config) -> None:
    """Melodies as WAV files, each beside a text file with its notes."""
    for i in range(config.recordings):
        sound, notes = melody(config, np.random.default_rng(i))
        data.write_wav(folder / f"{i:04}.wav", sound, config.rate)
        lines = [f"{begin:.6f}\t{end:.6f}\t{name}\n" for begin, end, name in notes]
        (folder / f"{i:04}.txt").write_text("".join(lines), encoding="utf-8")


# --- frames and their labels ---


def read_labels(path: Path) -> Labels:
    """Begin and end in seconds and the name of each label, one a line; names may have spaces."""
    found: Labels = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("\\"):  # Audacity's second lines: frequencies
            continue
        cells = line.split(None, 2)
        try:
            begin, end, name = float(cells[0]), float(cells[1]), cells[2].strip()
        except (ValueError, IndexError):
            raise DataError(
                f"{path}: line {number} must be a begin and an end in seconds and a name, found "
                f"{line!r}"
            ) from None
        if not 0 <= begin <= end:
            raise DataError(f"{path}: line {number}: from {begin} to {end} is no time")
        found.append((begin, end, name))
    return found


def read_recording(
    path: Path, rate: int, config: Config
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Decibels of the frames (frame, frequency), and the name of what sounds in their middles."""
    samples, found = data.read_wav(path)
    if found != rate:
        raise DataError(
            f"{path}: {found} samples in a second, the first recording has {rate}; convert it"
        )
    size, step = round(config.frame * rate), round(config.step * rate)
    try:
        power = data.short_time_spectrum(samples.mean(axis=1), size, step)
    except ShapeError as error:
        raise DataError(f"{path}: {error}") from None
    middles = (np.arange(len(power)) * step + size / 2) / rate
    names = np.full(len(power), SILENCE, object)
    for begin, end, name in read_labels(path.with_suffix(".txt")):
        names[(middles >= begin) & (middles < end)] = name
    return 10 * np.log10(power + 1e-6), names


def windows(parts: list[Any], length: int, fill: float) -> NDArray[Any]:
    """Recordings (frame, …) in pieces (piece, length, …), the last of each filled up."""
    found = []
    for part in parts:
        missing = -len(part) % length
        whole = np.pad(part, [(0, missing)] + [(0, 0)] * (part.ndim - 1), constant_values=fill)
        found.append(whole.reshape(-1, length, *part.shape[1:]))
    return np.concatenate(found)


def away_from_changes(names: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the frames before and after have the same label, bool (frame,)."""
    same = np.pad(names[1:] == names[:-1], 1, constant_values=True)
    return np.asarray(same[1:] & same[:-1])


class Peaks:
    """What most often sounds when this frequency is the strongest, in steps of 3 dB."""

    def __init__(self, x: NDArray[np.float32], y: NDArray[np.int64]) -> None:
        counts: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        for key, label in zip(self._keys(x), y.tolist(), strict=True):
            counts[key][label] += 1
        self.labels = {key: labels.most_common(1)[0][0] for key, labels in counts.items()}
        self.other = Counter(y.tolist()).most_common(1)[0][0]

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        """Labels (frame,) of frames (frame, frequency)."""
        return np.array([self.labels.get(key, self.other) for key in self._keys(x)])

    @staticmethod
    def _keys(x: NDArray[np.float32]) -> list[tuple[int, int]]:
        return list(zip(x.argmax(axis=1).tolist(), (x.max(axis=1) // 3).tolist(), strict=True))


# --- learning ---


def learn(network: nn.Module, x: Any, y: Any, seed: int, config: Config) -> train.Model:
    """The network trained on pieces (piece, frame, frequency) with labels (piece, frame)."""
    model = train.Model(network, preprocessing=data.Standardizer.fit(x, axis=(0, 1)))
    model.compile(
        optim.Adam(network.parameters(), config.learning_rate),
        "token_cross_entropy",
        schedule=optim.schedules.OneCycle(epochs=config.epochs),
        clip_norm=1.0,
    )
    size = config.batch_size
    model.fit(x, y, epochs=config.epochs, batch_size=size, seed=seed, verbose=False)
    return model


def compare(folder: Path, config: Config) -> dict[str, list[float]]:
    """The shares of right frames in recordings that are held out, by method."""
    paths = sorted(folder.glob("*.wav"))
    if len(paths) < 2:
        raise DataError(f"{folder}: holds {len(paths)} recordings *.wav; at least 2 are needed")
    rate = data.read_wav(paths[0])[1]
    recordings = [read_recording(path, rate, config) for path in paths]
    parts = data.split_indices(len(paths), (1 - config.test, config.test))
    (known, names), (unseen, wanted) = [
        zip(*(recordings[i] for i in part), strict=True) for part in parts
    ]
    labels = {name: i for i, name in enumerate(sorted({SILENCE}.union(*map(set, names))))}
    ids = [np.array([labels[name] for name in each]) for each in names]
    # Labels that stand in no recording to learn from are never right.
    actual = np.array([labels.get(name, -1) for each in wanted for name in each])

    steady = np.concatenate([away_from_changes(each) for each in wanted])
    quiet = float(min(part.min() for part in known))
    x, y = windows(list(known), config.length, quiet), windows(ids, config.length, IGNORED)
    test = windows(list(unseen), config.length, quiet)
    there = windows([np.ones(len(part), bool) for part in unseen], config.length, False)
    print(f"{len(known)} recordings to learn from, {len(unseen)} to test on, {len(labels)} labels")
    found: dict[str, list[float]] = {}

    def report(method: str, guesses: NDArray[np.int64], note: str = "") -> None:
        right = guesses == actual
        inside = f", {right[steady].mean():.4f} of those beside no change" if steady.any() else ""
        print(f"{method:9}  {right.mean():.4f} of the frames right{inside}{note}", flush=True)
        found.setdefault(method, []).append(float(right.mean()))

    report(
        "peak", Peaks(np.concatenate(known), np.concatenate(ids)).predict(np.concatenate(unseen))
    )
    width, features = 2 * config.hidden_size, x.shape[2]
    for seed in config.seeds:
        ne.random.seed(seed)
        networks = {
            "one frame": nn.Sequential(
                nn.Linear(features, width), nn.ReLU(), nn.Linear(width, len(labels))
            ),
            "LSTM": models.FrameLabeller(features, len(labels), hidden_size=config.hidden_size),
        }
        for name, network in networks.items():
            start = time.perf_counter()
            best = learn(network, x, y, seed, config).predict(test).argmax(axis=2)
            report(name, best[there], f"; seed {seed}, {time.perf_counter() - start:.0f} s")
    return found


def main(folder: str | Path | None = None, config: Config | None = None) -> dict[str, list[float]]:
    """Print the shares of right frames; returns them by method."""
    config = config or Config()
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            write_recordings(Path(made), config)
            found = compare(Path(made), config)
    else:
        found = compare(Path(folder), config)
    for name, each in found.items():
        print(f"{name:9}  {np.mean(each):.4f}" + (f" ± {np.std(each):.4f}" * (len(each) > 1)))
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
