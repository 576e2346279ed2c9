"""Pictures: what they show, for functions and for tensors, and that they are sound SVG."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import neurona as ne
from neurona.autodiff import Function, checkpoint, stop_gradient
from neurona.core.errors import ArgumentError, DTypeError, ShapeError
from neurona.graph import Drawing, draw
from neurona.graph.svg import Box


def box(drawing: Drawing, title: str) -> Box:
    (found,) = [each for each in drawing.boxes if each.title == title]
    return found


def arrows(drawing: Drawing) -> list[tuple[str, str]]:
    titles = [each.title for each in drawing.boxes]
    return sorted((titles[a], titles[b]) for a, b in drawing.edges)


def neuron(w: Any, x: Any, b: Any, t: Any) -> Any:
    return (w * x + b - t) ** 2


def test_a_function_with_values_and_gradients() -> None:
    drawing = draw(neuron, 2.0, 3.0, 1.0, 9.0, gradients=True)
    shown = [(each.kind, each.title, each.detail, each.slope) for each in drawing.boxes]
    assert shown == [
        ("input", "w", "2", "∇ −12"),
        ("input", "x", "3", "∇ −8"),
        ("operation", "multiply", "6", "∇ −4"),
        ("input", "b", "1", "∇ −4"),
        ("operation", "add", "7", "∇ −4"),
        ("input", "t", "9", "∇ 4"),
        ("operation", "subtract", "−2", "∇ −4"),
        ("result", "multiply", "4", "∇ 1"),
    ]


def test_product_and_sum_as_a_graph() -> None:
    """x·y + (x + y): two operations share both inputs [C3.3]."""
    drawing = draw(lambda x, y: x * y + (x + y), 2.0, 3.0)
    assert arrows(drawing) == [
        ("add", "add"),
        ("multiply", "add"),
        ("x", "add"),
        ("x", "multiply"),
        ("y", "add"),
        ("y", "multiply"),
    ]
    assert box(drawing, "multiply").detail == "6"
    assert drawing.boxes[-1].detail == "11"
    assert not any(each.slope for each in drawing.boxes)


def test_parameters_shapes_and_large_gradients() -> None:
    w = ne.Variable(np.ones((3, 5), np.float32), name="weight")

    def f(x: Any) -> Any:
        return ne.sum(ne.sigmoid(x @ w), axis=1)

    x = np.ones((2, 3), np.float32)
    drawing = draw(lambda x: ne.sum(f(x)), x, gradients=True)
    assert box(drawing, "weight").kind == "parameter"
    assert box(drawing, "weight").detail == "(3, 5)"
    assert box(drawing, "x").kind == "input"
    assert box(drawing, "sum axis 1").detail == f"[{4.763:.4g}, {4.763:.4g}]"
    y = ne.sigmoid(3.0).item()
    norm = np.sqrt(15) * 2 * y * (1 - y)
    assert box(drawing, "weight").slope == f"‖∇‖ {norm:.4g}"
    assert "float32 (3, 5)" in box(drawing, "weight").hint
    assert "test_draw.py:" in box(drawing, "matmul").hint


def test_numbers_stand_in_the_operation() -> None:
    drawing = draw(lambda x: 1 - ne.maximum(x * 0.5, 0), 2.0)
    assert [each.title for each in drawing.boxes] == ["x", "· × 0.5", "maximum(·, 0)", "1 − ·"]


def test_an_eager_tensor_shows_what_is_kept() -> None:
    w = ne.Variable(2.0, name="w")
    x = ne.asarray([1.0, 2.0, 3.0, 4.0])
    scaled = x / 4
    loss = ne.sum(w * scaled)
    drawing = draw(loss, gradients=True, names={"loss": loss})
    # The division needs no gradient: it is a value, and nothing behind it is kept.
    assert [(each.kind, each.title) for each in drawing.boxes] == [
        ("parameter", "w"),
        ("input", "divide"),
        ("operation", "multiply"),
        ("result", "loss: sum"),
    ]
    assert box(drawing, "w").slope == "∇ 2.5"
    assert box(drawing, "divide").slope == ""
    loss.backward()  # drawing has freed nothing
    assert draw(x, names={"data": x}).boxes[0].title == "data"


def test_users_operations_and_checkpoints_are_one_box() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save(ne.cos(x))
            return x + x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g + g

    w = ne.Variable(1.0, name="w")
    block = checkpoint(lambda x: ne.sin(x) * w)
    for drawing in (
        draw(lambda x: block(Twice.apply(x)), 3.0, gradients=True),
        draw(block(Twice.apply(ne.asarray(3.0).requires_grad_())), gradients=True),
    ):
        kinds = [(each.kind, each.title) for each in drawing.boxes if each.kind != "input"]
        assert ("operation", "Twice") in kinds
        assert ("result", "checkpoint") in kinds
        assert ("w", "checkpoint") in arrows(drawing)
        assert not any(title in ("sin", "cos", "add") for _, title in kinds)


def test_marks_that_change_nothing_are_left_out_and_cuts_are_shown() -> None:
    drawing = draw(lambda x: x * stop_gradient(x) + ne.grad(lambda y: y * y)(x), 3.0)
    titles = [each.title for each in drawing.boxes]
    assert "identity" not in titles
    assert "stop_gradient" in titles


def test_nested_arguments_options_and_results() -> None:
    def f(p: Any, *rest: Any, scale: Any = 1.0, mode: str = "sum") -> Any:
        assert mode == "all"
        return {"a": p["w"] * rest[0] * scale, "b": rest[1]}

    drawing = draw(f, {"w": 2.0}, 3.0, 4, scale=5.0, mode="all")
    titles = [each.title for each in drawing.boxes]
    assert {"p['w']", "rest[0]", "rest[1]", "scale"} <= set(titles)
    assert box(drawing, "rest[1]").detail == "4 int64"


def test_drawing_changes_nothing() -> None:
    w, calls = ne.Variable(2.0), ne.Variable(0.0)

    def f(x: Any) -> Any:
        calls.assign(calls + 1)
        return w * x * ne.random.uniform(())

    before = ne.random.uniform((), generator=ne.random.Generator(1)).item()
    ne.random.seed(5)
    first = ne.random.uniform(()).item()
    ne.random.seed(5)
    draw(f, 3.0, gradients=True)
    assert ne.random.uniform(()).item() == first
    assert float(calls) == 0
    assert w.grad is None
    assert ne.random.uniform((), generator=ne.random.Generator(1)).item() == before


def test_layers_name_their_parameters() -> None:
    from neurona import nn

    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    drawing = draw(model, np.ones((2, 4), np.float32))
    kinds = {each.title: each.kind for each in drawing.boxes}
    assert kinds["0.weight"] == kinds["0.bias"] == "parameter"


def numbers_of(svg: str) -> tuple[float, float]:
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert found
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("direction", ["auto", "right", "down"])
def test_sound_svg(direction: str, tmp_path: Path) -> None:
    drawing = draw(lambda x, y: ne.where(x < y, x & y, x) > 1, 2, 3, direction=direction)
    svg = drawing._repr_svg_()
    root = ElementTree.fromstring(svg)  # `<` and `&` are escaped
    width, height = numbers_of(svg)
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    drawing.save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8") == svg
    with pytest.raises(ArgumentError, match=r"saved as \.svg, not 'graph\.png'"):
        drawing.save(tmp_path / "graph.png")


def test_wide_graphs_run_down() -> None:
    def deep(x: Any) -> Any:
        for _ in range(40):
            x = ne.tanh(x)
        return x

    width, height = numbers_of(draw(deep, 1.0).svg)
    assert height > 2000 > 900 > width
    width, height = numbers_of(draw(deep, 1.0, direction="right").svg)
    assert width > 2000 > 900 > height


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: draw(3), ArgumentError, "a tensor or a function is needed"),
        (lambda: draw(ne.asarray(1.0), 2.0), ArgumentError, "drawn as it is"),
        (lambda: draw(neuron, 1.0, direction="up"), ArgumentError, "direction is"),
        (lambda: draw(lambda x: 3.0, 1.0), ArgumentError, "returns no tensor"),
        (lambda: draw(lambda x: (x, x), 1.0, gradients=True), ArgumentError, "there are 2"),
        (lambda: draw(lambda x: x, np.ones(2), gradients=True), ShapeError, "not one element"),
        (lambda: draw(lambda x: x > 0, 1.0, gradients=True), DTypeError, "bool output"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
