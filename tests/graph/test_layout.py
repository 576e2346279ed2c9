"""The layered layout: nothing overlaps, arrows run forward, few crossings, random graphs too."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurona.graph.layout import LAYER_GAP, NODE_GAP, Edge, lay_out


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[Edge]]:
    count = draw(st.integers(1, 40))
    size = st.tuples(st.integers(20, 60).map(float), st.integers(30, 120).map(float))
    sizes = draw(st.lists(size, min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges = [(a, b) for a, b in draw(st.lists(pairs, max_size=60)) if a < b]
    return sizes, edges


@given(graphs())
def test_nothing_overlaps_and_arrows_run_forward(
    graph: tuple[list[tuple[float, float]], list[Edge]],
) -> None:
    sizes, edges = graph
    plan = lay_out(sizes, edges)
    for (i, (along, across)), (k, (other, beside)) in combinations(enumerate(plan.centres), 2):
        apart = abs(along - other) >= (sizes[i][0] + sizes[k][0]) / 2
        aside = abs(across - beside) >= (sizes[i][1] + sizes[k][1]) / 2 + NODE_GAP - 1e-6
        assert apart or aside
    for (along, across), size in zip(plan.centres, sizes, strict=True):
        assert size[0] / 2 <= along + 1e-6 <= plan.along - size[0] / 2 + 1e-3
        assert size[1] / 2 <= across + 1e-6 <= plan.across - size[1] / 2 + 1e-3
    for (a, b), route in zip(edges, plan.routes, strict=True):
        assert route[0][0] == pytest.approx(plan.centres[a][0] + sizes[a][0] / 2)
        assert route[-1][0] == pytest.approx(plan.centres[b][0] - sizes[b][0] / 2)
        assert len(route) % 2 == 0
        for (one, _), (next_, _) in pairwise(route):
            assert next_ >= one - 1e-6
        # No arrow runs through a box: where it passes a layer it keeps to its lane.
        for (one, lane), (next_, _) in list(pairwise(route))[1::2]:
            for (along, across), size in zip(plan.centres, sizes, strict=True):
                if one - 1e-6 <= along <= next_ + 1e-6:
                    assert abs(across - lane) > size[1] / 2


def test_a_chain_is_straight() -> None:
    plan = lay_out([(20.0, 50.0), (20.0, 80.0), (20.0, 30.0)], [(0, 1), (1, 2)])
    assert len({round(across, 3) for _, across in plan.centres}) == 1
    assert plan.along == 3 * 20 + 2 * LAYER_GAP


def test_crossings_are_undone() -> None:
    # Two chains and a third, given in an order that crosses.
    plan = lay_out([(20.0, 40.0)] * 6, [(0, 5), (1, 4), (2, 3)])
    across = [centre[1] for centre in plan.centres]
    for a, b in combinations([(0, 5), (1, 4), (2, 3)], 2):
        assert (across[a[0]] < across[b[0]]) == (across[a[1]] < across[b[1]])


def test_sources_stand_right_before_their_use() -> None:
    edges = [(0, 1), (1, 2), (2, 4), (3, 4)]
    plan = lay_out([(20.0, 40.0)] * 5, edges)
    assert plan.centres[3][0] == plan.centres[2][0]


def test_two_arrows_between_the_same_boxes_arrive_side_by_side() -> None:
    plan = lay_out([(20.0, 40.0)] * 2, [(0, 1), (0, 1)])
    assert plan.routes[0][-1] != plan.routes[1][-1]


def test_nothing_and_one() -> None:
    assert lay_out([], []).centres == []
    assert lay_out([(20.0, 40.0)], []).centres == [(10.0, 20.0)]
