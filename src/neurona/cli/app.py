"""The command line: its entry, and what every command has."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

import neurona
from neurona.cli.sections import Sections
from neurona.core.errors import NeuronaError

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""

app = typer.Typer(
    name="neurona",
    cls=Sections,
    help="Train, use and look at neural networks.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"neurona {neurona.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of all commands."""


def main() -> None:
    """Run the command line. A user's mistake is one message on stderr and exit code 2."""
    from neurona.cli import commands, data_commands  # noqa: F401  they enter themselves in `app`

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # "×" must not end a run where it cannot be shown
            stream.reconfigure(errors="replace")
    try:
        app()
    except NeuronaError as error:
        _fail("; ".join([str(error), *getattr(error, "__notes__", ())]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has had enough
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")
    except MemoryError:
        _fail("not enough memory; a smaller network or batch may fit")


def _fail(message: str) -> None:
    print(f"neurona: {message}", file=sys.stderr)
    sys.exit(2)
