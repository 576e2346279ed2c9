"""`examples/optimiser_paths.py`: what the picture of `docs/optimisers.md` shows is so."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path
from typing import Any

import pytest

from neurona import optim

from ..pages import DOCS, text_of

EXAMPLE = DOCS.parent / "examples" / "optimiser_paths.py"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any, Path]:
    """The example's names, the paths it gives, and the picture it draws."""
    names = runpy.run_path(str(EXAMPLE))
    picture = tmp_path_factory.mktemp("paths") / "optimisers.png"
    return names, names["main"](str(picture)), picture


def test_every_optimiser_is_shown(drawn: Any) -> None:
    kinds = {
        kind
        for _, kind in inspect.getmembers(optim, inspect.isclass)
        if issubclass(kind, optim.Optimizer) and kind is not optim.Optimizer
    }
    assert {rule[0] for rule in drawn[0]["RULES"].values()} == kinds


def test_every_path_goes_down(drawn: Any) -> None:
    names, found, _ = drawn
    for surface in names["SURFACES"]:
        for rule in names["RULES"]:
            route = found[surface.name, rule]
            assert len(route) == surface.steps + 1
            assert surface.height(*route[-1]) < surface.height(*route[0]) - 0.1, rule


def test_who_creeps_who_rolls_through_and_who_leaves(drawn: Any) -> None:
    names, found, _ = drawn
    ravine, minimum, saddle = [surface.name for surface in names["SURFACES"]]
    assert found[ravine, "SGD"][-1][0] < -5
    assert all(abs(found[ravine, name][-1][0]) < 1 for name in ("momentum", "Adam", "LAMB"))
    for name, x in (("SGD", 0.838), ("Adam", 0.838), ("momentum", -1.107)):
        assert found[minimum, name][-1][0] == pytest.approx(x, abs=0.03)
    half_way = 25
    assert abs(found[saddle, "SGD"][half_way][1]) < 0.15
    assert all(found[saddle, name][half_way][1] > 1 for name in ("Adam", "RMSProp", "NAdam"))


def test_the_page_shows_the_picture(drawn: Any) -> None:
    kept = DOCS / "optimisers.png"
    assert "(optimisers.png)" in text_of("optimisers.md")
    assert 50_000 < kept.stat().st_size < 300_000
    assert abs(kept.stat().st_size / drawn[2].stat().st_size - 1) < 0.2
