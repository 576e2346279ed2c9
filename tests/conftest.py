"""What every test starts from: few threads, fixed seeds, an object cache of the session's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before NumPy and PyTorch are imported; small arrays gain nothing from more, and runs compare.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
os.environ.setdefault("MKL_NUM_THREADS", "2")
os.environ.setdefault("NEURONA_THREADS", "2")

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import neurona

settings.register_profile(
    "few",
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "many", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("few")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def object_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of compiled object code, empty when the session starts."""
    folder = tmp_path_factory.mktemp("objects")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURONA_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the real data sets; tests that ask for it skip where there is none."""
    given = os.environ.get("NEURONA_DATA", "").strip()
    folder = Path(given).expanduser() if given else CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} is not a folder; set NEURONA_DATA")
    return folder


@pytest.fixture(autouse=True)
def default_generator() -> None:
    """The default generator starts every test from the same place, whatever ran before."""
    neurona.random.seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers for a test's inputs, the same in every run."""
    return np.random.default_rng(0)
