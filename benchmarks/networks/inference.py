"""What the inference of the networks shares: inputs, what is expected, a build per framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.calls import onnx_session
from benchmarks.case import Arrays
from benchmarks.dense import FLOAT_BYTES
from benchmarks.networks.exact import answer
from benchmarks.networks.layers import Description, Layer
from benchmarks.networks.modules import fold_batch_norm
from benchmarks.operation import Call, Expected, Inputs, Network, Operation
from benchmarks.peers import Variant

REQUESTS = 4  # different inputs, cycled over
EAGER = (Variant("default", {}), Variant("channels-last", {"channels_last": True}))
FOLDED = (
    Variant("folded", {"folded": True}),
    Variant("folded channels-last", {"folded": True, "channels_last": True}),
)


def inference_of(
    name: str, description: str, net: Description, network: Callable[[Any], Any]
) -> Network:
    """`network(nn)` makes the module from `neurona.nn` or `torch.nn`; `net` describes the same."""
    names = [name for name, _ in net.shapes()]

    def split(inputs: Inputs) -> tuple[Inputs, Arrays]:
        return inputs[:REQUESTS], dict(zip(names, inputs[REQUESTS:], strict=True))

    def expect(inputs: Inputs) -> list[Expected]:
        requests, weights = split(inputs)
        return [answer(net, weights, requests[1])]

    def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        import neurona as ne
        from neurona import nn

        requests, weights = split(inputs)
        model = network(nn)
        model.load_state_dict(weights, strict=False)  # but for num_batches_tracked
        model.eval()

        @ne.compile
        def predict(x: Any) -> Any:
            return model(x)

        return Call(run=lambda i: predict(requests[i % REQUESTS]).numpy())

    def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        import torch

        requests, weights = split(inputs)
        model = network(torch.nn)
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        model.load_state_dict(tensors, strict=False)
        model.eval()
        memory = torch.channels_last if options.get("channels_last") else torch.preserve_format
        if options.get("folded"):
            fold_batch_norm(model)
        model = model.to(memory_format=memory)
        if options.get("compile"):
            if options.get("freezing"):
                import torch._inductor.config

                torch._inductor.config.freezing = True
            model = torch.compile(model)

        def run(i: int) -> np.ndarray:
            result = model(torch.from_numpy(requests[i % REQUESTS]).to(memory_format=memory))
            return np.asarray(result.numpy())

        return Call(run=run, scope=torch.inference_mode)

    def build_onnx(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        requests, weights = split(inputs)
        session = onnx_session(onnx_nodes(net), {"v0": requests[0]}, options, weights)
        return Call(run=lambda i: session.run(None, {"v0": requests[i % REQUESTS]})[0])

    def at_batch(batch: int) -> Operation:
        shape = (batch, *net.layers[0].shape)
        values = sum(int(np.prod(of)) for _, of in net.shapes())
        ends = int(np.prod(shape)) + batch * net.layers[-1].shape[0]

        def make_inputs(rng: np.random.Generator) -> Inputs:
            requests = [rng.standard_normal(shape, dtype=np.float32) for _ in range(REQUESTS)]
            return [*requests, *net.weights(rng, trained=True).values()]

        return Operation(
            name=str(batch),
            description=f"inference of {description}, batch {batch}",
            batch=batch,
            make_inputs=make_inputs,
            expect=expect,
            builds={
                "neurona": build_neurona,
                "torch": build_torch,
                "torch-compile": build_torch,
                "onnxruntime": build_onnx,
            },
            flops=net.forward_flops(batch),
            traffic=FLOAT_BYTES * (values + ends),
            checked_calls=2,
            variants={"torch": (*EAGER, *FOLDED) if net.buffers() else EAGER},
        )

    return Network(name, description, at_batch, batches=(1, 8))


def onnx_nodes(net: Description) -> list[tuple[str, list[str], str, dict[str, Any]]]:
    """The network as ONNX nodes; the result of layer i is called v{i}, weights by their names."""
    nodes: list[tuple[str, list[str], str, dict[str, Any]]] = []
    for place, layer in enumerate(net.layers[1:], start=1):
        x, result = [f"v{of}" for of in layer.inputs], f"v{place}"
        window = {
            "kernel_shape": [layer.window] * 2,
            "strides": [layer.stride] * 2,
            "pads": [layer.padding] * 4,
        }
        if layer.kind == "conv":
            nodes.append(("Conv", [*x, *_parameters(layer)], result, window))
        elif layer.kind == "max_pool":
            nodes.append(("MaxPool", x, result, window))
        elif layer.kind == "norm":
            parts = ("weight", "bias", "running_mean", "running_var")
            names = [f"{layer.name}.{part}" for part in parts]
            nodes.append(("BatchNormalization", [*x, *names], result, {"epsilon": 1e-5}))
        elif layer.kind == "mean":
            nodes.append(("GlobalAveragePool", x, f"{result}.mean", {}))
            nodes.append(("Flatten", [f"{result}.mean"], result, {}))
        elif layer.kind == "linear":
            nodes.append(("Flatten", x, f"{result}.flat", {}))
            nodes.append(("Gemm", [f"{result}.flat", *_parameters(layer)], result, {"transB": 1}))
        else:
            nodes.append(({"relu": "Relu", "add": "Add"}[layer.kind], x, result, {}))
    return nodes


def _parameters(layer: Layer) -> list[str]:
    return [f"{layer.name}.weight"] + [f"{layer.name}.bias"] * layer.bias
