"""The report page: what it holds, what it must not do, and how it looks in a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from neurona import data, nn, optim, random, train
from neurona.core.errors import ArgumentError, CheckpointError
from neurona.report import html
from neurona.train.analysis import analyse

from .browser import CHROMIUM, browser
from .runs import trained, write_run

HOSTILE = (
    "<script>alert('x')</script>",
    "\"quoted' & <b>bold</b>",
    "x" * 300,
    "\u202eevil\u05d0\u05d1\u05d2",
    "{{ 7 * 7 }}",
    "$\\frac{1}{2}$",
)


class Outline(HTMLParser):
    """Tags, ids, addresses and headings of a page; complains of tags that do not match."""

    EMPTY = ("meta", "br", "img", "path", "rect", "use", "link", "hr", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.without_text: list[str] = []
        self.stack: list[str] = []
        self.feed(text)
        assert not self.stack, self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        for name in ("src", "href", "xlink:href", "action", "poster", "srcset", "data"):
            if found.get(name):
                self.addresses.append(str(found[name]))
        assert not [name for name in found if name.startswith("on")], attrs
        if tag == "img" and not found.get("alt"):
            self.without_text.append(tag)
        if tag == "svg" and not found.get("aria-label"):
            self.without_text.append(tag)
        if tag not in self.EMPTY:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.stack.pop() == tag


def check(text: str, *, whole: bool = True) -> Outline:
    """What holds for every report. whole: every file is understood."""
    assert ("cannot be shown" in text) != whole
    page = Outline(text)
    assert page.tags["script"] == page.tags["iframe"] == page.tags["link"] == 0
    assert not page.without_text
    assert max(Counter(page.ids).values()) == 1
    for address in page.addresses:
        assert address.startswith("data:image/") or address[1:] in page.ids, address[:80]
    assert "url(http" not in text
    assert "@import" not in text
    assert page.tags["h1"] == 1
    assert len(text.encode()) < 2_000_000
    return page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run on the embedded digits, with a hostile name and names of classes."""
    digits = data.digits()
    random.seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    classes = [*HOSTILE, *digits.classes[len(HOSTILE) :]]
    model = train.Model(network, preprocessing=train.Division(16), classes=classes)
    optimizer = optim.Adam(network.parameters(), learning_rate=2e-3)
    model.compile(optimizer, "cross_entropy", ["accuracy"])
    folder = tmp_path_factory.mktemp("runs") / "digits"
    training = digits.inputs[:480], digits.targets[:480]
    validation = digits.inputs[500:788], digits.targets[500:788]
    layers = [
        {"epoch": i, "weights": {"1": 3.0 + i, HOSTILE[0]: 2.0}, "gradients": {"1": 0.1 / (i + 1)}}
        for i in range(5)
    ]
    trained(
        folder, model, training, validation, 5, name=HOSTILE[0], command=HOSTILE[1],
        config=f'name = "{HOSTILE[0]}"', layers=layers,
    )  # fmt: skip
    assert html.write(folder) == folder / "report.html"
    return folder


def test_the_page_of_a_run(run: Path) -> None:
    text = (run / "report.html").read_text(encoding="utf-8")
    page = check(text)
    for section in ("verdict", "curves", "answers", "mistakes", "first-layer", "layers",
                    "parameters", "graph", "settings"):  # fmt: skip
        assert section in page.ids
    assert page.tags["img"] == 16 + 24 + 1  # mistakes, units, graph
    assert len(re.findall(r'class="chart"', text)) == 5
    assert "validation accuracy" in text
    assert len(text) < 400_000


def test_hostile_names_are_shown_not_run(run: Path) -> None:
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "alert(" in text
    assert "<script" not in text
    assert "<b>" not in text
    assert "{{ 7 * 7 }}" in text


def test_the_same_files_give_the_same_page(run: Path) -> None:
    first = (run / "report.html").read_bytes()
    assert html.write(run).read_bytes() == first


@pytest.fixture
def _untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers are not compiled one by one."""
    monkeypatch.setattr("neurona.train.analysis.timing.BUDGET", -1)


@pytest.mark.usefixtures("_untimed")
def test_regression_and_table(tmp_path: Path, rng: np.random.Generator) -> None:
    network = nn.Linear(3, 2)
    model = train.Model(network)
    model.compile("SGD", "mean_squared_error")
    x = rng.normal(size=(64, 3))
    folder = trained(tmp_path / "r", model, (x, x[:, :2]), (x, x[:, :2]), 3)
    text = html.write(folder).read_text(encoding="utf-8")
    check(text)
    assert "Predicted against true" in text
    assert "feature 0" in text
    assert text.count('class="chart"') == 6  # loss, learning rate, and two for each output


@pytest.mark.usefixtures("_untimed")
def test_several_labels(tmp_path: Path, rng: np.random.Generator) -> None:
    network = nn.Linear(3, 2)
    model = train.Model(network, classes=["loud", HOSTILE[0]])
    model.compile(loss="binary_cross_entropy_with_logits")
    x = rng.normal(size=(50, 3)).astype(np.float32)
    y = (rng.random((50, 2)) > 0.5).astype(np.float32)
    folder = write_run(tmp_path, [])
    analyse(model, x, y, folder)
    said, true = network(x).numpy() > 0, y > 0.5
    text = html.write(folder).read_text(encoding="utf-8")
    check(text)
    assert f"{int((said == true).sum())} of 100 answers are right, each label" in text
    recall = 100 * (said & true)[:, 0].sum() / true[:, 0].sum()
    assert f"<td>{int(true[:, 0].sum())}</td>" in text
    assert f"<td>{recall:.1f} %</td>" in text


@pytest.mark.usefixtures("_untimed")
def test_much_of_everything_stays_small(tmp_path: Path, rng: np.random.Generator) -> None:
    count = 300
    epochs = [
        {
            "epoch": i,
            "loss": 1 / (i + 1),
            "validation_loss": 0.1 + 1 / (i + 1),
            "learning_rate": 0.1,
        }
        for i in range(1000)
    ]
    layers = [
        {"epoch": i, "gradients": {f"layer {k}": 1.0 / (k + 1) for k in range(100)}}
        for i in range(1000)
    ]
    folder = write_run(tmp_path, epochs, layers=layers)
    network = nn.Sequential(*[nn.Identity() for _ in range(120)], nn.Linear(4, count))
    model = train.Model(network, classes=[f"class {i}" for i in range(count)])
    model.compile(loss="cross_entropy")
    x, y = rng.normal(size=(600, 4)), rng.integers(0, count, 600)
    analyse(model, x, y, folder)
    text = html.write(folder).read_text(encoding="utf-8")
    check(text)
    assert len(text) < 600_000
    assert "The first 60 of 121 layers" in text
    assert f"of {count} classes" in text
    assert "8 of 100" in text


def test_files_that_are_missing_or_damaged(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="needs the folder of a run"):
        html.write(tmp_path)
    write_run(tmp_path, [])
    check(html.write(tmp_path).read_text(encoding="utf-8"))
    lines = '{"epoch": 0, "loss": 1.0}\nnot json\n{"epoch": 2, "loss": "nan"}\n{"epoch": 3, "lo'
    (tmp_path / "metrics.jsonl").write_text(lines)
    (tmp_path / "analysis.json").write_text(json.dumps({"arrays": {"sha256": "0"}}))
    (tmp_path / "analysis.safetensors").write_bytes(b"")
    (tmp_path / "config.toml").write_bytes(b"\xff")
    text = html.write(tmp_path).read_text(encoding="utf-8")
    check(text)
    assert "metrics.jsonl: line 2 is damaged" in text
    assert "not the arrays that analysis.json was written with" in text
    assert "Training diverged" in text
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        html.write(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("analysis.json", '{"layers": 3}'),
        ("analysis.json", '{"mistakes": {"samples": [{"probabilities": [[]]}]}}'),
        ("analysis.json", '{"left_out": "text"}'),
    ],
)
def test_files_that_say_what_is_not_understood(name: str, content: str, tmp_path: Path) -> None:
    write_run(tmp_path, [{"epoch": 0, "loss": 1.0}, {"epoch": 1, "loss": 0.5}])
    (tmp_path / name).write_text(content)
    text = html.write(tmp_path).read_text(encoding="utf-8")
    check(text, whole=False)
    assert f"{name}: left out, it cannot be shown: " in text


def test_numbers_as_large_as_they_get(tmp_path: Path) -> None:
    write_run(tmp_path, [{"epoch": 0, "loss": 1e308}, {"epoch": 1, "loss": 1e-300}])
    check(html.write(tmp_path).read_text(encoding="utf-8"))


OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !e.closest('.scroll, pre, .graph');
}).map(e => e.outerHTML.slice(0, 80))
"""


@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_in_a_browser(run: Path, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        for width in (360, 1600):
            page.open(run / "report.html", width=width, dark=width == 360)
            assert page.evaluate("document.querySelectorAll('h2').length") == 9
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(OVERFLOWING) == []
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (background == "rgb(18, 22, 28)") == (width == 360)
            broken = "[...document.images].filter(i => !i.naturalWidth).length"
            assert page.evaluate(broken) == 0
            assert page.requests() == []
            assert page.complaints() == []


def test_runs_beside_each_other(tmp_path: Path) -> None:
    epochs = [{"epoch": i, "loss": 1 / (i + 1), "validation_loss": 0.5} for i in range(4)]
    first = write_run(tmp_path / "a", epochs, config='[training]\nepochs = 4\noptimizer = "SGD"\n')
    better = [line | {"validation_loss": 0.25} for line in epochs]
    text = '[training]\nepochs = 4\noptimizer = "Adam"\n'
    second = write_run(tmp_path / "b", better, config=text, name=HOSTILE[0])
    page = html.compare([first, second, first], tmp_path / "compare.html")
    text = page.read_text(encoding="utf-8")
    check(text)
    assert "<strong>0.25</strong>" in text
    assert "training.optimizer" in text
    assert "training.epochs" not in text
    assert text.count('class="chart"') == 1
    with pytest.raises(ArgumentError, match="two runs or more"):
        html.compare([first], tmp_path / "compare.html")
    with pytest.raises(CheckpointError, match="no such file"):
        html.compare([first, tmp_path], tmp_path / "compare.html")
