"""Generation: the GPT of the training case goes on with a prompt until its context is full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod, sqrt
from typing import Any

import numpy as np

from benchmarks.cases.gpt import SIZES
from benchmarks.dense import FLOAT_BYTES
from benchmarks.language import SYMBOLS
from benchmarks.networks.gpt import EPSILON, Sizes
from benchmarks.operation import Call, Expected, Group, Inputs, Operation

PROMPTS = 4  # different ones, cycled over
PROMPT = 8  # symbols
DEVIATION = 0.2  # of the weights: ten times as much as training begins with, else all is repetition


def split(inputs: Inputs, sizes: Sizes) -> tuple[Inputs, dict[str, np.ndarray]]:
    """The prompts, and the weights by their names."""
    return inputs[:PROMPTS], dict(zip(sizes.shapes(), inputs[PROMPTS:], strict=True))


def scores_of(sizes: Sizes, weights: Mapping[str, np.ndarray], symbols: np.ndarray) -> np.ndarray:
    """What comes after these symbols, (symbols,), without a cache, as exact as the weights."""
    p = weights
    time, heads = len(symbols), sizes.heads

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + EPSILON)
        return x * p[f"{name}.weight"] + p[f"{name}.bias"]

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ p[f"{name}.weight"] + p[f"{name}.bias"]

    x = p["wte.weight"][symbols] + p["wpe.weight"][:time]
    for layer in range(sizes.layers):
        block = f"h.{layer}"
        parts = linear(f"{block}.attn.c_attn", norm(f"{block}.ln_1", x))
        q, k, v = parts.reshape(time, 3, heads, -1).transpose(1, 2, 0, 3)
        scores = q @ k.transpose(0, 2, 1) / sqrt(q.shape[-1])
        scores[:, np.triu(np.ones((time, time), bool), 1)] = -np.inf
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        taken = powers / powers.sum(-1, keepdims=True) @ v
        x = x + linear(f"{block}.attn.c_proj", taken.transpose(1, 0, 2).reshape(x.shape))
        inside = linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", x))
        inside *= 0.5 * (
            1 + np.tanh(sqrt(2 / np.pi) * (inside + 0.044715 * inside * inside * inside))
        )
        x = x + linear(f"{block}.mlp.c_proj", inside)
    return np.asarray(norm("ln_f", x)[-1] @ p["wte.weight"].T)


def generated(sizes: Sizes, weights: Mapping[str, np.ndarray], prompt: np.ndarray) -> np.ndarray:
    """The most probable symbols after the prompt, one by one until the context is full."""
    exact = {name: value.astype(np.float64) for name, value in weights.items()}
    symbols = list(prompt)
    while len(symbols) < sizes.context:
        symbols.append(int(scores_of(sizes, exact, np.array(symbols)).argmax()))
    return np.array(symbols[len(prompt) :])


def torch_generator(
    sizes: Sizes, weights: Mapping[str, np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    """Functions on tensors in PyTorch: a cache for the whole context, nothing made needlessly."""
    import torch
    from torch.nn import functional as F

    p = {name: torch.from_numpy(value) for name, value in weights.items()}
    layers, heads, d = range(sizes.layers), sizes.heads, sizes.features
    wte, wpe = p["wte.weight"], p["wpe.weight"]
    final = ((d,), p["ln_f.weight"], p["ln_f.bias"])
    norms = [
        [((d,), p[f"h.{i}.ln_{n}.weight"], p[f"h.{i}.ln_{n}.bias"]) for n in (1, 2)] for i in layers
    ]
    parts = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    linears = [
        [(p[f"h.{i}.{part}.weight"].t().contiguous(), p[f"h.{i}.{part}.bias"]) for part in parts]
        for i in layers
    ]
    caches = [torch.zeros(2, 1, heads, sizes.context, d // heads) for _ in layers]

    def read(symbols: torch.Tensor, start: int) -> torch.Tensor:
        """The most probable symbol after (1, time) symbols, the first at position `start`."""
        time = symbols.shape[1]
        end = start + time
        x = F.embedding(symbols, wte) + wpe[start:end]
        for cache, (norm_1, norm_2), (qkv, joined, inner, outer) in zip(
            caches, norms, linears, strict=True
        ):
            y = F.linear(F.layer_norm(x, *norm_1), *qkv)
            y = y.view(1, time, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
            cache[:, :, :, start:end] = y[1:]
            k, v = cache[:, :, :, :end]
            taken = F.scaled_dot_product_attention(y[0], k, v, is_causal=start == 0)
            x = x + F.linear(taken.transpose(1, 2).reshape(1, time, d), *joined)
            y = F.gelu(F.linear(F.layer_norm(x, *norm_2), *inner), approximate="tanh")
            x = x + F.linear(y, *outer)
        return F.linear(F.layer_norm(x[:, -1], *final), wte).argmax(-1, keepdim=True)

    def generate(prompt: np.ndarray) -> np.ndarray:
        symbols = [read(torch.from_numpy(prompt)[None], 0)]
        for start in range(len(prompt), sizes.context - 1):
            symbols.append(read(symbols[-1], start))
        return np.asarray(torch.cat(symbols, 1)[0].numpy())

    return generate


def generation_of(sizes: Sizes) -> Operation:
    """Greedy generation of one sequence; a call gives the symbols behind a prompt."""
    tokens = sizes.context - PROMPT

    def make_inputs(rng: np.random.Generator) -> Inputs:
        prompts = [rng.integers(0, SYMBOLS, PROMPT) for _ in range(PROMPTS)]
        return [*prompts, *sizes.weights(rng, DEVIATION).values()]

    def expect(inputs: Inputs) -> list[Expected]:
        prompts, weights = split(inputs, sizes)
        return [Expected(generated(sizes, weights, prompts[1]), np.float64(0.5))]

    def call(generate: Callable[[np.ndarray], np.ndarray], prompts: Inputs, **more: Any) -> Call:
        return Call(
            run=lambda i: generate(prompts[i % PROMPTS]),
            arrays=lambda result: [result.astype(np.float32)],
            **more,
        )

    def build_neurona(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        from neurona.text import TokenGenerator

        prompts, weights = split(inputs, sizes)
        model = sizes.neurona()
        model.load_state_dict(weights)
        model.eval()
        generator = TokenGenerator(model, temperature=0)
        return call(lambda prompt: generator.generate([prompt], tokens)[0], prompts)

    def build_torch(inputs: Inputs, options: Mapping[str, Any]) -> Call:
        import torch

        prompts, weights = split(inputs, sizes)
        generate = torch_generator(sizes, weights)
        return call(generate, prompts, scope=torch.inference_mode)

    parameters = sum(prod(shape) for shape in sizes.shapes().values())
    return Operation(
        name="gpt",
        description=f"{sizes.description()}; a prompt of {PROMPT} and {tokens} more symbols,"
        " each the most probable; one sequence, cached keys and values",
        make_inputs=make_inputs,
        expect=expect,
        builds={"neurona": build_neurona, "torch": build_torch},
        traffic=FLOAT_BYTES * parameters * tokens,
        tokens=tokens,
        checked_calls=2,
    )


SOURCE = Group("generate", "one sequence, greedy", (generation_of(SIZES),))
