"""Arguments and options that several commands have, so that they are called and completed alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = Path(__file__).parent / "examples"


def example_names() -> list[str]:
    """The configurations that come with Neurona."""
    return sorted(path.stem for path in EXAMPLES.glob("*.toml"))


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, or a saved model."""
    return (folder / "run.json").is_file() or (folder / "model.json").is_file()


# --- what the shell offers ---


def _paths(incomplete: str, *endings: str) -> list[str]:
    """Folders, and files with one of the endings, that begin with what was typed."""
    typed = Path(incomplete)
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    if not folder.is_dir():
        return []
    beside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    fits = [p for p in beside if p.is_dir() or p.suffix.lower() in endings]
    shown = [f"{path}/" if path.is_dir() else str(path) for path in fits]
    return [path for path in shown if path.startswith(incomplete)]


def complete_config(incomplete: str) -> list[str]:
    """Examples, and TOML files."""
    names = [name for name in example_names() if name.startswith(incomplete)]
    return names + _paths(incomplete, ".toml")


def complete_run(incomplete: str) -> list[str]:
    """Folders of runs, those in runs/ first."""
    runs = [str(path) for path in sorted(Path("runs").glob("*")) if is_run(path)]
    here = [path for path in _paths(incomplete) if path.rstrip("/") not in ("runs", *runs)]
    return [path for path in runs if path.startswith(incomplete)] + here


def complete_described(incomplete: str) -> list[str]:
    """Configurations and folders of runs."""
    return list(dict.fromkeys(complete_config(incomplete) + complete_run(incomplete)))


def complete_data(incomplete: str) -> list[str]:
    """Data sets, configurations and data files."""
    return complete_set(incomplete) + _paths(incomplete, ".toml", ".csv", ".data", ".npz", ".gz")


def complete_set(incomplete: str) -> list[str]:
    """Data sets by name."""
    from neurona.data.datasets import DATASETS

    return [name for name in DATASETS if name.startswith(incomplete)]


# --- arguments ---

ConfigArgument = Annotated[
    str,
    typer.Argument(metavar="CONFIG", help="TOML file or example.", autocompletion=complete_config),
]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder of a run.", autocompletion=complete_run)
]
DescribedArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG|RUN",
        help="TOML file, example, or folder of a run.",
        autocompletion=complete_described,
    ),
]
DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Name of a data set, TOML file, or data file.",
        autocompletion=complete_data,
    ),
]

# --- options ---

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value, as training.epochs=3."),
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Folder with the data sets; default: NEURONA_DATA.")
]
DownloadOption = Annotated[bool, typer.Option("--download", help="Fetch a data set if missing.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
