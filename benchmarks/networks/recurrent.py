"""Language models of recurrent layers: what there is to count, initial weights, JAX, modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.case import Arrays, Case, Tolerance
from benchmarks.language import SYMBOLS, language_case
from benchmarks.peers import Variant

GATES = {"LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class Sizes:
    """Layers of `features` units; `kind` is "LSTM" or "GRU", of which `nn` has a class."""

    kind: str
    features: int
    layers: int

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, as in PyTorch."""
        rows = GATES[self.kind] * self.features
        shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (SYMBOLS, self.features)}
        for layer in range(self.layers):
            shapes |= {
                f"rnn.weight_ih_l{layer}": (rows, self.features),
                f"rnn.weight_hh_l{layer}": (rows, self.features),
                f"rnn.bias_ih_l{layer}": (rows,),
                f"rnn.bias_hh_l{layer}": (rows,),
            }
        return shapes | {"head.weight": (SYMBOLS, self.features), "head.bias": (SYMBOLS,)}

    def weights(self, rng: np.random.Generator) -> Arrays:
        """N(0, 1) for the embedding, the rest uniform in ±1/√features, PyTorch's beginning."""
        bound = self.features**-0.5
        return {
            name: (
                rng.standard_normal(shape, dtype=np.float32)
                if name.startswith("embedding")
                else rng.uniform(-bound, bound, shape).astype(np.float32)
            )
            for name, shape in self.shapes().items()
        }

    def training_flops(self, batch: int, length: int) -> int:
        """Of one step: every product forward, and both its gradients.

        The state a layer begins with needs no gradient.
        """
        of_state = GATES[self.kind] * self.features**2
        products = 2 * self.layers * of_state + SYMBOLS * self.features
        return 2 * batch * (3 * length * products - self.layers * of_state)


def modules(nn: Any, sizes: Sizes) -> Any:
    """The network as a module; `nn` is `neurona.nn` or `torch.nn`. Symbols are (time, batch)."""

    class LanguageModel(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(SYMBOLS, sizes.features)
            self.rnn = getattr(nn, sizes.kind)(sizes.features, sizes.features, sizes.layers)
            self.head = nn.Linear(sizes.features, SYMBOLS)

        def forward(self, symbols: Any) -> Any:
            states, _ = self.rnn(self.embedding(symbols))
            return self.head(states)

    return LanguageModel()


def in_jax(sizes: Sizes, options: Mapping[str, Any]) -> Callable[[Any, Any], Any]:
    """The scores (time, batch, symbols); the input products of all steps are one product.

    Option `unroll` is how many steps a round of the loop has.
    """
    import jax
    import jax.numpy as jnp

    def lstm(x: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
        def step(state: Any, z: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(z + h @ weight_hh.T, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zero = jnp.zeros((x.shape[1], sizes.features))
        rows = x @ weight_ih.T + (bias_ih + bias_hh)
        return jax.lax.scan(step, (zero, zero), rows, unroll=options.get("unroll", 1))[1]

    def gru(x: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
        def step(h: Any, z: Any) -> Any:
            of_input, of_state = jnp.split(z, 3, axis=1), jnp.split(h @ weight_hh.T + bias_hh, 3, 1)
            r, u = (jax.nn.sigmoid(of_input[i] + of_state[i]) for i in (0, 1))
            n = jnp.tanh(of_input[2] + r * of_state[2])
            h = (1 - u) * n + u * h
            return h, h

        zero = jnp.zeros((x.shape[1], sizes.features))
        rows = x @ weight_ih.T + bias_ih
        return jax.lax.scan(step, zero, rows, unroll=options.get("unroll", 1))[1]

    layer_of = {"LSTM": lstm, "GRU": gru}[sizes.kind]

    def scores(p: Any, symbols: Any) -> Any:
        x = p["embedding.weight"][symbols]
        for layer in range(sizes.layers):
            kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            x = layer_of(x, *(p[f"rnn.{kind}_l{layer}"] for kind in kinds))
        return x @ p["head.weight"].T + p["head.bias"]

    return scores


def recurrent_case(
    name: str,
    sizes: Sizes,
    *,
    batch: int,
    length: int,
    learning_rate: float,
    tolerance: Tolerance,
) -> Case:
    """Training the language model, time first, with Adam."""

    def neurona_model() -> Any:
        from neurona import nn

        return modules(nn, sizes)

    def torch_model(options: Mapping[str, Any]) -> Any:
        import torch

        return modules(torch.nn, sizes)

    return language_case(
        name,
        f"{sizes.layers}×{sizes.features} {sizes.kind}, {SYMBOLS} symbols, T = {length}, softmax"
        f" cross-entropy, Adam {learning_rate:g}, batch {batch}",
        batch=batch,
        length=length,
        flops=sizes.training_flops(batch, length),
        make_weights=sizes.weights,
        neurona_model=neurona_model,
        torch_model=torch_model,
        jax_scores=lambda options: in_jax(sizes, options),
        learning_rate=learning_rate,
        time_first=True,
        tolerance=tolerance,
        variants={"jax": (Variant("unrolled by 4", {"unroll": 4}),)},
    )
