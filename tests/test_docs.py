"""The fenced examples of the pages in `docs/` run as printed (for `data.md` see `tests/data`)."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(path for path in DOCS.glob("*.md") if path.name != "data.md")
EXAMPLES = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(EXAMPLES.findall(text))
    if not blocks:
        pytest.skip("no examples")
    test = doctest.DocTestParser().get_doctest(blocks, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0
    for target in re.findall(r"\]\(([^)#]+\.(?:md|svg|png))\)", text):
        assert target.startswith("http") or (DOCS / target).is_file(), f"{page.name} names {target}"
