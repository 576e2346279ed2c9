"""An Elman network learns to spell "hello".

The alphabet is h, e, l, o; a character goes in as a one-hot vector, h = 1000 and l = 0010, and the
network says which comes next: after h an e, after e an l, after the first l another, after the
second an o. The two l look alike, so only the state can tell them apart.

python examples/hello.py
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import neurona as ne
from neurona import models, nn, optim, text


@dataclass(frozen=True, kw_only=True)
class Config:
    """features: units in the state."""

    word: str = "hello"
    features: int = 3
    steps: int = 150
    learning_rate: float = 0.05
    seed: int = 0


def show(network: models.RecurrentLanguageModel, tokens: np.ndarray, alphabet: str) -> None:
    """The scores of each step, a row a character that is read."""
    scores = network(tokens[None, :-1]).numpy()[0]  # (time, vocabulary)
    print("reads  one-hot " + "".join(f"{character:>7}" for character in alphabet) + "   says")
    for token, row in zip(tokens, scores, strict=False):
        bits = "".join("1" if token == i else "0" for i in range(len(alphabet)))
        numbers = "".join(f"{score:7.2f}" for score in row)
        print(f"  {alphabet[token]}    {bits}    {numbers}    {alphabet[row.argmax()]}")


def main(config: Config | None = None) -> str:
    """Train; returns what the network spells when it is given the first character."""
    config = config or Config()
    ne.random.seed(config.seed)
    vocabulary = text.Vocabulary(dict.fromkeys(config.word))
    tokenizer = text.CharacterTokenizer(vocabulary)
    tokens = tokenizer.encode(config.word)
    alphabet = "".join(vocabulary)
    network = models.RecurrentLanguageModel(
        vocabulary_size=len(vocabulary), cell="RNN", features=config.features, embedding=0
    )
    optimizer = optim.Adam(network.parameters(), config.learning_rate)

    @ne.compile
    def step(x: ne.Tensor, y: ne.Tensor) -> ne.Tensor:
        loss = nn.functional.token_cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        return loss

    print("before")
    show(network, tokens, alphabet)
    for _ in range(config.steps):
        loss = step(tokens[None, :-1], tokens[None, 1:])  # hell, ello
    print(f"\nafter {config.steps} steps, loss {loss.item():.4f}")
    show(network, tokens, alphabet)
    generator = text.TokenGenerator(network, temperature=0)
    first, length = config.word[0], len(config.word) - 1
    print("\ngiven the first character: ", end="")
    return first + generator.write(tokenizer, first, length)


if __name__ == "__main__":
    main()
