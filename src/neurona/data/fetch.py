"""Finding the files of a data set in a folder, and downloading them when that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from neurona.core import config
from neurona.core.errors import DataError
from neurona.data.files import replacing

TIMEOUT_S = 30.0  # for connecting, and for each wait for more data
_CHUNK = 1 << 16


def find_file(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of `names`, relative paths, that is a file in `folder`, or None."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    return None


def folder_of(data_dir: str | Path | None) -> Path:
    """Return `data_dir`, or where `NEURONA_DATA` points, or the default folder."""
    return config.data_folder() if data_dir is None else Path(data_dir).expanduser()


def download(
    urls: Sequence[str], path: Path, *, check: Callable[[Path], object], limit: int
) -> None:
    """Fetch `path` from the first of `urls` that sends what `check` accepts, whole or not at all.

    `check` reads the finished file before it gets its name and raises DataError when it is not the
    right one. `limit` is the most bytes that are taken. Raises DataError with each address and what
    went wrong there, also when the folder cannot be written.
    """
    from http.client import HTTPException

    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{path.parent}: cannot make the folder: {error}") from None
    for url in urls:
        try:
            with replacing(path) as file:
                _copy(url, file, limit)
                file.flush()
                check(Path(file.name))
            return
        except (OSError, HTTPException, DataError) as error:  # network errors are OSErrors
            failures.append(f"  {url}: {error or type(error).__name__}")
    raise DataError(
        f"{path.name}: could not be downloaded to {path.parent}:\n"
        + "\n".join(failures)
        + "\nCheck the network, or copy the file there by hand."
    )


def _copy(url: str, file: IO[bytes], limit: int) -> None:
    from urllib.request import Request, urlopen

    request = Request(url, headers={"User-Agent": "neurona"})
    with urlopen(request, timeout=TIMEOUT_S) as response:
        announced = response.headers.get("Content-Length")
        size = 0
        while chunk := response.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise DataError(f"sent more than the {limit} bytes expected")
            file.write(chunk)
    if announced is not None and size != int(announced):
        raise DataError(f"broke off: expected {announced} bytes, found {size}")
