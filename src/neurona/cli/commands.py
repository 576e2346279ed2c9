"""The commands and their options; what they do is imported when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurona.cli.app import app
from neurona.cli.options import (
    ConfigArgument,
    DataDirOption,
    DescribedArgument,
    DownloadOption,
    JsonOption,
    RunArgument,
    SetOption,
)

LEARN, USE, LOOK = "Learn", "Use", "Look"

TRAIN_HELP = """Train a network described in a TOML file.

CONFIG is a file, or one of the examples that come with Neurona: adult, alexnet, digits, lenet,
mnist-mlp, nielsen, pictures, shakespeare-gpt, shakespeare-lstm, vit.

A complete file:

\b
    seed = 0

\b
    [data]
    name = "digits"            # or "mnist", "birth_life_2010"
    split = [0.8, 0.1, 0.1]    # shares for training, validation and test
    divide_by = 16             # inputs / 16; or standardize = true

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


@app.command(rich_help_panel=LEARN)
def demo(
    out: Annotated[Path, typer.Option(help="Folder for what is saved.")] = Path("neurona-demo"),
    seed: Annotated[int, typer.Option(min=0, help="Initial weights, order, split.")] = 0,
) -> None:
    """Learn to read handwritten digits, in seconds."""
    from neurona.cli.demo import demo as run

    run(out, seed)


@app.command(help=TRAIN_HELP, rich_help_panel=LEARN)
def train(
    config: ConfigArgument,
    changes: SetOption = None,
    data_dir: DataDirOption = None,
    download: DownloadOption = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run; default: runs/NAME.")
    ] = None,
) -> None:
    from neurona.cli.train import train as run

    run(config, changes=changes or [], data_dir=data_dir, download=download, out=out)


@app.command(rich_help_panel=LEARN)
def resume(
    run: RunArgument,
    changes: SetOption = None,
    data_dir: DataDirOption = None,
    download: DownloadOption = False,
) -> None:
    """Go on with a run that was interrupted.

    The end is the same to the bit as if it had never stopped. A run that is finished goes on with
    more epochs: --set training.epochs=40.
    """
    from neurona.cli.resume import resume as go_on

    go_on(run, changes or [], data_dir, download)


@app.command(rich_help_panel=USE)
def predict(
    run: RunArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="PNG, JPEG or CSV.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a CSV file instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a trained network makes of files.

    A picture gets its class and how sure the network is, a CSV file a class or a number a row.
    """
    from neurona.cli.predict import predict as say

    say(run, files, output, as_json)


@app.command(rich_help_panel=USE)
def generate(
    run: RunArgument,
    prompt: Annotated[
        str | None,
        typer.Option(help="What the text begins with; default: a new line, or the first token."),
    ] = None,
    length: Annotated[int, typer.Option(min=0, help="Tokens to add.")] = 500,
    temperature: Annotated[
        float, typer.Option(min=0, help="Below 1: the likelier; 0: always the likeliest.")
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Choose among the k likeliest tokens.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Choose among the likeliest with this share together.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws.")] = 0,
) -> None:
    """Let a language model go on with a text.

    It prints as it writes.
    """
    from neurona.cli.generate import generate as write

    write(
        run,
        prompt,
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )


@app.command(rich_help_panel=USE)
def evaluate(
    run: RunArgument,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="CSV, or a folder of pictures; else the run's."),
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Of the run's data: training, validation or test.")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a trained network where the answers are known."""
    from neurona.cli.evaluate import evaluate as measure

    measure(run, files or [], part, data_dir, as_json)


@app.command(rich_help_panel=LOOK)
def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of runs.")] = Path(
        "runs"
    ),
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(help="Show what differs between two runs.", metavar="RUN RUN"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the comparison as an HTML file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List past runs, or compare two."""
    from neurona.cli.runs import runs as show

    show(folder, compare, output, as_json)


@app.command(rich_help_panel=LOOK)
def report(
    run: RunArgument,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write a run's report anew, one HTML file."""
    from neurona.cli.report import report as write

    write(run, show)


@app.command(rich_help_panel=LOOK)
def graph(
    described: DescribedArgument,
    changes: SetOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Draw the graph into this SVG file.")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Print a network's layers, or draw its graph."""
    from neurona.cli.graph import graph as show

    show(described, changes=changes or [], output=output, data_dir=data_dir)


@app.command(rich_help_panel=LOOK)
def explain(
    described: DescribedArgument,
    changes: SetOption = None,
    step: Annotated[
        str, typer.Option(help="Which program: train, test or predict.", metavar="STEP")
    ] = "train",
    kernel: Annotated[
        int | None, typer.Option(min=0, help="Show loops, LLVM and assembly of this kernel.")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what the compiler makes of a step.

    The graph, the kernels with their times, the memory; one kernel down to machine code.
    """
    from neurona.cli.explain import explain as show

    show(
        described,
        changes=changes or [],
        step=step,
        kernel=kernel,
        data_dir=data_dir,
        as_json=as_json,
    )


@app.command(rich_help_panel=LOOK)
def info(as_json: JsonOption = False) -> None:
    """Print versions, the processor and folders in use."""
    from neurona.cli.info import info as show

    show(as_json)
