"""Draws the picture of `command_line.md`: what `neurona --help` prints.

python docs/draw_command_line.py [FOLDER]     (by default the folder of this file)
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from neurona.cli import commands, data_commands  # noqa: F401  they enter themselves in `app`
from neurona.cli.app import app

WIDTH = 80


def help_text() -> str:
    """The help as on a terminal of 80 columns."""
    environment = {"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)}
    return CliRunner().invoke(app, ["--help"], prog_name="neurona", env=environment).stdout


def svg(text: str) -> str:
    """The text in a window, headings and names of commands and options in colours."""
    shown = Text(f"$ neurona --help\n{text.rstrip()}")
    shown.highlight_regex(r"(?m)^\$ .*$", "bold white")
    shown.highlight_regex(r"(?m)^\S.*:$", "bold yellow")
    shown.highlight_regex(r"(?m)^Usage:", "bold yellow")
    shown.highlight_regex(r"(?m)^  [a-z]+(?=  )", "bold cyan")
    shown.highlight_regex(r"(?<![\w-])--?[a-z][a-z-]*", "green")
    console = Console(record=True, width=WIDTH + 2, file=io.StringIO(), force_terminal=True)
    console.print(shown)
    # The fonts of the page that shows it: a picture that needs no other server.
    frame = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    frame = frame.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    return console.export_svg(title="neurona", code_format=frame, unique_id="neurona")


def main(folder: Path) -> None:
    """Write the picture."""
    (folder / "command_line.svg").write_text(svg(help_text()), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
