"""`neurona data …`: the commands about data, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurona.cli.app import app
from neurona.cli.commands import LOOK
from neurona.cli.options import (
    DataArgument,
    DataDirOption,
    JsonOption,
    SetOption,
    complete_set,
)
from neurona.cli.sections import Sections

data = typer.Typer(cls=Sections, no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data", help="List, fetch, describe and show data.", rich_help_panel=LOOK)

SetName = Annotated[
    str, typer.Argument(metavar="NAME", help="A data set.", autocompletion=complete_set)
]


@data.command("list")
def list_sets(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the data sets that are known by name."""
    from neurona.cli.data import list_sets as show

    show(data_dir, as_json)


@data.command()
def fetch(name: SetName, data_dir: DataDirOption = None) -> None:
    """Download a data set, checked against its digest."""
    from neurona.cli.data import fetch as run

    run(name, data_dir)


@data.command()
def describe(
    data: DataArgument,
    changes: SetOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print sizes, classes and columns of data."""
    from neurona.cli.data import describe as show

    show(data, changes or [], data_dir, as_json)


@data.command()
def preview(
    data: DataArgument,
    changes: SetOption = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many samples.")] = 8,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a sheet of pictures, PNG.")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show some samples, as text or as a sheet of pictures."""
    from neurona.cli.preview import preview as show

    show(data, changes or [], count, output, data_dir)


@data.command()
def export(
    name: SetName,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder.")],
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="So many pictures; default: all.")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write pictures as PNG files, a folder for each class."""
    from neurona.cli.data import export as run

    run(name, folder, count, data_dir)
