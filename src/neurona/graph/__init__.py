"""Recorded graphs: walks, passes and pictures, and graphs that are defined now and run later."""

from neurona.graph.build import GraphVariable, constant, identity, placeholder, variable
from neurona.graph.definition import Graph, Operation, device, name_scope
from neurona.graph.draw import Drawing, draw
from neurona.graph.updates import assign, minimize, variables_initializer

__all__ = [
    "Drawing",
    "Graph",
    "GraphVariable",
    "Operation",
    "assign",
    "constant",
    "device",
    "draw",
    "identity",
    "minimize",
    "name_scope",
    "placeholder",
    "variable",
    "variables_initializer",
]
