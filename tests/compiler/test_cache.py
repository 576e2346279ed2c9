"""The object cache: damaged, read-only, filled by two at once; and the same bits from all of it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings

import neurona as ne
from neurona.compiler.machine import native
from neurona.core import config
from tests.compiler.graphs import Graph, graphs

CHECKOUT = Path(__file__).resolve().parents[2]


def start(cache: Path | str, *args: str, threads: int = 2) -> subprocess.Popen[str]:
    environment = os.environ | {"NEURONA_CACHE": str(cache), "NEURONA_THREADS": str(threads)}
    command = [sys.executable, "-W", "error", "-m", "tests.compiler.worker", *args]
    return subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def digest(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    assert len(out.strip()) == 64
    return out.strip()


def objects(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cache that a process has filled, and what that process came to."""
    cache = tmp_path_factory.mktemp("filled")
    return cache, digest(start(cache))


def copy_of(cache: Path, target: Path) -> Path:
    for path in objects(cache):
        place = target / path.relative_to(cache)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    return target


def test_a_second_process_compiles_nothing_and_comes_to_the_same_bits(
    filled: tuple[Path, str],
) -> None:
    cache, expected = filled
    before = {path: path.stat().st_mtime_ns for path in objects(cache)}
    assert before
    assert digest(start(cache, "warm")) == expected
    assert {path: path.stat().st_mtime_ns for path in objects(cache)} == before


@pytest.mark.parametrize("threads", [1, 3])
def test_other_numbers_of_threads_come_to_the_same_bits(
    filled: tuple[Path, str], threads: int
) -> None:
    cache, expected = filled
    # The same objects too: what is compiled does not depend on threads.
    assert digest(start(cache, "warm", threads=threads)) == expected


def test_random_graphs_in_other_processes(tmp_path: Path) -> None:
    """Cold with one thread, then from the cache with two and three."""
    drawn: list[Graph] = []

    @settings(max_examples=25, database=None)
    @given(graphs(differentiate=True, large=True) | graphs(state=True))
    def draw(graph: Graph) -> None:
        drawn.append(graph)

    draw()
    file = tmp_path / "graphs"
    file.write_bytes(pickle.dumps(drawn))
    cache = tmp_path / "cache"
    expected = digest(start(cache, str(file), threads=1))
    for threads in (2, 3):
        assert digest(start(cache, "warm", str(file), threads=threads)) == expected


def damage(paths: Iterable[Path]) -> None:
    """Every kind of damage in turn."""
    for i, path in enumerate(paths):
        content = path.read_bytes()
        match i % 5:
            case 0:
                path.write_bytes(content[: len(content) // 2])
            case 1:
                path.write_bytes(b"")
            case 2:
                path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            case 3:
                path.write_bytes(os.urandom(len(content)))
            case 4:
                path.unlink()
                path.mkdir()


def test_damaged_files_are_made_anew(filled: tuple[Path, str], tmp_path: Path) -> None:
    cache, expected = filled
    mine = copy_of(cache, tmp_path)
    damage(objects(mine))
    assert digest(start(mine)) == expected
    good = {path.relative_to(mine): path.read_bytes() for path in objects(mine)}
    for path in objects(cache):
        name = path.relative_to(cache)
        assert name not in good or good[name] == path.read_bytes()
    # All but those in whose place there is a folder.
    assert len(good) >= len(objects(cache)) * 4 // 5


def test_two_processes_fill_a_cache_at_once(filled: tuple[Path, str], tmp_path: Path) -> None:
    cache, expected = filled
    both = [start(tmp_path), start(tmp_path)]
    assert {digest(process) for process in both} == {expected}
    names = [path.relative_to(tmp_path) for path in objects(tmp_path)]
    assert names == [path.relative_to(cache) for path in objects(cache)]
    assert digest(start(tmp_path, "warm")) == expected


def test_a_cache_that_is_no_folder(filled: tuple[Path, str], tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a folder")
    assert digest(start(place)) == filled[1]
    assert place.read_text() == "not a folder"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
def test_a_cache_that_cannot_be_made(filled: tuple[Path, str]) -> None:
    assert digest(start("/proc/neurona/objects")) == filled[1]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write to any folder"
)
def test_a_read_only_cache(filled: tuple[Path, str], tmp_path: Path) -> None:
    cache, expected = filled
    mine = copy_of(cache, tmp_path)
    folders = [mine, *[path for path in mine.rglob("*") if path.is_dir()]]
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert digest(start(mine)) == expected
    finally:
        for folder in folders:
            folder.chmod(0o755)


# --- within a process ---


def test_no_home_folder_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NEURONA_CACHE")
    monkeypatch.setattr(config.Path, "home", homeless)
    assert ne.compile(lambda x: x * 3 - 0.123)(2.0).item() == pytest.approx(5.877)


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch, object_cache: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = objects(object_cache)
    monkeypatch.setattr(native.os, "replace", full)
    assert ne.compile(lambda x: x * 3 - 0.321)(2.0).item() == pytest.approx(5.679)
    assert objects(object_cache) == before


def test_every_object_is_cached_once_for_equal_kernels(object_cache: Path) -> None:
    first = ne.compile(lambda x: x * 1.2345 + 7)
    first(2.0)
    before = objects(object_cache)
    ne.compile(lambda y: y * 1.2345 + 7)(3.0)
    assert objects(object_cache) == before
