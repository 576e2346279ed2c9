"""Running the examples of a page of `docs/`."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page, in order."""
    return _blocks(text_of(page), language)


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def run_page(page: str, text: str | None = None) -> int:
    """Run the `pycon` blocks of a page, or of `text` from it, in one go; count the examples."""
    source = "\n".join(_blocks(text_of(page) if text is None else text, "pycon"))
    test = doctest.DocTestParser().get_doctest(source, {}, page, str(DOCS / page), 0)
    failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed
    assert failed == 0, f"{page}: {failed} examples did not give what is printed"
    return len(test.examples)
