"""WAV files there and back, what is wrong with them, and spectra of sounds known beforehand."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from neurona import data
from neurona.core.errors import ArgumentError, DataError, ShapeError


def write(path: Path, content: bytes, width: int, channels: int = 1, rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(content)


def test_there_and_back(tmp_path: Path, rng: np.random.Generator) -> None:
    sound = rng.uniform(-1, 1, (50, 2))
    data.write_wav(tmp_path / "two.wav", sound, 44_100)
    read, rate = data.read_wav(tmp_path / "two.wav")
    assert (read.dtype, rate) == (np.float32, 44_100)
    np.testing.assert_allclose(read, sound * 32767 / 32768, atol=0.5001 / 32768)
    data.write_wav(tmp_path / "one.wav", [0, 1, -1], 8000)
    one, _ = data.read_wav(tmp_path / "one.wav")
    assert one.tolist() == [[0], [32767 / 32768], [-32767 / 32768]]


@pytest.mark.parametrize(
    ("width", "content", "wanted"),
    [
        (1, bytes([128, 0, 192]), [0, -1, 0.5]),
        (2, np.array([0, -32768, 16384], "<i2").tobytes(), [0, -1, 0.5]),
        (3, b"\0\0\0" + b"\0\0\x80" + b"\0\0\x40", [0, -1, 0.5]),
        (4, np.array([0, -(2**31), 2**30], "<i4").tobytes(), [0, -1, 0.5]),
    ],
)
def test_bits_of_a_sample(width: int, content: bytes, wanted: list[float], tmp_path: Path) -> None:
    write(tmp_path / "x.wav", content, width)
    assert data.read_wav(tmp_path / "x.wav")[0][:, 0].tolist() == wanted


def test_files_that_hold_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with pytest.raises(DataError, match=r"x\.wav: no such file"):
        data.read_wav(path)
    for content in (b"", b"RIFF", b"ID3 this is no sound, but long enough to be one......"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.wav: is no WAV file"):
            data.read_wav(path)
    write(path, bytes(100), 2)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"holds 70 bytes of sound, its header says 100"):
        data.read_wav(path)
    write(path, b"", 2)
    with pytest.raises(DataError, match=r"holds 0 bytes"):
        data.read_wav(path)
    write(path, bytes(8), 2)
    whole = bytearray(path.read_bytes())
    whole[20] = 3  # numbers with a point
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"no WAV file of whole numbers \(PCM\): unknown format: 3"):
        data.read_wav(path)


def test_samples_that_cannot_be_written(tmp_path: Path) -> None:
    for samples, message in (
        ([[0, 0.5], [0, 1.5]], r"the sample at \(1, 1\) is 1\.5, not in −1…1; scale them"),
        ([0, np.nan], r"the sample at \(1,\) is nan"),
    ):
        with pytest.raises(ArgumentError, match=message):
            data.write_wav(tmp_path / "x.wav", samples, 8000)
    for wrong in (np.zeros((1, 1, 1)), []):
        with pytest.raises(ShapeError, match="must be"):
            data.write_wav(tmp_path / "x.wav", wrong, 8000)
    assert not list(tmp_path.iterdir())


def test_spectrum_of_tones_and_of_silence() -> None:
    rate, size = 8000, 256
    t = np.arange(1000) / rate
    tones = 0.5 * np.cos(2 * np.pi * 500 * t) + 0.25 * np.cos(2 * np.pi * 1500 * t)
    power = data.short_time_spectrum(tones, size, 100)
    assert power.shape == (1 + (1000 - 256) // 100, 129)
    # A cosine of amplitude a in the middle of a bin: |a/2 · Σ w|², and Σ w = size / 2.
    np.testing.assert_allclose(power[:, 500 * size // rate], (0.5 * size / 4) ** 2, rtol=1e-5)
    np.testing.assert_allclose(power[:, 1500 * size // rate], (0.25 * size / 4) ** 2, rtol=1e-5)
    assert power[:, 30:40].max() < 1e-6
    assert (data.short_time_spectrum(np.zeros(256), size, 1) == np.zeros((1, 129))).all()
    with pytest.raises(ShapeError, match=r"at least 256 of them, found \(255,\)"):
        data.short_time_spectrum(np.zeros(255), size, 1)
    with pytest.raises(ShapeError, match=r"found \(256, 2\)"):
        data.short_time_spectrum(np.zeros((256, 2)), size, 1)
    with pytest.raises(ArgumentError, match="found 256 and 0"):
        data.short_time_spectrum(np.zeros(256), size, 0)
