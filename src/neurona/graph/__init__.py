"""Recorded graphs: walks, passes and pictures."""

from neurona.graph.draw import Drawing, draw

__all__ = ["Drawing", "draw"]
