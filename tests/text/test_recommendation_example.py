"""`examples/recommendation.py`: ratings read, sessions cut, places counted, and what is learnt."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurona.core.errors import DataError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / "recommendation.py"))


@pytest.mark.parametrize(
    "content",
    [
        "1\t7\t4\t100\n2\t8\t3.5\t50\n",
        "userId,movieId,rating,timestamp\r\n1,7,4.0,100\r\n\r\n2,8,3.5,50\r\n",
        "1::7::4::100\n2::8::3.5::50",
    ],
)
def test_ratings_of_three_forms(example: dict[str, Any], content: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings"
    path.write_text(content, encoding="utf-8", newline="")
    assert example["read_ratings"](path) == [("1", "7", 100.0), ("2", "8", 50.0)]


@pytest.mark.parametrize("line", ["1,8,3", "1,8,3,later", "1,8,good,4", "1,8,3,4,5"])
def test_lines_that_are_no_ratings(example: dict[str, Any], line: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings"
    path.write_text("1,7,4,100\n" + line, encoding="utf-8")
    with pytest.raises(DataError, match=rf"ratings: line 2 must be .* found '{line}'"):
        example["read_ratings"](path)
    path.write_text("1,7,4,100\n1,8,4,100\n", encoding="utf-8")
    with pytest.raises(DataError, match="of 1 sessions, no item was rated 5 times"):
        example["main"](path)


def test_sessions_in_the_order_of_time(example: dict[str, Any]) -> None:
    rated = [
        ("x", "c", 9),
        ("y", "d", 1),
        ("x", "a", 2),
        ("y", "e", 1),
        ("x", "b", 4),
        ("z", "a", 0),
    ]
    assert example["sessions_of"](rated, 5) == [["d", "e"], ["a", "b", "c"]]
    assert example["sessions_of"](rated, 2) == [["d", "e"], ["a", "b"]]  # c is left alone


def test_places_by_hand(example: dict[str, Any]) -> None:
    session = np.array([0, 2, 3])
    scores = np.array([[9.0, 3, 2, 1, 2], [9, 3, 8, 1, 0]])
    # after 0, item 2 has item 1 before it and item 4 beside it; after 0 and 2, 3 comes behind 1
    assert example["ranks"](scores, session).tolist() == [3, 2]
    assert scores[0, 0] == 9
    config = example["Config"](top=2)
    recall, mrr = example["measured"](lambda some: [scores] * len(some), [session], config)
    assert (recall, mrr) == (0.5, 0.25)


def test_counts_by_hand(example: dict[str, Any]) -> None:
    sessions = [np.array([0, 1, 2]), np.array([0, 1, 3]), np.array([3, 2])]
    (popular,) = example["most_popular"](sessions, 5)([np.array([4, 0, 1])])
    assert popular.tolist() == [[2, 2, 2, 2, 0]] * 2
    (after,) = example["item_to_item"](sessions, 5)([np.array([1, 3, 2])])
    np.testing.assert_allclose(after.round(), [[0, 0, 1, 1, 0], [0, 0, 1, 0, 0]])


def test_memory_tells_what_comes_next(example: dict[str, Any], tmp_path: Path) -> None:
    """Every session goes through 0 in its middle; only the items before it say what follows."""
    rng = np.random.default_rng(0)
    lines = []
    for user in range(120):
        kind = int(rng.integers(4))
        for moment, item in enumerate((1 + kind, 0, 5 + kind, 9 + kind)):
            lines.append(f"{user}\t{item}\t3\t{10 * user + moment}")
    (tmp_path / "u.data").write_text("\n".join(lines), encoding="utf-8")
    config = example["Config"](
        length=4, top=1, features=12, dropout=0.0, batch_size=12, epochs=8, learning_rate=0.05
    )
    found = example["main"](tmp_path / "u.data", config)
    assert found["GRU"][0] == 1
    assert found["most popular"][0] < found["item to item"][0] < 0.95
