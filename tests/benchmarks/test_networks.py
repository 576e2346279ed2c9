"""The networks of pictures: counted right, and the same in every form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.check import MismatchError, compare_values
from benchmarks.networks import described, exact, modules
from benchmarks.networks.convolutions import all_convolutions, convolution
from benchmarks.networks.inference import inference_of
from benchmarks.networks.layers import Convolution, Description
from benchmarks.operation import Network

# Thin networks on small pictures.
SMALL: Mapping[str, dict[str, int]] = {
    "lenet": {},
    "alexnet": {"side": 67, "classes": 20, "divide": 16},
    "vgg16": {"side": 32, "classes": 10, "divide": 16},
    "resnet18": {"side": 16, "divide": 16},
    "resnet50": {"side": 32, "classes": 10, "divide": 16},
}
FRAMEWORKS = {"neurona": "neurona", "torch": "torch", "onnxruntime": "onnx"}


def small(name: str) -> tuple[Description, Network]:
    net = getattr(described, name)(**SMALL[name])
    make = getattr(modules, name)
    return net, inference_of(name, "small", net, lambda nn: make(nn, **SMALL[name]))


@pytest.mark.parametrize(
    ("name", "parameters", "gigaflops", "convolutions"),
    [
        ("lenet", 61_706, 0.00083304, 2),
        ("alexnet", 62_378_344, 2.270512192, 5),
        ("vgg16", 138_357_544, 30.940528640, 9),
        ("resnet18", 11_173_962, 1.110845440, 11),
        ("resnet50", 25_557_032, 8.178368512, 23),
    ],
)
def test_counts_of_the_networks(
    name: str, parameters: int, gigaflops: float, convolutions: int
) -> None:
    net = getattr(described, name)()
    assert net.parameters() == parameters
    assert net.forward_flops(2) == round(2e9 * gigaflops)
    assert len(net.convolutions()) == convolutions
    first = net.convolutions()[0]
    assert net.training_flops(1) == 3 * net.forward_flops(1) - first.flops(1)


@pytest.mark.parametrize("name", SMALL)
def test_the_answer_in_float64_is_pytorch_s(name: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    net, _ = small(name)
    weights = net.weights(np.random.default_rng(0), trained=True)
    model = getattr(modules, name)(torch.nn, **SMALL[name]).eval()
    named = {key: torch.from_numpy(value) for key, value in weights.items()}
    missing, unexpected = model.load_state_dict(named, strict=False)
    assert unexpected == []
    assert [key for key in missing if not key.endswith("num_batches_tracked")] == []
    x = np.random.default_rng(1).standard_normal((2, *net.layers[0].shape)).astype(np.float32)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        right = model.double()(torch.from_numpy(x).double()).numpy()
    assert counter.get_total_flops() == net.forward_flops(2)
    (largest,) = [np.abs(right).max()]
    expected = exact.answer(net, weights, x)
    np.testing.assert_allclose(expected.value, right, rtol=0, atol=1e-13 * largest)
    # Weights in half precision are refused.
    rough = {key: value.astype(np.float16).astype(np.float32) for key, value in weights.items()}
    rounded = exact.answer(net, rough, x).value.astype(np.float32)
    with pytest.raises(MismatchError, match="times as far"):
        compare_values([rounded], [expected])


@pytest.mark.parametrize(
    ("name", "build"),
    [
        *(("lenet", build) for build in FRAMEWORKS),
        ("resnet50", "torch"),
        ("resnet50", "onnxruntime"),
        pytest.param("resnet50", "neurona", marks=pytest.mark.slow),
        *(pytest.param("vgg16", build, marks=pytest.mark.slow) for build in FRAMEWORKS),
    ],
)
def test_frameworks_answer_what_is_expected(name: str, build: str) -> None:
    if build == "onnxruntime":
        pytest.importorskip("onnxruntime")
    pytest.importorskip(FRAMEWORKS[build])
    _, network = small(name)
    operation = network.operation("2")
    expected = operation.expect(operation.inputs(0))
    variants: list[Mapping[str, Any]] = [{}]
    if build == "torch":
        variants = [variant.options for variant in operation.variants["torch"]]
    for options in variants:
        call = operation.builds[build](operation.inputs(0), {"threads": 1, **options})
        with call.scope():
            results = [call.run(i) for i in range(operation.checked_calls)]
        assert type(results[-1]) is np.ndarray
        assert compare_values([results[-1]], expected) <= 1


@pytest.mark.parametrize(
    ("window", "stride", "padding"), [(1, 1, 0), (1, 2, 0), (3, 2, 1), (3, 1, 1), (5, 1, 0)]
)
def test_convolutions_in_every_framework_and_layout(window: int, stride: int, padding: int) -> None:
    shape = Convolution(
        inputs=4, rows=9, columns=9, outputs=6, window=window, stride=stride, padding=padding
    )
    layouts = ("channels last", "batch last", "channels first")
    for which in ("forward", "input", "weight"):
        operation = convolution("any", shape, which, 3, layouts)
        expected = operation.expect(operation.inputs(0))
        inputs = operation.inputs(0)
        moved = sum(array.nbytes for array in inputs) + 4 * expected[0].value.size
        assert operation.traffic == moved
        for build, variants in operation.variants.items():
            pytest.importorskip(build)
            for variant in variants:
                call = operation.builds[build](inputs, variant.options)
                with call.scope():
                    arrays = call.arrays(call.run(0))
                assert compare_values(arrays, expected) <= 1
    rough = [array.astype(np.float16).astype(np.float64) for array in inputs]
    rounded = exact.conv_weight_gradient(shape, *rough).astype(np.float32)
    with pytest.raises(MismatchError, match="times as far"):
        compare_values([rounded], expected)


def test_the_convolutions_that_are_asked_for() -> None:
    operations = all_convolutions(lambda shape: ("channels last",))
    names = [operation.name for operation in operations]
    assert len(set(names)) == len(names)
    layers = {"lenet": 2, "alexnet": 5, "vgg16": 9, "resnet50": 23}
    for network, count in layers.items():
        for batch in (1, 8) if network != "lenet" else (1, 8, 128):
            of = [n for n in names if n.startswith(network) and n.endswith(f"-b{batch}")]
            assert len(of) == 3 * count - 1  # nobody needs the gradient of the pictures
    assert "resnet50-forward-256x28-256-3x3-s2-b8" in names
    assert "vgg16-input-512x14-512-3x3-b1" in names
    assert "alexnet-weight-3x227-96-11x11-s4-b8" in names
    (one,) = [o for o in operations if o.name == "vgg16-forward-64x224-64-3x3-b1"]
    assert one.flops == 2 * 224 * 224 * 64 * 64 * 9
