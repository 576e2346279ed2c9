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
    assert "unknown case 'qqqqqq'. Known: alexnet, deep, gpt, gpt-long, gru, lenet," in text
    assert "did you mean" not in text


def test_too_many_threads() -> None:
    assert "10000 threads asked for" in error_of("train", "mlp", "--threads", "10000")


def test_no_rounds() -> None:
    assert "--rounds" in error_of("train", "mlp", "--rounds", "0")


def test_json_into_a_missing_folder(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "figures.json"
    assert "missing or not writable" in error_of("train", "mlp", "--json", str(target))


def test_help_lists_the_commands() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"TERM": "dumb"})
    assert result.exit_code == 0
    listed = re.findall(r"^[\s│]*(\w+)", result.output.partition("Commands")[2], re.MULTILINE)
    assert {"train", "ops", "infer", "generate", "loader"} <= set(listed)


def test_unknown_group_operation_and_network_give_the_nearest_name() -> None:
    assert "unknown group 'matmull'; did you mean 'matmul'?" in error_of("ops", "matmull")
    text = error_of("ops", "matmul/square-65")
    assert "unknown operation of matmul 'square-65'; did you mean 'square-64'?" in text
    assert "unknown network 'mpl'; did you mean 'mlp'?" in error_of("infer", "mpl")
    assert "unknown peer 'jax'" in error_of("ops", "matmul", "--peers", "torch,jax")


@pytest.mark.parametrize("sizes", ["0", "1,-2", "", "one", "1.5"])
def test_batch_sizes_are_whole_numbers_above_0(sizes: str) -> None:
    assert "must be whole numbers above 0" in error_of("infer", "mlp", f"--batch={sizes}")


def test_parse_peers() -> None:
    assert parse_peers("jax, torch", max_autotune=False) == [JAX, TORCH]
    assert parse_peers("", max_autotune=False) == []
    (tuned,) = parse_peers("torch-compile", max_autotune=True)
    assert tuned.variants == (*TORCH_COMPILE.variants, MAX_AUTOTUNE)
    with pytest.raises(ValueError, match="'jax' is named 2 times"):
        parse_peers("jax,jax", max_autotune=False)
