"""The frameworks' side that operations share: a function called on inputs that are ready.

Frameworks are imported inside, so that a worker loads only its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.operation import Build, Call, Inputs

OPSET = 20
IR_VERSION = 10  # the first that goes with opset 20 in every ONNX Runtime since 1.18
Nodes = Sequence[tuple[str, Sequence[str], str | Sequence[str], dict[str, Any]]]


def function_builds(
    function_of: Callable[[Any], Callable[..., Any]],
    nodes: Nodes,
    constants: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Build]:
    """Builds of a function that reads the same in Neurona and PyTorch, and as ONNX nodes.

    `function_of(library)` returns it; `library` is `neurona` or `torch`.
    """

    def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        import neurona

        return neurona_call(function_of(neurona), inputs)

    def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        import torch

        return torch_call(function_of(torch), inputs)

    def build_onnx(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        return onnx_call(nodes, inputs, options, constants)

    return {"neurona": build_neurona, "torch": build_torch, "onnxruntime": build_onnx}


def neurona_call(function: Callable[..., Any], inputs: Inputs) -> Call:
    """`function` compiled, called on NumPy arrays."""
    import neurona as ne

    compiled = ne.compile(function)
    return Call(run=lambda i: compiled(*inputs), arrays=lambda result: [result.numpy()])


def torch_call(function: Callable[..., Any], inputs: Inputs) -> Call:
    """`function` called eagerly, in inference mode, on tensors that share the arrays' memory."""
    import torch

    tensors = [torch.from_numpy(array) for array in inputs]
    return Call(
        run=lambda i: function(*tensors),
        arrays=lambda result: [result.numpy()],
        scope=torch.inference_mode,
    )


def onnx_call(
    nodes: Nodes,
    inputs: Inputs,
    options: Mapping[str, Any],
    constants: Mapping[str, np.ndarray] | None = None,
) -> Call:
    """A graph of ONNX nodes (operator, inputs, output, attributes), run on values made before.

    Inputs are named x0, x1, …; the result is the last node's.
    """
    import onnxruntime

    named = {f"x{position}": array for position, array in enumerate(inputs)}
    session = onnx_session(nodes, named, options, constants)
    values = {n: onnxruntime.OrtValue.ortvalue_from_numpy(array) for n, array in named.items()}
    return Call(
        run=lambda i: session.run_with_ort_values(None, values),
        arrays=lambda result: [value.numpy() for value in result],
    )


def onnx_session(
    nodes: Nodes,
    inputs: Mapping[str, np.ndarray],
    options: Mapping[str, Any],
    constants: Mapping[str, np.ndarray] | None = None,
    results: Sequence[str] | None = None,
) -> Any:
    """An inference session on the CPU with as many threads as every framework gets.

    results: names of what it gives; the last node's output without them.
    """
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    def outputs(names: str | Sequence[str]) -> list[str]:
        return [names] if isinstance(names, str) else list(names)

    graph = helper.make_graph(
        [helper.make_node(kind, names, outputs(to), **more) for kind, names, to, more in nodes],
        "benchmark",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in inputs.items()
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in results or outputs(nodes[-1][2])
        ],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options["threads"]
    settings.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
