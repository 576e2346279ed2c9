"""The commands and their options; what they do is imported when one is called."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

import neurona
from neurona.core.errors import NeuronaError

TRAIN_HELP = """Train a network described in a TOML file, measure it, and save it.

CONFIG is a file, or one of the examples that come with Neurona: mnist-mlp, nielsen, digits.

A complete file:

\b
    seed = 0

\b
    [data]
    name = "digits"        # or "mnist", "birth_life_2010"
    split = [0.8, 0.1, 0.1]    # shares for training, validation and test
    divide_by = 16         # inputs / 16; or standardize = true

\b
    [network]
    layers = [
        { layer = "Flatten" },
        { layer = "Linear", out_features = 32 },
        { layer = "ReLU" },
        { layer = "Linear" },    # as many outputs as there are classes
    ]

\b
    [training]
    loss = "cross_entropy"     # the default for classes
    optimizer = { name = "Adam", learning_rate = 1e-3 }
    epochs = 20
    batch_size = 32

Ctrl-C ends the training after the step at work; what was learnt is saved.
"""

app = typer.Typer(
    name="neurona",
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


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for what is saved.")] = Path("neurona-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Initial weights, order, split.")] = 0,
) -> None:
    """Learn to read the handwritten digits that come with Neurona, in seconds."""
    from neurona.cli.demo import demo as run

    run(out, seed)


@app.command(help=TRAIN_HELP)
def train(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="TOML file or example.")],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value, as training.epochs=3."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder with the data sets; default: NEURONA_DATA.")
    ] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch a data set that is missing.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the model; default: runs/NAME.")
    ] = None,
) -> None:
    from neurona.cli.train import train as run

    run(config, changes=changes or [], data_dir=data_dir, download=download, out=out)


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a saved model.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="PNG or JPEG files.")],
) -> None:
    """Say what digit each picture shows, and how sure the network is."""
    from neurona.cli.predict import predict as say

    say(run, images)


@app.command()
def info() -> None:
    """Print versions, the processor and the folders in use."""
    from neurona.cli.info import info as show

    show()


def main() -> None:
    """Run the command line. A user's mistake is one message on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # "×" must not end a run where it cannot be shown
            stream.reconfigure(errors="replace")
    try:
        app()
    except NeuronaError as error:
        _fail(str(error))
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
