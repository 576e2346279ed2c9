"""Whole training steps of random small networks, compiled and eager, within their ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurona as ne
from neurona import nn, optim
from neurona.compiler import compile
from neurona.core.trace import recording
from neurona.core.variable import Variable
from tests.compiler import bounds
from tests.compiler.graphs import Array
from tests.compiler.guards import guarded
from tests.compiler.ranges import Range
from tests.compiler.test_random_graphs import agree, some

functional = nn.functional

ACTIVATIONS = (
    nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Mish,
    nn.Hardswish, nn.Softsign, nn.Identity,
)  # fmt: skip
LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "huber": functional.huber_loss,
    "cross entropy": lambda x, y: functional.cross_entropy(x, ne.argmax(y, axis=1)),
    "of probabilities": lambda x, y: functional.cross_entropy(x, functional.softmax(y, dim=1)),
    "of bits": lambda x, y: functional.binary_cross_entropy_with_logits(x, ne.sigmoid(y)),
    "nll, smoothed": lambda x, y: functional.cross_entropy(
        x, ne.argmax(y, axis=1), label_smoothing=0.1, reduction="sum"
    ),
}
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "dampened": lambda p: optim.SGD(p, 0.1, momentum=0.9, dampening=0.5),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, 0.01),
    "adam, decayed": lambda p: optim.Adam(p, 0.01, betas=(0.8, 0.9), weight_decay=0.01),
    "adamw": lambda p: optim.AdamW(p, 0.01),
}


@dataclass(frozen=True)
class Training:
    """A network, how it learns, and from what; enough to make it anew."""

    seed: int
    batch: int
    widths: tuple[int, ...]
    between: tuple[tuple[str, ...], ...]
    loss: str
    optimizer: str
    clip: str
    penalty: bool
    frozen: bool
    tied: bool

    def made(self) -> tuple[nn.Module, Callable[..., list[Any]]]:
        """The network and its training step, which returns the loss and what the network gave."""
        ne.random.seed(self.seed)
        layers: list[nn.Module] = []
        for inside, outside, kinds in zip(self.widths, self.widths[1:], self.between, strict=False):
            layers.append(nn.Linear(inside, outside, bias="no bias" not in kinds))
            layers += [made(kind, outside) for kind in kinds if kind != "no bias"]
        if self.tied:
            layers += [layers[0], nn.Linear(self.widths[1], self.widths[-1])]
        model = nn.Sequential(*layers)
        for value in (*model.parameters(), *model.buffers()):
            if value.dtype == np.float32:
                value.assign(value + ne.random.uniform(value.shape, -0.1, 0.1))
        if self.frozen:
            layers[0].freeze()
        optimizer = OPTIMIZERS[self.optimizer](model.parameters())
        loss_of = LOSSES[self.loss]

        def step(x: Any, y: Any) -> list[Any]:
            output = model(x)
            loss = loss_of(output, y)
            if self.penalty:
                loss = loss + optim.l2(optim.weights(model), 0.01)
            loss.backward()
            learnt = [p for p in model.parameters() if p.grad is not None]
            norm = loss
            if self.clip == "norm":
                norm = optim.clip_gradient_norm(learnt, 0.5)
            elif self.clip == "value":
                optim.clip_gradient_value(learnt, 0.01)
            optimizer.step()
            return [loss, output, norm]

        return model, step

    def data(self) -> tuple[Array, Array]:
        rng = np.random.default_rng(self.seed)
        x = rng.normal(size=(self.batch, self.widths[0]))
        y = rng.normal(size=(self.batch, self.widths[-1]))
        return x.astype(np.float32), y.astype(np.float32)


def made(kind: str, width: int) -> nn.Module:
    match kind:
        case "batch norm":
            return nn.BatchNorm1d(width)
        case "layer norm":
            return nn.LayerNorm(width)
        case "rms norm":
            return nn.RMSNorm(width)
        case "dropout":
            return nn.Dropout(0.3)
        case "residual":
            return nn.Residual(nn.Sequential(nn.Linear(width, width), nn.Tanh()))
        case "maxout":
            return nn.Maxout(width, width)
        case "softmax":
            return nn.Softmax(dim=1)
    (chosen,) = [a for a in ACTIVATIONS if a.__name__ == kind]
    return chosen()


@st.composite
def trainings(draw: st.DrawFn) -> Training:
    width = st.sampled_from((1, 2, 3, 5, 8, 16, 17, 33, 40))
    widths = tuple(draw(width) for _ in range(draw(st.integers(2, 4))))
    special = ("batch norm", "layer norm", "rms norm", "dropout", "residual", "maxout", "softmax",
               "no bias")  # fmt: skip
    kinds = st.sampled_from(tuple(a.__name__ for a in ACTIVATIONS) + special)
    between = tuple(tuple(draw(st.lists(kinds, max_size=3, unique=True))) for _ in widths[1:])
    tied = len(widths) > 2 and widths[-1] == widths[0] and draw(st.booleans())
    return Training(
        draw(st.integers(0, 2**32 - 1)),
        draw(st.sampled_from((2, 3, 4, 7, 16, 33, 64))),
        widths,
        between,
        draw(st.sampled_from(tuple(LOSSES))),
        draw(st.sampled_from(tuple(OPTIMIZERS))),
        draw(st.sampled_from(("", "", "norm", "value"))),
        draw(st.integers(0, 3)) == 0,
        len(widths) > 2 and draw(st.integers(0, 4)) == 0,
        tied,
    )


def recorded(
    step: Callable[..., list[Any]], inputs: tuple[Array, ...]
) -> tuple[list[Variable], list[Range], list[Range]]:
    """The Variables the step uses, the ranges of its results and of their new values."""
    with recording() as trace:
        places = [trace.input(ne.asarray(x)._node.spec) for x in inputs]
        results = [x._resolve(trace) for x in step(*map(ne.Tensor, places))]
        variables = list(trace.reads)
        news = [v._resolve(trace) for v in variables]
    known: dict[Any, Any] = dict(zip(places, inputs, strict=True))
    known |= {node: v.numpy() for v, node in trace.reads.items()}
    known |= {node: handle.numpy() for handle, node in trace.captures.values()}
    found = bounds.ranges_of([*results, *news], known)
    return variables, found[: len(results)], found[len(results) :]


def check(training: Training, steps: int) -> None:
    inputs = training.data()
    (model, ours), (_, theirs) = training.made(), training.made()
    compiled = compile(ours)
    for i in range(steps):
        variables, allowed, news = recorded(ours, inputs)
        others, _, _ = recorded(theirs, inputs)
        before = [variable.numpy() for variable in variables]
        for kind, function, mine in (("compiled", compiled, variables), ("eager", theirs, others)):
            for variable, value in zip(mine, before, strict=True):
                variable.assign(value)
            results = function(*map(ne.asarray, inputs))
            for j, (result, bound) in enumerate(zip(results, allowed, strict=True)):
                agree(f"{kind} result {j} of step {i}", result.numpy(), bound)
            for variable, bound in zip(mine, news, strict=True):
                agree(f"{kind} {variable.name} after step {i}", variable.numpy(), bound)
    model.eval()
    forward = compile(model)
    x = ne.asarray(inputs[0])
    _, (bound,), _ = recorded(lambda x: [model(x)], inputs[:1])
    agree("prediction", forward(x).numpy(), bound)
    agree("eager prediction", model(x).numpy(), bound)


@pytest.mark.timeout(0)
@some(25)
@given(trainings())
def test_a_training_step_gives_what_it_gives_eagerly(training: Training) -> None:
    with guarded():
        check(training, steps=2)
