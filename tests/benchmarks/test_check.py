"""`compare` lets rounding pass and nothing else."""

import numpy as np
import pytest

from benchmarks.case import Tolerance
from benchmarks.check import Deviation, MismatchError, Trace, compare

TOLERANCE = Tolerance(steps=3, loss=1e-4, change=1e-3)
INITIAL = {"weight": np.ones((2, 2), np.float32), "running_var": np.ones(2, np.float32)}
STATE = {
    "weight": np.array([[1.1, 0.9], [1.2, 1.0]], np.float32),
    "running_var": np.array([0.5, 2.0], np.float32),
}
REFERENCE = Trace([2.0, 1.0, 0.5], STATE)


def against_reference(losses: list[float], state: dict[str, np.ndarray]) -> Deviation:
    return compare(Trace(losses, state), REFERENCE, initial=INITIAL, tolerance=TOLERANCE)


def test_equal_and_nearly_equal_traces_pass() -> None:
    assert against_reference(REFERENCE.losses, STATE) == Deviation(loss=0.0, change=0.0)
    near = {name: value * np.float32(1 + 1e-5) for name, value in STATE.items()}
    deviation = against_reference([2.0, 1.00005, 0.5], near)
    assert deviation.loss == pytest.approx(5e-5, rel=1e-3)
    # The weights moved by √(0.01 + 0.01 + 0.04), and are 1e-5 · their own length apart.
    assert deviation.change == pytest.approx(1e-5 * 2.112 / 0.2449, rel=0.05)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([2.0, 1.001, 0.5], r"loss at step 1 is 1.001, the reference has 1: 1.0e-03 apart"),
        ([2.0, 1.0, float("nan")], "loss at step 2 is nan"),
        ([float("inf"), 1.0, 0.5], "loss at step 0 is inf"),
        ([2.0, 1.0], "2 losses, expected 3"),
    ],
)
def test_wrong_losses_are_refused(losses: list[float], message: str) -> None:
    with pytest.raises(MismatchError, match=message):
        against_reference(losses, STATE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"running_var": INITIAL["running_var"]}, "'running_var' is off by 1.0e"),
        ({"weight": STATE["weight"].T}, "'weight' is off by"),
        ({"weight": np.full((2, 2), np.nan)}, "'weight' is off by inf"),
        ({"weight": np.ones(4)}, r"'weight' has shape \(4,\), the reference \(2, 2\)"),
    ],
)
def test_wrong_state_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(MismatchError, match=message):
        against_reference(REFERENCE.losses, STATE | change)


def test_missing_state_is_refused() -> None:
    with pytest.raises(MismatchError, match="lacks 'running_var'"):
        against_reference(REFERENCE.losses, {"weight": STATE["weight"]})


def test_undetermined_state_is_left_out() -> None:
    state = STATE | {"running_var": INITIAL["running_var"]}
    trace = Trace(REFERENCE.losses, state)
    compare(
        trace,
        REFERENCE,
        initial=INITIAL,
        tolerance=TOLERANCE,
        undetermined=["running_var"],
    )
