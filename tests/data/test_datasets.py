"""The named data sets: found, checked, downloaded whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from neurona.core.errors import ArgumentError, DataError
from neurona.data import (
    DATASETS,
    Table,
    adult,
    birth_life_2010,
    datasets,
    digits,
    fetch,
    load,
    mnist,
    write_idx,
)


def test_digits_are_those_of_scikit_learn() -> None:
    sklearn_datasets = pytest.importorskip("sklearn.datasets")
    theirs, ours = sklearn_datasets.load_digits(), digits()
    np.testing.assert_array_equal(ours.inputs, theirs.images)
    np.testing.assert_array_equal(ours.targets, theirs.target)


def test_digits() -> None:
    data = digits()
    assert (data.inputs.shape, data.inputs.dtype.name) == ((1797, 8, 8), "uint8")
    assert (data.targets.shape, data.targets.dtype.name) == ((1797,), "int64")
    assert data.inputs.max() == 16
    assert np.bincount(data.targets).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.classes == tuple("0123456789")


def test_load_by_name() -> None:
    assert list(load("digits")) == ["all"]
    assert {"digits", "mnist", "adult"} < set(DATASETS)
    with pytest.raises(ArgumentError, match=r"'mnsit'; did you mean 'mnist'\? \(known: digits"):
        load("mnsit")


def test_real_mnist(data_folder: Path) -> None:
    parts = load("mnist", data_dir=data_folder)
    assert list(parts) == ["train", "test"]
    train, test = parts["train"], parts["test"]
    assert train.inputs.shape == (60000, 28, 28)
    assert test.inputs.shape == (10000, 28, 28)
    assert train.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(test.targets).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
    # the figures that everyone normalises MNIST with
    assert train.inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.inputs.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_real_birth_life(data_folder: Path, tmp_path: Path) -> None:
    data = birth_life_2010(data_folder)
    assert data.inputs.shape == data.targets.shape == (190, 1)
    assert data.axes["country"][:2] == ("Vietnam", "Vanuatu")  # type: ignore[index]
    assert (data.inputs[0, 0], data.targets[0, 0]) == (1.822, 74.828243902)
    slope, offset = np.polyfit(data.inputs[:, 0], data.targets[:, 0], 1)
    assert (round(slope, 4), round(offset, 4)) == (-5.7188, 85.7135)


def test_real_adult(data_folder: Path) -> None:
    if not (data_folder / "adult").is_dir():
        pytest.skip("no adult.data")
    train, test = load("adult", data_dir=data_folder).values()
    assert isinstance(train, Table)
    assert isinstance(test, Table)
    assert (len(train), len(test)) == (32561, 16281)
    assert train.columns == test.columns
    assert list(train.kinds.values()).count("numeric") == 6
    for part, rich, women, gaps in ((train, 7841, 10771, 2399), (test, 3846, 5421, 1221)):
        assert part.target == "income"
        assert set(part["income"]) == {"<=50K", ">50K"}
        assert (part["income"] == ">50K").sum() == rich
        assert (part["sex"] == "Female").sum() == women
        assert np.any([part.missing(name) for name in part.columns], axis=0).sum() == gaps
    assert (train.place(0), test.place(0)) == ("adult-train:1", "adult-test:2")


@pytest.fixture
def small_adult(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two short files that carry Adult's names, and the table that knows them."""
    folder = tmp_path / "census" / "adult"
    folder.mkdir(parents=True)
    row = "39, ?, 77516, Masters, 14, Divorced, Sales, Wife, White, Female, 0, 0, 40, Cuba, "
    contents = {
        "adult.data": f"{row}<=50K\n{row}>50K\n\n",
        "adult.test": f"|1x3 Cross validator\n{row}>50K.\n\n",
    }
    for name, content in contents.items():
        (folder / name).write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        monkeypatch.setitem(datasets._ADULT, name, digest)
    return folder


@pytest.mark.parametrize("inside", ["", "adult"])
def test_every_layout_of_adult_is_found(small_adult: Path, tmp_path: Path, inside: str) -> None:
    target = tmp_path / "copy" / inside
    target.mkdir(parents=True)
    (target / "adult.data").write_bytes((small_adult / "adult.data").read_bytes())
    test = (small_adult / "adult.test").read_bytes()
    (target / "adult.test.gz").write_bytes(gzip.compress(test))
    train, test_part = adult(tmp_path / "copy")
    assert train["income"].tolist() == ["<=50K", ">50K"]
    assert test_part["income"].tolist() == [">50K"]
    assert test_part["age"].tolist() == [39]
    assert test_part.missing("workclass").all()


def test_adult_is_downloaded_when_asked_for(
    small_adult: Path, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror.folder = small_adult
    addresses = tuple(f"{mirror.address}/{manner}/" for manner in ("gone", "short", "good"))
    monkeypatch.setattr(datasets, "ADULT_MIRRORS", addresses)
    with pytest.raises(DataError, match=r"adult\.data\[\.gz\]: not found in .*download=True"):
        adult(tmp_path / "new")
    assert mirror.requests == []
    assert [len(part) for part in adult(tmp_path / "new", download=True)] == [2, 1]
    assert len(mirror.requests) == 6
    adult(tmp_path / "new", download=True)
    assert len(mirror.requests) == 6
    path = tmp_path / "new" / "adult" / "adult.data"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"adult\.data: wrong checksum: expected sha256"):
        adult(tmp_path / "new", download=True)


def test_damaged_birth_life(tmp_path: Path) -> None:
    path = tmp_path / "birth_life_2010.txt"
    header = "Country\tBirth rate\tLife expectancy\n"
    rows = [f"C{k}\t{k % 7}.5\t{50 + k % 30}\n" for k in range(190)]
    path.write_text(header + "".join(rows))
    assert len(load("birth_life_2010", data_dir=tmp_path)["all"]) == 190
    for content, message in [
        ("", "line 1: expected the header .* found 'an empty file'"),
        ("A,B,C\n", "line 1: expected the header .* found 'A,B,C'"),
        (header + rows[0] + "X\t1\n", r"line 3: expected a name and two numbers .*found 'X\\t1'"),
        (header + "X\t1\tmany\n", "line 2: expected a name and two numbers"),
        (header + "X\t1\t2\t3\n", "line 2: expected a name and two numbers"),
        (header + "".join(rows[:100]), "expected 190 countries, found 100"),
        (header + "".join(rows[:-1]) + "Z\tnan\t1\n", r"holds nan at country 189 \('Z'\)"),
    ]:
        path.write_text(content)
        with pytest.raises(DataError, match=message):
            birth_life_2010(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"birth_life_2010\.txt: cannot be read as text"):
        birth_life_2010(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match=r"not found in .*set NEURONA_DATA"):
        birth_life_2010(tmp_path)


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four small files that carry MNIST's names, and the table that knows them."""
    folder = tmp_path / "origin"
    folder.mkdir()
    table = {}
    for part, prefix, length in (("train", "train", 6), ("test", "t10k", 4)):
        images = np.arange(length * 4, dtype=np.uint8).reshape(length, 2, 2)
        labels = np.arange(length, dtype=np.uint8)
        files = []
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            name = f"{prefix}-{kind}-ubyte"
            write_idx(folder / f"{name}.gz", array)
            content = gzip.decompress((folder / f"{name}.gz").read_bytes())
            files.append(datasets._IdxFile(name, hashlib.sha256(content).hexdigest()))
        table[part] = tuple(files)
    monkeypatch.setattr(datasets, "_MNIST", table)
    return folder


@pytest.mark.parametrize("inside", ["", "mnist"])
@pytest.mark.parametrize("ending", [".gz", ""])
@pytest.mark.parametrize("dotted", [False, True])
def test_every_layout_is_found(
    tmp_path: Path, small_mnist: Path, inside: str, ending: str, dotted: bool
) -> None:
    target = tmp_path / "copy" / inside
    target.mkdir(parents=True)
    for file in small_mnist.iterdir():
        content = file.read_bytes() if ending else gzip.decompress(file.read_bytes())
        name = file.stem.replace("-idx", ".idx") if dotted else file.stem
        (target / f"{name}{ending}").write_bytes(content)
    train, test = mnist(tmp_path / "copy")
    assert (len(train), len(test)) == (6, 4)
    assert train.targets.tolist() == list(range(6))


def test_the_folder_of_the_environment(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURONA_DATA", str(small_mnist))
    assert len(load("mnist")["test"]) == 4


def test_missing_and_damaged_files_are_named(small_mnist: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\[\.gz\]: not found in .*NEURONA"):
        mnist(tmp_path / "nowhere")
    path = small_mnist / "t10k-labels-idx1-ubyte.gz"
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: truncated"):
        mnist(small_mnist)
    other = bytearray(gzip.decompress(good))
    other[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(other)))
    with pytest.raises(DataError, match=r"t10k-labels.*wrong checksum: expected sha256 .* found"):
        mnist(small_mnist)
    path.write_bytes(gzip.compress(b"<html>not found</html>"))
    with pytest.raises(DataError, match=r"t10k-labels.*not an IDX file"):
        mnist(small_mnist)


class Mirror:
    """A local server whose paths choose how it behaves: good, gone, short, wrong, endless, slow."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[str] = []
        self.folder = folder
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.requests.append(self.path)
                _, manner, name = self.path.split("/")
                content = (mirror.folder / name).read_bytes()
                if manner == "gone":
                    self.send_error(404)
                    return
                if manner == "slow":
                    mirror.stop.wait(10)
                    return
                self.send_response(200)
                if manner == "wrong":
                    content = gzip.compress(b"\0\0\x08\x01\0\0\0\x01\x07")
                if manner != "endless":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if manner == "endless":
                    content *= 20_000
                self.wfile.write(content[:-3] if manner == "short" else content)

            def log_message(self, format: str, *args: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the client hangs up on too much
                    super().handle()

        self.stop = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror(small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # urllib keeps the proxies of its first use for the whole process
    monkeypatch.setattr(urllib.request, "_opener", None)
    server = Mirror(small_mnist)
    yield server
    server.close()


def use(monkeypatch: pytest.MonkeyPatch, mirror: Mirror, *manners: str) -> None:
    addresses = tuple(f"{mirror.address}/{manner}/" for manner in manners)
    monkeypatch.setattr(datasets, "MNIST_MIRRORS", addresses)


def test_nothing_is_downloaded_unasked(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, mirror, "good")
    with pytest.raises(DataError, match="download=True"):
        mnist(tmp_path / "new")
    assert mirror.requests == []
    assert not (tmp_path / "new").exists()


def test_download_tries_the_mirrors_in_turn(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, mirror, "gone", "short", "wrong", "good")
    train, _ = load("mnist", data_dir=tmp_path / "new", download=True).values()
    assert train.targets.tolist() == list(range(6))
    kept = sorted(path.name for path in (tmp_path / "new" / "mnist").iterdir())
    assert kept == sorted(path.name for path in (tmp_path / "origin").iterdir())
    assert len(mirror.requests) == 16
    mnist(tmp_path / "new", download=True)  # what is there is not fetched again
    assert len(mirror.requests) == 16
    (tmp_path / "new" / "mnist" / kept[0]).unlink()
    mnist(tmp_path / "new", download=True)
    assert len(mirror.requests) == 20


def test_a_failed_download_says_why_and_leaves_nothing(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(datasets, "_MNIST_LARGEST", 100_000)
    use(monkeypatch, mirror, "gone", "short", "wrong", "endless", "slow")
    with pytest.raises(DataError) as caught:
        mnist(tmp_path / "new", download=True)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("train-images-idx3-ubyte.gz: could not be downloaded to ")
    expected = ["404", "broke off|truncated|IncompleteRead", "truncated|too long|checksum"]
    expected += ["more than the 100000 bytes", "timed out"]
    for line, manner, why in zip(
        lines[1:6], ("gone", "short", "wrong", "endless", "slow"), expected, strict=True
    ):
        assert f"/{manner}/train-images" in line
        assert any(reason in line for reason in why.split("|")), line
    assert "by hand" in lines[-1]
    assert list((tmp_path / "new" / "mnist").iterdir()) == []


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, mirror, "good")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot make the folder"):
        mnist(tmp_path / "file", download=True)
    assert mirror.requests == []
