"""`python -m benchmarks`: bad arguments end in one clear error and exit code 2."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.peers import JAX, MAX_AUTOTUNE, TORCH, TORCH_COMPILE, parse_peers


def error_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 2, result.output
    return re.sub(r"\s+", " ", result.output.replace("│", " "))


def test_unknown_case_gives_the_nearest_name() -> None:
    text = error_of("train", "mpl")
    assert "unknown case 'mpl'; did you mean 'mlp'?" in text
    assert "nielsen" in text


def test_unknown_peer_gives_the_nearest_name() -> None:
    text = error_of("train", "mlp", "--peers", "torch,torch-compiled")
    assert "unknown peer 'torch-compiled'; did you mean 'torch-compile'?" in text


def test_name_far_from_all_gets_no_guess() -> None:
    text = error_of("train", "qqqqqq")
    assert "unknown case 'qqqqqq'. Known: logistic," in text
    assert "did you mean" not in text


def test_too_many_threads() -> None:
    assert "10000 threads asked for" in error_of("train", "mlp", "--threads", "10000")


def test_no_rounds() -> None:
    assert "--rounds" in error_of("train", "mlp", "--rounds", "0")


def test_json_into_a_missing_folder(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "figures.json"
    assert "missing or not writable" in error_of("train", "mlp", "--json", str(target))


def test_help_lists_only_what_works() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"TERM": "dumb"})
    assert result.exit_code == 0
    assert "train" in result.output
    assert "ops" not in re.findall(r"\w+", result.output.partition("Commands")[2])


def test_parse_peers() -> None:
    assert parse_peers("jax, torch", max_autotune=False) == [JAX, TORCH]
    assert parse_peers("", max_autotune=False) == []
    (tuned,) = parse_peers("torch-compile", max_autotune=True)
    assert tuned.variants == (*TORCH_COMPILE.variants, MAX_AUTOTUNE)
    with pytest.raises(ValueError, match="'jax' is named 2 times"):
        parse_peers("jax,jax", max_autotune=False)
