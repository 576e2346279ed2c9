"""Fixtures of the compiler's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from neurona.compiler.run.pool import POOL


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """`threads(n)`: from now on programs run on n threads."""

    def use(count: int) -> None:
        POOL.stop()
        monkeypatch.setenv("NEURONA_THREADS", str(count))

    yield use
    POOL.stop()
