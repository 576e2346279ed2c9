"""Convolutions and their gradients as operations to time, for the layers of the networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import prod
from typing import Any

import numpy as np

from benchmarks.dense import FLOAT_BYTES
from benchmarks.networks import described, exact
from benchmarks.networks.layers import Convolution
from benchmarks.operation import EPSILON, Call, Expected, Inputs, Operation
from benchmarks.peers import Variant
from benchmarks.sizes import normal

NETWORKS = {
    "lenet": (described.lenet, (1, 8, 128)),
    "alexnet": (described.alexnet, (1, 8)),
    "vgg16": (described.vgg16, (1, 8)),
    "resnet50": (described.resnet50, (1, 8)),
}
PICTURES = (1, 3)  # channels of what the first layers read: nobody needs its gradient
# For each pass its two operands of x, w and y; the third is the result.
PASSES = {"forward": ("x", "w"), "input": ("y", "w"), "weight": ("x", "y")}
EXACT: Mapping[str, Callable[..., np.ndarray]] = {
    "forward": exact.conv,
    "input": exact.conv_input_gradient,
    "weight": exact.conv_weight_gradient,
}
ORDERS = {"channels first": (0, 1, 2, 3), "channels last": (0, 2, 3, 1), "batch last": (1, 2, 3, 0)}
FEW_CHANNELS = 16  # up to here a network may keep its pictures with the batch last


WINOGRAD = (3, 5)
TILE = 4  # results that one tile has along an axis


def largest_near(terms: np.ndarray, reach: int) -> np.ndarray:
    """The largest of the places at most `reach` away along either of the last two axes."""
    for axis in (-2, -1):
        lines = np.moveaxis(terms, axis, -1)
        found = lines.copy()
        for by in range(1, min(reach, lines.shape[-1] - 1) + 1):
            np.maximum(found[..., by:], lines[..., :-by], out=found[..., by:])
            np.maximum(found[..., :-by], lines[..., by:], out=found[..., :-by])
        terms = np.moveaxis(found, -1, axis)
    return terms


def all_convolutions(layouts: Callable[[Convolution], Iterable[str]]) -> tuple[Operation, ...]:
    """Every distinct layer of the networks, every pass; `layouts(shape)` are Neurona's."""
    return tuple(
        convolution(network, shape, which, batch, tuple(layouts(shape)))
        for network, (describe, batches) in NETWORKS.items()
        for batch in batches
        for shape in describe().convolutions()
        for which in PASSES
        if which != "input" or shape.inputs not in PICTURES
    )


def convolution(
    network: str, shape: Convolution, which: str, batch: int, layouts: tuple[str, ...]
) -> Operation:
    """One pass of one layer. With "channels first" PyTorch keeps to that order too."""
    sizes = {
        "x": (batch, shape.inputs, shape.rows, shape.columns),
        "w": shape.weight,
        "y": (batch, *shape.result),
    }
    operands = PASSES[which]

    def expect(inputs: Inputs) -> list[Expected]:
        values = [array.astype(np.float64) for array in inputs]
        terms = EXACT[which](shape, *map(np.abs, values))
        if shape.stride == 1 and shape.window in WINOGRAD:
            # Winograd's errors are those of a whole tile; at its edges some results have few terms.
            terms = largest_near(terms, shape.window - 1 if which == "weight" else TILE - 1)
        allowed = 8 * EPSILON * terms + np.finfo(np.float32).tiny  # some places have no terms
        return [Expected(EXACT[which](shape, *values), allowed)]

    def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        return _neurona_call(shape, which, inputs, options["layout"])

    def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        return _torch_call(shape, which, inputs, channels_last=options["channels_last"])

    in_order = Variant("NCHW", {"channels_last": False})
    channels_last = Variant("channels-last", {"channels_last": True})
    plain = layouts == ("channels first",)
    size = f"{shape.inputs}x{shape.rows}-{shape.outputs}-{shape.window}x{shape.window}"
    stride = f"-s{shape.stride}" if shape.stride > 1 else ""
    return Operation(
        name=f"{network}-{which}-{size}{stride}-b{batch}",
        description=f"{which} pass of {sizes['x']} * {sizes['w']}, stride {shape.stride},"
        f" padding {shape.padding}",
        batch=batch,
        make_inputs=lambda rng: [normal(rng, *sizes[operand]) for operand in operands],
        expect=expect,
        builds={"neurona": build_neurona, "torch": build_torch},
        flops=shape.flops(batch),
        traffic=FLOAT_BYTES * sum(map(prod, sizes.values())),
        variants={
            "neurona": tuple(Variant(layout, {"layout": layout}) for layout in layouts),
            "torch": (in_order,) if plain else (channels_last, in_order),
        },
    )


def _neurona_call(shape: Convolution, which: str, inputs: Inputs, layout: str) -> Call:
    import neurona as ne
    from neurona.core.apply import apply
    from neurona.ops import convolution as ops

    op, more = {
        "forward": (ops.CONV, {}),
        "input": (ops.CONV_INPUT_GRADIENT, {"spatial": (shape.rows, shape.columns)}),
        "weight": (ops.CONV_WEIGHT_GRADIENT, {"kernel": (shape.window,) * 2}),
    }[which]
    order = ORDERS[layout]
    arrays = [
        array if name == "w" else np.ascontiguousarray(array.transpose(order))
        for name, array in zip(PASSES[which], inputs, strict=True)
    ]

    @ne.compile
    def run(first: Any, second: Any) -> Any:
        return apply(
            op,
            first,
            second,
            strides=(shape.stride,) * 2,
            padding=((shape.padding,) * 2,) * 2,
            dilation=(1, 1),
            groups=1,
            layout=layout,
            **more,
        )

    def results(result: Any) -> list[np.ndarray]:
        value = result.numpy()
        return [value if which == "weight" else value.transpose(np.argsort(order))]

    return Call(run=lambda i: run(*arrays), arrays=results)


def _torch_call(shape: Convolution, which: str, inputs: Inputs, *, channels_last: bool) -> Call:
    import torch

    memory = torch.channels_last if channels_last else torch.contiguous_format
    first, second = (torch.from_numpy(array).to(memory_format=memory) for array in inputs)
    step, pad = [shape.stride] * 2, [shape.padding] * 2
    backward = torch.ops.aten.convolution_backward
    rest = (None, step, pad, [1, 1], False, [0, 0], 1)
    if which == "forward":
        run: Callable[[int], Any] = lambda i: torch.conv2d(first, second, None, step, pad)  # noqa: E731
    elif which == "input":
        x = torch.empty(len(first), shape.inputs, shape.rows, shape.columns)
        x = x.to(memory_format=memory)
        run = lambda i: backward(first, x, second, *rest, [True, False, False])[0]  # noqa: E731
    else:
        w = torch.empty(shape.weight).to(memory_format=memory)
        run = lambda i: backward(second, first, w, *rest, [False, True, False])[1]  # noqa: E731
    return Call(
        run=run, arrays=lambda result: [result.contiguous().numpy()], scope=torch.inference_mode
    )
