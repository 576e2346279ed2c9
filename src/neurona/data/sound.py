"""Sound: WAV files as numbers and back, and the spectrum of each short piece."""

from __future__ import annotations

import wave
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurona.core.errors import ArgumentError, DataError, ShapeError
from neurona.data.files import reading, replacing


def read_wav(path: str | PathLike[str]) -> tuple[NDArray[np.float32], int]:
    """The samples of a WAV file, (sample, channel) in −1…1, and how many there are in a second.

    Integers of 8, 16, 24 and 32 bits are read (PCM). Raises `DataError`, naming the file, when it
    is missing, damaged, empty, compressed or of another kind.
    """
    path = Path(path)
    with reading(path) as file:
        try:
            with wave.open(file, "rb") as sound:
                channels, width, rate, promised = sound.getparams()[:4]
                content = sound.readframes(promised)
        except (wave.Error, EOFError) as error:
            raise DataError(
                f"{path}: is no WAV file of whole numbers (PCM): {error or 'its end is missing'}"
            ) from None
    if width not in (1, 2, 3, 4):
        raise DataError(f"{path}: samples of {8 * width} bits; 8, 16, 24 and 32 are read")
    if not content or len(content) != promised * channels * width:
        raise DataError(
            f"{path}: holds {len(content)} bytes of sound, its header says "
            f"{promised * channels * width}"
        )
    raw = np.frombuffer(content, np.uint8).reshape(-1, channels, width)
    # As the highest bytes of 32 bits; samples of 8 bits have no sign, those with more do.
    wide = np.zeros((*raw.shape[:2], 4), np.uint8)
    wide[..., 4 - width :] = raw ^ 128 if width == 1 else raw
    return (wide.view("<i4")[..., 0] / 2.0**31).astype(np.float32), rate


def write_wav(path: str | PathLike[str], samples: ArrayLike, rate: int) -> None:
    """Write samples in −1…1, (sample,) or (sample, channel), as a WAV file of 16 bits.

    rate: samples in a second. Raises `ShapeError` for other shapes, `ArgumentError` for samples
    beyond −1…1 or that are no numbers, with the position of the first.
    """
    given = np.asarray(samples, np.float64)
    if given.ndim not in (1, 2) or not given.size:
        raise ShapeError(
            f"write_wav: samples must be (sample,) or (sample, channel), found {given.shape}"
        )
    wrong = ~(np.abs(given) <= 1)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ArgumentError(
            f"write_wav: the sample at {place} is {given[place]}, not in −1…1; scale them first"
        )
    columns = given.reshape(len(given), -1)
    with replacing(Path(path)) as file, wave.open(file, "wb") as sound:
        sound.setnchannels(columns.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.rint(columns * 32767).astype("<i2").tobytes())


def short_time_spectrum(samples: ArrayLike, size: int, step: int) -> NDArray[np.float32]:
    """The power of each frequency in pieces of a sound, (frame, size // 2 + 1).

        X_tk = |Σ_n w_n x_{t·step + n} e^{−2πi kn / size}|²,   w_n = sin²(π n / size)

    - `samples`: (sample,). `size`: of a piece, its frame. `step`: from one frame to the next.

    Frequency k is k · rate / size; the middle of frame t lies at (t · step + size / 2) / rate.
    There are only whole frames. Raises `ShapeError` for another shape and for a sound that is
    shorter than a frame, `ArgumentError` for a size below 2 or a step below 1.

    >>> tone = np.cos(2 * np.pi * 3 / 16 * np.arange(24))
    >>> power = short_time_spectrum(tone, size=16, step=4)
    >>> power.shape, power.argmax(axis=1)
    ((3, 9), array([3, 3, 3]))
    """
    x = np.asarray(samples)
    if size < 2 or step < 1:
        raise ArgumentError(
            f"short_time_spectrum: size is at least 2 and step at least 1, found {size} and {step}"
        )
    if x.ndim != 1 or len(x) < size:
        raise ShapeError(
            f"short_time_spectrum: samples must be (sample,), at least {size} of them, found "
            f"{x.shape}"
        )
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::step]
    window = np.sin(np.pi * np.arange(size) / size) ** 2
    power: NDArray[np.float32] = (np.abs(np.fft.rfft(frames * window)) ** 2).astype(np.float32)
    return power
