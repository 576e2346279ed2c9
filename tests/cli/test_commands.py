"""The other commands, and what a user's mistakes lead to: one line, exit code 2, no traces."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neurona
from neurona import data
from neurona.data.datasets import load
from neurona.train.model import Model

from .conftest import Run, program

TINY = """\
[data]
name = "digits"
divide_by = 16
split = [0.8, 0, 0.2]

[network]
layers = [{ layer = "Flatten" }, { layer = "Linear", in_features = 64, out_features = 10 }]

[training]
loss = "cross_entropy"
optimizer = { name = "Adam", learning_rate = 0.01 }
epochs = 3
"""


@pytest.fixture
def tiny(folder: Path) -> Path:
    path = folder / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- train ---


def test_train_and_predict(run: Run, tiny: Path, folder: Path) -> None:
    done = run("train", "tiny.toml")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny: 1,438 samples to learn from, 359 for the test, seed 0"
    assert lines[1] == "network: 650 parameters, Adam"
    assert lines[2].startswith("epoch 1/3  loss ")
    assert lines[-3].startswith("test: loss ")
    assert lines[-2:] == [
        "kept in runs/tiny, report in runs/tiny/report.html",
        "next: neurona predict runs/tiny FILE",
    ]
    accuracy = float(lines[-3].rpartition(" ")[2])
    parts = data.split(data.digits(), (0.8, 0.2), stratify=data.digits().targets)
    scores = Model.load(folder / "runs" / "tiny").evaluate(*parts[1].arrays)
    assert scores["accuracy"] == pytest.approx(accuracy, abs=5e-5)


def test_options_of_train(run: Run, tiny: Path, folder: Path) -> None:
    run("train", "tiny.toml", "--set", "training.epochs=1", "--set", "seed=5", "--out", "a")
    again = run("train", "tiny.toml", "--set", "training.epochs=1", "--set", "seed=5", "--out", "b")
    run("train", "tiny.toml", "--set", "training.epochs=1", "--set", "seed=6", "--out", "c")
    assert "seed 5" in again.stdout
    assert "epoch 1/1" in again.stdout
    a, b, c = ((folder / name / "weights.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    run("train", "tiny.toml", "--set", "training.epochs=1")
    second = run("train", "tiny.toml", "--set", "training.epochs=1")
    assert "kept in runs/tiny-2" in second.stdout


# --- predict ---


def picture_of(digit: np.ndarray, path: Path) -> Path:
    Image.fromarray((255 - digit.astype(int) * 255 // 16).astype(np.uint8)).save(path)
    return path


def test_predict_several_pictures(run: Run, demo_run: tuple[Path, str], folder: Path) -> None:
    digits = data.digits()
    paths = [picture_of(digits.inputs[i], folder / f"p{i}.png") for i in range(6)]
    done = run("predict", demo_run[0] / "neurona-demo", *[path.name for path in paths])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    model = Model.load(demo_run[0] / "neurona-demo")
    full = digits.inputs[:6] * (16 / digits.inputs[:6].max(axis=(1, 2), keepdims=True))
    shares = model.predict(full.round().astype(np.uint8), probabilities=True)
    said = [line.split()[1] for line in lines]
    assert said == [digits.classes[c] for c in shares.argmax(axis=1)]
    assert said[:5] == ["0", "1", "2", "3", "4"]
    assert f"({100 * shares[0].max():.1f} %)" in lines[0]


# --- info and the rest ---


def test_predict_into_a_folder_that_is_missing(
    run: Run, demo_run: tuple[Path, str], folder: Path
) -> None:
    picture = Image.new("L", (8, 8), 255)
    picture.putpixel((4, 4), 0)
    picture.save(folder / "a.png")
    done = run("predict", demo_run[0] / "neurona-demo", folder / "a.png", "-o", "none/out.csv")
    assert done.returncode == 2
    assert done.stderr == "neurona: none/out.csv: there is no folder none; make it first\n"


def test_info(run: Run) -> None:
    done = run("info", NEURONA_THREADS="1", NEURONA_CACHE="/nowhere/objects")
    assert done.returncode == 0, done.stderr
    for text in (
        f"neurona       {neurona.__version__}",
        f"numpy {np.__version__}",
        "threads       1 of ",
        "/nowhere/objects, not made yet (NEURONA_CACHE)",
        "float32 lanes",
    ):
        assert text in done.stdout


def test_help_and_version(run: Run) -> None:
    assert run("--version").stdout == f"neurona {neurona.__version__}\n"
    shown = run("--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in ("demo", "train", "predict", "info"))
    assert run().returncode == 2
    assert "Usage" in run().stdout + run().stderr


def test_the_file_in_the_help_works(run: Run, folder: Path) -> None:
    shown = run("train", "--help", COLUMNS="100").stdout
    block = shown[shown.index("seed = 0") : shown.index("Ctrl-C ends")]
    (folder / "help.toml").write_text(block, encoding="utf-8")
    done = run("train", "help.toml")
    assert done.returncode == 0, done.stderr
    accuracy = float(next(x for x in done.stdout.splitlines() if x[:4] == "test").split()[-1])
    assert accuracy > 0.9


def test_interrupted_before_training(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neurona.data.load", interrupt)
    done = run("train", "digits")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_help_comes_at_once(tmp_path: Path) -> None:
    """In seconds of processor time, which other programs do not change; with byte code on disk."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    program = (
        "import sys, time, atexit; sys.argv = ['neurona', '--help']; "
        "atexit.register(lambda: print(time.process_time(), file=sys.stderr)); "
        "from neurona.cli import main; main()"
    )
    times = []
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        times.append(float(done.stderr))
    assert min(times[1:]) <= 0.35, times


def test_importing_the_command_is_light() -> None:
    program = (
        "import sys, neurona.cli.commands, neurona.cli.data_commands; "
        "heavy = {'matplotlib', 'rich', 'llvmlite', 'msgspec', 'safetensors', 'PIL', "
        "'neurona.nn', 'neurona.train', 'neurona.compiler'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# --- mistakes ---


def copy_mnist(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in (source / "mnist").iterdir():
        shutil.copy(path, target)
    return target


def test_missing_data(run: Run, folder: Path) -> None:
    done = run("train", "mnist-mlp")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("neurona: train-images-idx3-ubyte[.gz]: not found in ")
    assert "--data-dir" in done.stderr
    assert done.stderr.count("\n") == 1
    assert tree(folder) == []


@pytest.mark.parametrize("damage", ["truncated", "wrong checksum"])
def test_damaged_data(run: Run, folder: Path, data_folder: Path, damage: str) -> None:
    place = copy_mnist(data_folder, folder.parent / "mnist-copy")
    path = place / "t10k-labels-idx1-ubyte.gz"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[5000] = (content[5000] + 1) % 10
        path.write_bytes(gzip.compress(bytes(content)))
    done = run("train", "nielsen", "--data-dir", place)
    assert done.returncode == 2
    assert done.stderr.startswith(f"neurona: {path}: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert tree(folder) == []


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no config": (["train", "mnist-mpl"], "did you mean 'mnist-mlp'?"),
    "unknown key": (["train", "key.toml"], "key.toml:2: data: unknown key 'nmae'; did you mean"),
    "unknown layer": (["train", "layer.toml"], "network.layers[1]: unknown layer 'Linaer'"),
    "wrong shape": (["train", "shape.toml"], "last axis of x (2, 64) must be in_features 63"),
    "few outputs": (
        ["train", "few.toml"],
        "few.toml:7: network.layers: the last layer gives 5 outputs, 10 classes",
    ),
    "out is a file": (["train", "tiny.toml", "--out", "tiny.toml"], "tiny.toml: is a file"),
    "no run": (["predict", "none", "p.png"], "none/model.json: no such file and no such folder"),
    "no picture": (["predict", "RUN", "none.png"], "none.png: no such file"),
    "no digit": (["predict", "RUN", "white.png"], "the picture looks blank"),
    "not a picture": (["predict", "RUN", "tiny.toml"], "tiny.toml: not a PNG or JPEG picture"),
    "broken json": (["predict", "JSON", "p.png"], "model.json: damaged, not JSON"),
    "broken weights": (["predict", "WEIGHTS", "p.png"], "damaged, or not the weights"),
    "foreign run": (["predict", "FOREIGN", "p.png"], "not a model of Neurona"),
}
CONFIGS = {
    "key.toml": TINY.replace("name =", "nmae =", 1),
    "layer.toml": TINY.replace("Linear", "Linaer"),
    "shape.toml": TINY.replace("64", "63"),
    "few.toml": TINY.replace("out_features = 10", "out_features = 5"),
    "rate.toml": TINY.replace('"Adam", learning_rate = 0.01', '"SGD", learning_rate = 1e38'),
    "tiny.toml": TINY,
}


@pytest.fixture
def mistakes(folder: Path, demo_run: tuple[Path, str]) -> Path:
    """A folder with all that the mistakes need."""
    for name, text in CONFIGS.items():
        (folder / name).write_text(text, encoding="utf-8")
    good = demo_run[0] / "neurona-demo"
    damages: dict[str, Callable[[Path], object]] = {
        "RUN": lambda run: None,
        "JSON": lambda run: (run / "model.json").write_bytes(b'{"format": "neurona-mo'),
        "WEIGHTS": lambda run: (run / "weights.safetensors").write_bytes(b"x" * 1000),
        "FOREIGN": lambda run: (run / "model.json").write_text(json.dumps({"config": 1})),
    }
    for name, damage in damages.items():
        shutil.copytree(good, folder / name)
        damage(folder / name)
    picture_of(data.digits().inputs[0], folder / "p.png")
    picture_of(np.zeros((8, 8), np.uint8), folder / "white.png")
    return folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_trace(run: Run, mistakes: Path, name: str) -> None:
    arguments, message = MISTAKES[name]
    before = tree(mistakes)
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("neurona: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert tree(mistakes) == before


def test_a_run_that_fails_keeps_what_was_learnt(run: Run, mistakes: Path) -> None:
    done = run("train", "rate.toml")
    assert done.returncode == 2
    assert "the loss is not finite, so nothing was changed" in done.stderr
    assert done.stderr.endswith("; what was learnt is kept in runs/rate\n")
    assert done.stderr.count("\n") == 1
    assert json.loads((mistakes / "runs/rate/run.json").read_bytes())["status"] == "failed"


def test_a_mistake_in_the_environment(folder: Path) -> None:
    done = program("demo", NEURONA_THREADS="many")
    assert done.returncode == 2
    assert done.stderr.startswith("neurona: NEURONA_THREADS: must be a whole number")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_without_permission(run: Run, tiny: Path, folder: Path) -> None:
    (folder / "closed").mkdir(mode=0o500)
    done = run("train", "tiny.toml", "--out", "closed/run")
    assert done.returncode == 2
    assert "closed: cannot be written to" in done.stderr


def test_unknown_options_and_commands(run: Run) -> None:
    for arguments in (["trian"], ["train", "digits", "--epoch", "3"], ["train"], ["predict", "x"]):
        done = run(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_reader_that_stops_early() -> None:
    program = "from neurona.cli import main; main()"
    done = subprocess.run(
        f'{sys.executable} -c "{program}" info | head -c 10',
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "neurona   "
    assert "Traceback" not in done.stderr


# --- the long runs of the examples ---


@pytest.mark.slow
def test_nielsen(run: Run, data_folder: Path) -> None:
    scores = []
    for seed in range(3):
        done = run(
            "train",
            "nielsen",
            "--data-dir",
            data_folder,
            "--set",
            f"seed={seed}",
            "--out",
            str(seed),
        )
        assert done.returncode == 0, done.stderr
        scores.append(_accuracy(done.stdout))
    assert float(np.median(scores)) >= 0.95, scores


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_mnist_mlp(run: Run, data_folder: Path, folder: Path) -> None:
    done = run("train", "mnist-mlp", "--data-dir", data_folder, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert _accuracy(done.stdout) >= 0.982
    # And it reads a picture of a test digit, written as a user would draw it: dark on white.
    from PIL import Image

    test = load("mnist", data_dir=data_folder)["test"]
    Image.fromarray(255 - test.inputs[0]).save(folder / "seven.png")
    assert run("predict", "run", "seven.png").stdout.startswith("seven.png  7 (")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_lenet(run: Run, data_folder: Path) -> None:
    """LeNet-5 (ReLU) on MNIST: at least 99.0 % in ten epochs, the median of three seeds."""
    scores = []
    for seed in ("0", "1", "2"):
        options = ("--data-dir", data_folder, "--set", f"seed={seed}", "--out", seed)
        done = run("train", "lenet", *options)
        assert done.returncode == 0, done.stderr
        scores.append(_accuracy(done.stdout))
    assert float(np.median(scores)) >= 0.99, scores


def _accuracy(said: str) -> float:
    line = next(line for line in said.splitlines() if line.startswith("test: "))
    return float(line.rpartition("accuracy ")[2])
