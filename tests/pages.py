"""Running the examples of a page of `docs/`."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def run_page(page: str) -> int:
    """Run the `pycon` blocks of a page as one session; return how many examples it has."""
    text = "\n".join(blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(text, {}, page, str(DOCS / page), 0)
    failed = doctest.DocTestRunner().run(test).failed
    assert failed == 0, f"{page}: {failed} examples did not give what is printed"
    return len(test.examples)
