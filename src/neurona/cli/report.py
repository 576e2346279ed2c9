"""`neurona report`."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from neurona.report import html


def report(run: Path, show: bool) -> None:
    """Write the report of a run anew, and open it in a browser."""
    path = html.write(run)
    print(path)
    if show:
        webbrowser.open(path.resolve().as_uri())
