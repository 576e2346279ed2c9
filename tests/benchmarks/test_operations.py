"""The operations and the network: right counts, and every framework computes what is expected."""

import importlib

import numpy as np
import pytest

from benchmarks.check import MismatchError, compare_values
from benchmarks.inference import mlp
from benchmarks.operation import (
    Expected,
    Operation,
    choose_operations,
    group_names,
    load_source,
    network_names,
)
from benchmarks.operations.matmul import product
from benchmarks.operations.reductions import total
from benchmarks.sizes import rows_for, traffic_beyond, traffic_inside

ALL = {
    f"{group.name}/{operation.name}": operation
    for group in choose_operations([])
    for operation in group.operations
}
# One of each kind; those beyond the cache differ in their size only.
CHECKED = [
    "matmul/128x784x512",
    "matmul/128x784x512-tn",
    "matmul/128x784x512-nt",
    "matmul/128x784x512-tt",
    "matmul/1x784x512",
    "matmul/4096x64x10",
    "matmul/batch-32x64x64x64",
    "matmul/square-127",
    "chains/softmax-inside",
    "chains/layer-norm-inside",
    "chains/cross-entropy-inside",
    "reductions/rows-small",
    "reductions/columns-small",
    "reductions/full-small",
    "elementwise/add-small",
    "elementwise/multiply-add-small",
    "elementwise/bias-relu-small",
    "elementwise/exp-small",
    "elementwise/tanh-small",
]
FRAMEWORKS = {"neurona": "neurona", "torch": "torch", "onnxruntime": "onnx"}


def check(operation: Operation, build: str, **options: object) -> float:
    if build == "onnxruntime":
        pytest.importorskip("onnxruntime")
    pytest.importorskip(FRAMEWORKS[build])
    call = operation.builds[build](operation.inputs(0), {"threads": 1, **options})
    with call.scope():
        results = [call.run(i) for i in range(operation.checked_calls)]
        return compare_values(call.arrays(results[-1]), operation.expect(operation.inputs(0)))


def test_every_module_is_a_group_or_network_of_its_name() -> None:
    assert set(group_names()) >= {"matmul", "chains", "adam", "reductions", "elementwise"}
    for name in group_names():
        assert importlib.import_module(f"benchmarks.operations.{name}").SOURCE.name == name
    assert network_names() == ["lstm", "lstm2", "mlp", "resnet50", "vgg16"]
    names = [operation.name for group in choose_operations([]) for operation in group.operations]
    assert len(ALL) == len(names)
    assert load_source("benchmarks.operations.matmul").operation("square-64").flops == 2 * 64**3


def test_the_products_that_are_asked_for() -> None:
    names = {name.partition("/")[2] for name in ALL if name.startswith("matmul/")}
    assert names >= {f"square-{n}" for n in (64, 128, 256, 512, 1024, 2048, 127, 129, 1000)}
    assert names >= {"128x784x512", "512x128x784", "1x784x512", "4096x64x10"}
    assert names >= {
        f"{shape}-{a}" for shape in ("square-512", "128x784x512") for a in ("tn", "nt", "tt")
    }


def test_inputs_depend_on_the_seed_only() -> None:
    operation = product(3, 4, 5)
    for first, again, other in zip(*map(operation.inputs, (0, 0, 1)), strict=True):
        np.testing.assert_array_equal(first, again)
        assert np.any(first != other)


LARGE = ("beyond", "10M", "2048")


@pytest.mark.parametrize(
    "name", [n for n in ALL if not n.endswith(LARGE) and not n.startswith("conv")]
)
def test_traffic_is_inputs_and_results(name: str) -> None:
    operation = ALL[name]
    inputs = operation.inputs(0)
    results = sum(4 * np.size(expected.value) for expected in operation.expect(inputs))
    assert operation.traffic == sum(array.nbytes for array in inputs) + results


def test_flops_as_pytorch_counts_them() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    operations = [ALL[name] for name in CHECKED if name.startswith("matmul/")]
    for operation in [*operations, mlp.at_batch(3)]:
        call = operation.builds["torch"](operation.inputs(0), {})
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            call.run(0)
        assert operation.flops == counter.get_total_flops()


def test_sizes_are_inside_and_beyond_the_last_level_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for cache in (1 << 20, 32 << 20, 200 << 20):
        monkeypatch.setattr("benchmarks.sizes.last_level_cache", lambda cache=cache: cache)
        assert 2 * traffic_inside() < cache
        assert 4 * cache <= traffic_beyond() <= 1 << 30
    assert rows_for(1 << 20, 4096) == 256
    assert rows_for(10, 4096) == 64


@pytest.mark.parametrize("build", FRAMEWORKS)
@pytest.mark.parametrize("name", CHECKED)
def test_frameworks_compute_what_is_expected(name: str, build: str) -> None:
    assert check(ALL[name], build) <= 1


@pytest.mark.parametrize("build", FRAMEWORKS)
def test_gelu(build: str) -> None:
    chains = importlib.import_module("benchmarks.operations.chains")
    assert check(chains.gelu("small", traffic=100_000), build) <= 1


@pytest.mark.parametrize(
    ("build", "options"), [("neurona", {}), ("torch", {}), ("torch", {"fused": True})]
)
def test_adam(build: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    adam = importlib.import_module("benchmarks.operations.adam")
    monkeypatch.setattr(adam, "SIZE", 20)
    (operation,) = adam.SOURCE.operations
    assert operation.traffic == 28 * 10_000_000
    assert check(operation, build, **options) <= 1
    monkeypatch.setattr(adam, "LEARNING_RATE", 1.01 * adam.LEARNING_RATE)
    expected = operation.expect(operation.inputs(0))
    monkeypatch.undo()
    monkeypatch.setattr(adam, "SIZE", 20)
    call = operation.builds[build](operation.inputs(0), options)
    results = [call.run(i) for i in range(operation.checked_calls)]
    with pytest.raises(MismatchError, match="times as far as rounding may lead"):
        compare_values(call.arrays(results[-1]), expected)


@pytest.mark.parametrize("build", FRAMEWORKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_inference(batch: int, build: str) -> None:
    operation = load_source("benchmarks.inference.mlp").operation(str(batch))
    assert operation.batch == batch
    assert check(operation, build) <= 1


def test_inference_returns_numpy_arrays_for_its_own_request() -> None:
    operation = mlp.at_batch(2)
    call = operation.builds["neurona"](operation.inputs(0), {"threads": 1})
    first, second, again = (call.run(i) for i in (0, 1, mlp.REQUESTS))
    assert type(first) is np.ndarray
    assert np.any(first != second)
    np.testing.assert_array_equal(first, again)


def test_half_precision_is_seen() -> None:
    operation = product(64, 512, 64)
    a, b = operation.inputs(0)
    exact = operation.expect([a, b])
    halves = [array.astype(np.float16).astype(np.float32) for array in (a, b)]
    with pytest.raises(MismatchError, match="times as far"):
        compare_values([halves[0] @ halves[1]], exact)
    requests, weights = mlp.split(mlp.at_batch(4).inputs(0))
    rough = [array.astype(np.float16).astype(np.float32) for array in weights.values()]
    (rounded,) = mlp.expect([*requests, *rough])
    with pytest.raises(MismatchError, match="times as far"):
        compare_values([rounded.value.astype(np.float32)], mlp.expect(mlp.at_batch(4).inputs(0)))


def test_results_that_differ_are_refused() -> None:
    operation = total("rows", "small", 4, 8)
    (right,) = operation.expect(operation.inputs(0))
    value = right.value.astype(np.float32)
    assert compare_values([value], [right]) < 1
    wrong = value.copy()
    wrong[2] += 1e-3
    with pytest.raises(MismatchError, match=r"result 0\[2\] is .* instead of"):
        compare_values([wrong], [right])
    wrong[2] = np.nan
    with pytest.raises(MismatchError, match=r"result 0\[2\] is nan"):
        compare_values([wrong], [right])
    with pytest.raises(MismatchError, match="is float64, not float32"):
        compare_values([right.value], [right])
    with pytest.raises(MismatchError, match=r"has shape \(4, 1\), not \(4,\)"):
        compare_values([value[:, None]], [right])
    with pytest.raises(MismatchError, match="0 results, expected 1"):
        compare_values([], [right])
    scalar = Expected(np.asarray(2.0), np.asarray(1e-6))
    with pytest.raises(MismatchError, match="result 0 is 3 instead of 2"):
        compare_values([np.float32(3).reshape(())], [scalar])


def test_choose_operations() -> None:
    (matmul,) = choose_operations(["matmul/1x784x512", "matmul/square-64"])
    assert [operation.name for operation in matmul.operations] == ["square-64", "1x784x512"]
    (several,) = choose_operations(["conv/lenet-*-b128", "conv/vgg16-weight-512x14*"])
    assert len(several.operations) == 5 + 2
    both = choose_operations(["adam", "matmul/square-64", "matmul"])
    assert [group.name for group in both] == ["adam", "matmul"]
    assert len(both[1].operations) > 20
