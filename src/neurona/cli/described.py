"""What a command is given: a configuration, an example, or a run with its own configuration."""

from __future__ import annotations

from pathlib import Path

from neurona.cli.options import EXAMPLES, example_names, is_run
from neurona.core.errors import ArgumentError, nearest
from neurona.train.experiment import ConfigFile, read_config
from neurona.train.run_folder import CONFIG


def config_path(name: str) -> Path:
    """The file of an example, or the file itself. Raises `ArgumentError` with the nearest name."""
    known = example_names()
    if name in known:
        return EXAMPLES / f"{name}.toml"
    path = Path(name)
    if not path.is_file():
        raise ArgumentError(
            f"{name!r} is no file and no example{nearest(name, known)} "
            f"(examples: {', '.join(known)})"
        )
    return path


def run_config(folder: Path, changes: list[str]) -> ConfigFile:
    """The configuration that a run was trained with. Raises `ArgumentError` if it has none."""
    if not is_run(folder):
        what = "no run or saved model in it" if folder.is_dir() else "no such folder"
        raise ArgumentError(f"{folder}: {what}")
    if not (folder / CONFIG).is_file():
        raise ArgumentError(
            f"{folder}: holds no {CONFIG}, so its data are not known; it was not made by "
            "`neurona train`"
        )
    return read_config(folder / CONFIG, changes)


def config_of(described: str, changes: list[str]) -> tuple[ConfigFile, Path | None]:
    """The configuration of a file, an example or a run, and the folder of the run if it is one."""
    folder = Path(described)
    if described not in example_names() and folder.is_dir():
        return run_config(folder, changes), folder
    return read_config(config_path(described), changes), None
