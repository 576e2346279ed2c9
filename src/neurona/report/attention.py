"""Attention as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurona.core.errors import ArgumentError, ShapeError


def attention_figure(
    maps: Mapping[str, Any],
    *,
    sample: int = 0,
    queries: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
    side: float = 2.2,
) -> Any:
    """A matplotlib figure of attention maps: a row of squares a layer, a square a head.

    The darker a place, the more its query (row) takes of its key (column); white is 0, black 1.

    maps: layer → weights (batch, heads, queries, keys), as `models.attention_maps` gives, or
        (batch, queries, keys). sample: which of the batch.
    queries, keys: what stands beside the rows and below the columns, as the tokens; `keys` is
        `queries` by default where a map is square.
    side: inches of a square.
    Raises `ShapeError` for maps of other axes and labels of another number.

    >>> import numpy as np
    >>> figure = attention_figure({"h.0.attn": np.full((1, 2, 3, 3), 1 / 3)}, queries=list("abc"))
    >>> [axes.get_title() for axes in figure.axes]
    ['h.0.attn, head 1', 'head 2']
    """
    from matplotlib.figure import Figure

    rows = {path: _heads(path, weights, sample) for path, weights in maps.items()}
    if not rows:
        raise ArgumentError("attention_figure: there are no maps")
    columns = max(len(heads) for heads in rows.values())
    figure = Figure(figsize=(side * columns + 0.6, side * len(rows) + 0.3), layout="constrained")
    for row, (path, heads) in enumerate(rows.items()):
        below = keys
        if keys is None and heads.shape[1] == heads.shape[2]:
            below = queries
        for column, weights in enumerate(heads):
            axes = figure.add_subplot(len(rows), columns, row * columns + column + 1)
            axes.imshow(weights, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            _name(axes.set_yticks, path, "queries", queries, weights.shape[0], column == 0)
            _name(axes.set_xticks, path, "keys", below, weights.shape[1], True)
            place = f"head {column + 1}" if len(heads) > 1 else ""
            title = ", ".join(filter(None, [path if column == 0 else "", place]))
            axes.set_title(title, fontsize=8)
    return figure


def _heads(path: str, weights: Any, sample: int) -> Any:
    """(heads, queries, keys) of one sample."""
    array = np.asarray(weights, dtype=np.float64)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or not -len(array) <= sample < len(array):
        raise ShapeError(
            f"attention_figure: the map {path!r} is {array.shape}; it must be (batch, heads, "
            f"queries, keys) with a sample {sample}"
        )
    return array[sample]


def _name(
    ticks: Any, path: str, what: str, names: Sequence[str] | None, count: int, shown: bool
) -> None:
    """Names along an axis; none where they were not given or stand beside another square."""
    if names is None or not shown:
        ticks([])
        return
    if len(names) != count:
        raise ShapeError(
            f"attention_figure: {len(names)} names for the {count} {what} of {path!r}; one each"
        )
    ticks(
        range(count), [repr(name)[1:-1] if name.isspace() else name for name in names], fontsize=7
    )
