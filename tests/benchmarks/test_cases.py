"""The cases: same data everywhere, right counts, and a check that sees small mistakes."""

import dataclasses
import importlib

import numpy as np
import pytest

from benchmarks.case import Case, case_module, case_names, load_case
from benchmarks.check import MismatchError, Trace, compare

NAMES = case_names()
# Thin networks on small pictures and short texts: their cases are trained here in their stead.
SMALL: dict[str, dict[str, int]] = {
    "lenet": {},
    "alexnet": {"batch": 8, "side": 67, "classes": 20, "divide": 16},
    "resnet18": {"batch": 16, "side": 16, "divide": 16},
    "lstm": {"batch": 4, "length": 6, "features": 16},
    "gru": {"batch": 4, "length": 6, "features": 16},
    "gpt": {"batch": 4, "layers": 1, "heads": 2, "features": 16, "length": 8},
    "gpt-long": {"batch": 2, "layers": 1, "heads": 2, "features": 16, "length": 16},
}
TEXTS = ("lstm", "gru", "gpt", "gpt-long")
DENSE = [name for name in NAMES if name not in SMALL]


def case_of(name: str) -> Case:
    module = importlib.import_module(case_module(name))
    return module.case_of(**SMALL[name]) if name in SMALL else module.CASE


def trace(case: Case, build: str, options: dict[str, object]) -> Trace:
    training = case.builds[build](case.problem(seed=0), options)
    losses = [training.wait(training.step(i)) for i in range(case.tolerance.steps)]
    return Trace(losses, training.state())


def check(case: Case, ours: Trace, reference: Trace) -> None:
    compare(
        ours,
        reference,
        initial=case.problem(seed=0).weights,
        tolerance=case.tolerance,
        undetermined=case.undetermined,
    )


def test_the_cases_are_there() -> None:
    assert {"nielsen", "mlp", "logistic", "tabular", "deep"} <= set(NAMES)
    assert {"lenet", "resnet18", "alexnet", "lstm", "gru", "gpt", "gpt-long"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_problem_depends_on_the_seed_only(name: str) -> None:
    assert load_case(case_module(name)).name == name
    case = case_of(name)
    first, again, other = case.problem(0), case.problem(0), case.problem(1)
    assert case.undetermined < set(first.weights)
    assert len(first.batches) >= 8
    for key, value in first.weights.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, again.weights[key])
    assert any(np.any(value != other.weights[key]) for key, value in first.weights.items())
    for batch, same in zip(first.batches, again.batches, strict=True):
        for part, twin in zip(batch, same, strict=True):
            assert part.shape[name in ("lstm", "gru")] == case.batch  # these have time first
            assert part.dtype in (np.float32, np.int64)
            assert np.all(np.isfinite(part))
            np.testing.assert_array_equal(part, twin)


@pytest.mark.parametrize(
    ("name", "flops", "parameters", "slots"),
    [
        ("nielsen", 20 * (2 * 784 * 30 + 3 * 30 * 10), 23_860, 0),
        ("mlp", 256 * (2 * 784 * 512 + 3 * 512 * 512 + 3 * 512 * 10), 669_706, 2),
        ("logistic", 512 * 2 * 784 * 10, 7_850, 0),
        ("tabular", 1024 * (2 * 32 * 64 + 3 * 64 * 64 + 3 * 64), 6_593, 2),
        ("deep", 1024 * (2 * 784 * 256 + 3 * 19 * 256 * 256 + 3 * 256 * 10), 1_453_578, 0),
        ("lenet", 128 * (3 * 833_040 - 2 * 28 * 28 * 150), 61_706, 1),
    ],
)
def test_flops_and_traffic(name: str, flops: int, parameters: int, slots: int) -> None:
    case = load_case(case_module(name))
    problem = case.problem(0)
    trained = [value for key, value in problem.weights.items() if "running" not in key]
    assert sum(value.size for value in trained) == parameters
    assert case.flops == flops
    # Labels count as four bytes where they are read as int32, eight as int64.
    batch = sum(part.nbytes for part in problem.batches[0])
    assert case.traffic == 8 * parameters * (1 + slots) + batch


@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.parametrize("name", NAMES)
def test_flops_as_pytorch_counts_them(name: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    case = case_of(name)
    training = case.builds["torch"](case.problem(0), {"attention": "products"})
    # oneDNN's LSTM is one operation, whose products nobody counts.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
        training.step(0)
    assert case.flops == counter.get_total_flops()


SLOW = ("deep", "lenet", "resnet18", "alexnet", *TEXTS)


def quick(names: list[str]) -> list[object]:
    return [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in names]


@pytest.mark.parametrize("name", quick(NAMES))
def test_jax_and_the_variants_follow_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    case = case_of(name)
    reference = trace(case, "torch", {})
    assert reference.losses[-1] != reference.losses[0]
    for options in ({"fused": True}, *(v.options for v in case.variants.get("torch", ()))):
        check(case, trace(case, "torch", options), reference)
    pytest.importorskip("jax")
    for options in ({}, *(v.options for v in case.variants.get("jax", ()))):
        check(case, trace(case, "jax", options), reference)


@pytest.mark.parametrize("name", NAMES)
def test_neurona_follows_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    case = case_of(name)
    check(case, trace(case, "neurona", {}), trace(case, "torch", {}))


@pytest.mark.parametrize("name", SMALL)
def test_a_learning_rate_one_percent_off_is_seen_in_the_losses(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    module = importlib.import_module(case_module(name))
    # The thin AlexNet hardly moves at the rate of the real one, nor do thin layers on short texts.
    rate = module.LEARNING_RATE * (10 if name in ("alexnet", *TEXTS) else 1)
    monkeypatch.setattr(module, "LEARNING_RATE", rate)
    case = case_of(name)
    reference = trace(case, "torch", {})
    monkeypatch.setattr(module, "LEARNING_RATE", 1.01 * rate)
    with pytest.raises(MismatchError, match="the loss at step"):
        check(case, trace(case_of(name), "torch", {}), reference)


@pytest.mark.parametrize("name", quick(DENSE))
def test_a_learning_rate_one_percent_off_is_seen(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    module = importlib.import_module(case_module(name))
    reference = trace(module.CASE, "torch", {})
    monkeypatch.setattr(module, "LEARNING_RATE", 1.01 * module.LEARNING_RATE)
    wrong = trace(module.CASE, "torch", {})
    with pytest.raises(MismatchError):
        check(module.CASE, wrong, reference)
    # Each half of the check sees it by itself or leaves it to the other, never both blind.
    with pytest.raises(MismatchError, match="of the way it moved"):
        check(module.CASE, dataclasses.replace(wrong, losses=reference.losses), reference)


def test_a_forgotten_weight_decay_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    module = importlib.import_module("benchmarks.cases.tabular")
    reference = trace(module.CASE, "torch", {})
    monkeypatch.setattr(module, "WEIGHT_DECAY", 0.0)
    with pytest.raises(MismatchError, match="of the way it moved"):
        check(module.CASE, trace(module.CASE, "torch", {}), reference)


def step_memory(case: Case, build: str, **options: object) -> int:
    training = case.builds[build](case.problem(seed=0), options)
    training.wait(training.step(0))
    assert training.step_memory is not None
    return training.step_memory()


@pytest.mark.parametrize("name", ["mlp", "tabular", "deep"])
def test_a_step_needs_no_more_memory_than_pytorch_s(name: str) -> None:
    pytest.importorskip("torch")
    case = load_case(case_module(name))
    theirs = min(step_memory(case, "torch", fused=fused) for fused in (False, True))
    assert step_memory(case, "neurona") <= theirs


@pytest.mark.slow
def test_long_texts_need_half_of_what_attention_by_products_does() -> None:
    pytest.importorskip("torch")
    case = load_case(case_module("gpt-long"))
    theirs = step_memory(case, "torch", fused=True, attention="products")
    assert 2 * step_memory(case, "neurona") <= theirs


@pytest.mark.parametrize(("name", "packed", "outputs"), [
    ("nielsen", 784 * 32, 10 * 30), ("logistic", 784 * 16, 256 * 10),
])  # fmt: skip
def test_a_small_step_needs_little_more_than_its_packed_weights(
    name: str, packed: int, outputs: int
) -> None:
    case = load_case(case_module(name))
    assert step_memory(case, "neurona") <= 4 * (packed + outputs) + 2048


@pytest.mark.parametrize("build", ["torch", "jax"])
def test_a_peer_s_step_holds_gradients_and_activations(build: str) -> None:
    pytest.importorskip(build)
    case = load_case("benchmarks.cases.logistic")
    gradient, logits = 4 * 7850, 4 * 256 * 10
    assert gradient + logits <= step_memory(case, build) <= 2 * (gradient + logits)
