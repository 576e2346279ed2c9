"""Defining a graph: names, printing, places, leaves, and what has no value before a run."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import neurona as ne
from neurona.core.errors import ArgumentError, DTypeError, TraceError


@pytest.fixture
def graph() -> ne.graph.Graph:
    return ne.graph.Graph()


def test_an_unevaluated_tensor_prints_name_shape_and_dtype(graph: ne.graph.Graph) -> None:
    """`Add:0`, shape (), int32: what the notes read off the listing."""
    with graph.as_default():
        x, y = ne.graph.constant(2, ne.int32), ne.graph.constant(3, ne.int32)
        op1 = ne.add(x, y)
        matrix = ne.zeros((3, 3)) + 1.0
    assert repr(op1) == 'Tensor("Add:0", shape=(), dtype=int32)'
    assert repr(x) == 'Tensor("Const:0", shape=(), dtype=int32)'
    assert repr(matrix) == 'Tensor("Add_1:0", shape=(3, 3), dtype=float32)'
    assert f"{op1}" == repr(op1)


def test_names_are_unique(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (2,), name="x")
        sums = [x + 1, x + x, 1 + x]
        named = [ne.graph.identity(x, "Add_1"), ne.graph.identity(x, "loss"), x + 2]
        others = [ne.graph.placeholder(ne.float32, name="x"), ne.graph.placeholder(ne.int8)]
        rows = [ne.exp(x), ne.broadcast_to(x, (3, 2))]
    names = [graph.name(tensor._node) for tensor in (*sums, *named, *others, *rows)]
    assert names == [
        *("Add:0", "Add_1:0", "Add_2:0"),
        *("Add_1_1:0", "loss:0", "Add_3:0"),
        *("x_1:0", "Placeholder:0"),
        *("Exp:0", "BroadcastTo:0"),
    ]
    assert len(graph.nodes) == len(set(graph.nodes)) == len(names) + 1


def test_scopes(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        with ne.graph.name_scope("layer"):
            a = ne.graph.constant(1.0) * 2
            with ne.graph.name_scope("inner") as inner:
                b = a * 2
        with ne.graph.name_scope("layer"):
            c = a * 2
        d = a * 2
    names = [graph.name(tensor._node) for tensor in (a, b, c, d)]
    expected = ["layer/Multiply:0", "layer/inner/Multiply:0", "layer_1/Multiply:0", "Multiply:0"]
    assert names == expected
    assert inner == "layer/inner"


def test_tensors_by_name(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (5,), name="x")
        y = x * 2
        values, indices = ne.top_k(x, 2)
    assert graph.tensor("x:0")._node is graph.tensor("x")._node is x._node
    assert graph.tensor("Multiply")._node is y._node
    for tensor in (values, indices):
        name = graph.name(tensor._node)
        assert graph.tensor(name)._node is tensor._node
        assert repr(tensor).startswith(f'Tensor("{name}", shape=(2,)')
    with pytest.raises(ArgumentError, match=r"no tensor 'Multipy'; did you mean 'Multiply'\?"):
        graph.tensor("Multipy")
    with pytest.raises(ArgumentError, match="no tensor 'x:1'"):
        graph.tensor("x:1")


def test_a_graph_lists_its_operations(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, (3,), name="x")
        with ne.graph.device("cpu"):
            ne.graph.identity(x * 2 + ne.graph.variable([1.0, 2.0, 3.0], "w"), "y")
    assert str(graph).splitlines() == [
        "x = input()  float32[3]  cpu",
        "Multiply = multiply(x, 2.0)  float32[3]  cpu",
        "w/initial = constant()  float32[3]  cpu",
        "w = input()  float32[3]  cpu",
        "Add = add(Multiply, w)  float32[3]  cpu",
        "y = identity(Add)  float32[3]  cpu",
    ]


def test_devices(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.constant(1.0)
        with ne.graph.device("cpu"):
            y = x + 1
        with pytest.raises(ArgumentError, match=r"device: 'gpu:0' is not there; there is 'cpu'"):
            ne.graph.device("gpu:0").__enter__()
        z = x + 2
    assert [graph.device_of(tensor) for tensor in (x, y, z)] == ["cpu"] * 3
    with pytest.raises(ArgumentError, match=r"device_of: the tensor Tensor\(1\., .* not in this"):
        graph.device_of(ne.asarray(1.0))


def test_values_from_outside_become_constants(graph: ne.graph.Graph) -> None:
    outside = ne.asarray([1.0, 2.0])
    with graph.as_default():
        y = outside * 2
        z = outside + np.asarray([[1.0], [2.0]], np.float32)[::-1]
    outside += 10  # The handle stands for another value now; the graph is as it was defined.
    with ne.Session(graph) as session:
        np.testing.assert_array_equal(session.run(y), [2, 4])
        np.testing.assert_array_equal(session.run(z), [[3, 4], [2, 3]])
    assert list(graph.nodes) == ["Const", "Multiply", "Const_1", "Add"]


def test_constants(graph: ne.graph.Graph) -> None:
    array = np.arange(6.0).reshape(2, 3)
    with graph.as_default():
        made = [
            ne.graph.constant(array),
            ne.graph.constant(array.T),
            ne.graph.constant([1, 2], name="few"),
            ne.graph.constant(1.5, ne.bfloat16),
            ne.graph.constant(ne.asarray([True])),
        ]
    wanted = array.copy()
    array[...] = 0
    with ne.Session(graph) as session:
        values = session.run(made)
    for value, right in zip(values, (wanted, wanted.T, [1, 2], 1.5, [True]), strict=True):
        np.testing.assert_array_equal(value, right)
    assert [str(value.dtype) for value in values] == [
        *("float64", "float64", "int64", "bfloat16", "bool")
    ]
    assert list(graph.nodes) == ["Const", "Const_1", "few", "Const_2", "Const_3"]


def test_no_value_before_a_run(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, name="x")
        y = x + 1
        with pytest.raises(
            TraceError, match=r'bool: the tensor "Greater:0" of a graph has a value'
        ):
            bool(y > 0)
    for ask in (y.numpy, y.item, lambda: float(y), lambda: np.asarray(y)):
        with pytest.raises(TraceError, match=r'"Add:0" of a graph has a value only in a run'):
            ask()
    with pytest.raises(TraceError, match=r"inside `with graph.as_default\(\):`"):
        _ = y * 2
    with pytest.raises(TraceError, match=r'"Add:0" of a graph has a value only in a run'):
        ne.compile(lambda: y * 2)()


def test_a_variable_has_its_value_elsewhere(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        w = ne.graph.variable([1.0], "w")
    assert repr(w) == 'GraphVariable("w:0", shape=(1,), dtype=float32)'
    elsewhere = r'GraphVariable\("w:0".* has a value in each session, none here'
    for ask in (w.numpy, w.own, lambda: w.buffer, lambda: copy.deepcopy(w), lambda: w.assign([2])):
        with pytest.raises(TraceError, match=elsewhere):
            ask()
    with pytest.raises(TraceError, match=r'"w:0" of a graph has a value only in a run'):
        w.item()
    with pytest.raises(TraceError, match="belongs to another graph"):
        ne.compile(lambda: w * 2)()


def test_graphs_do_not_mix(graph: ne.graph.Graph) -> None:
    other = ne.graph.Graph()
    with other.as_default():
        x, w = ne.graph.placeholder(ne.float32, name="x"), ne.graph.variable(1.0, "w")
        with graph.as_default():  # The inner one holds, then the outer one again.
            inner = ne.graph.constant([1.0]) * 2
            with pytest.raises(TraceError, match=r'Tensor\("x:0".* belongs to another graph'):
                _ = x + 1
            with pytest.raises(TraceError, match=r'"w:0".* belongs to another graph'):
                _ = w + 1
        outer = x * 2
    assert inner._node.trace is graph
    assert outer._node.trace is other
    assert ne.asarray(1.0).item() + 1 == 2


def test_an_error_in_the_body_leaves_the_graph() -> None:
    graph = ne.graph.Graph()
    with pytest.raises(ZeroDivisionError), graph.as_default(), ne.graph.name_scope("a"):
        _ = 1 / 0
    assert (ne.asarray([1.0]) + 1).tolist() == [2]
    with graph.as_default():
        assert graph.name((ne.graph.constant(1.0) + 1)._node) == "Add:0"


def test_mistakes(graph: ne.graph.Graph) -> None:
    for make in (
        lambda: ne.graph.placeholder(ne.float32),
        lambda: ne.graph.constant(1.0),
        lambda: ne.graph.identity(ne.asarray(1.0), "x"),
        lambda: ne.graph.variable(1.0),
        lambda: ne.graph.device("cpu"),
        lambda: ne.graph.name_scope("x"),
        ne.graph.variables_initializer,
    ):
        with pytest.raises(ArgumentError, match="there is no default graph; call it inside"):
            make()
    with graph.as_default():
        with pytest.raises(ArgumentError, match=r"shape \(None, 784\) leaves an extent open"):
            ne.graph.placeholder(ne.float32, (None, 784))
        with pytest.raises(DTypeError, match="complex64"):
            ne.graph.placeholder(np.complex64)
        for name in ("two words", "a:0", ""):
            with pytest.raises(ArgumentError, match="is no name"):
                ne.graph.placeholder(ne.float32, name=name)
        with pytest.raises(DTypeError, match="the initial value is float32, not float64"):
            ne.graph.variable(ne.zeros((2,)), dtype="float64")
        with pytest.raises(DTypeError, match="a int64 one has no gradient"):
            ne.graph.variable(1, requires_grad=True)
        with pytest.raises(ArgumentError, match="is not a variable of this graph"):
            ne.graph.variables_initializer([ne.Variable(1.0)])
    with pytest.raises(TraceError, match="a function is being recorded; define the graph outside"):
        ne.compile(lambda: graph.as_default().__enter__())()


def test_pictures(graph: ne.graph.Graph) -> None:
    with graph.as_default():
        x = ne.graph.placeholder(ne.float32, name="x")
        y = ne.graph.placeholder(ne.float32, name="y")
        f = x * y + (x + y)
    drawing = ne.graph.draw(f, names={"x": x, "y": y})
    assert [box.title for box in drawing.boxes] == ["x", "y", "multiply", "add", "add"]
    assert len(drawing.edges) == 6
