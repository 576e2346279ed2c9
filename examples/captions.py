"""One to many: a network says what is on a canvas of digits, "three above seven".

The canvases hold one or two MNIST digits (where NEURONA_DATA names a folder with them, else those
that come with Neurona), and a caption tells where the first lies from the other; two to four are
true of two digits. Two describers write those to learn from: one always goes from left to right
and says what is more so, the other begins anywhere and says anything that is true.

A convolutional network sees the canvas and an LSTM says the words. After the canvas it gets either
the words said so far or zeros. A caption counts as right if it is true of its canvas, to the word.

python examples/captions.py [PICTURE.png]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona import data, models, optim, text
from neurona.core.errors import DataError
from neurona.nn import functional as F

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
WORDS = text.Vocabulary(["<start>", "<end>", *DIGITS, "above", "below", "left", "right", "of"])
START, END = WORDS.encode(["<start>", "<end>"]).tolist()
CLEAR = 3.0
"""Pixels by which centres must differ for a relation to hold."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """canvases: of an epoch; each epoch has others. feedback: whether words follow the canvas."""

    epochs: int = 20
    canvases: int = 5120
    test_canvases: int = 1000
    size: tuple[int, int] = (32, 32)
    count: tuple[int, int] = (1, 2)
    side: tuple[int, int] = (11, 14)
    widths: tuple[int, ...] = (16, 32, 64)
    hidden_size: int = 128
    batch_size: int = 16
    learning_rate: float = 0.004
    feedback: tuple[bool, ...] = (True, False)
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def length(self) -> int:
        """Words of the longest caption and its end: digits, and two words between each two."""
        return 3 * self.count[1] - 1


# --- what is true of a canvas ---


def relations(one: NDArray[Any], other: NDArray[Any]) -> list[str]:
    """Where a digit lies from another, what is more so first."""
    right, down = (one[:2] + one[2:4] - other[:2] - other[2:4]) / 2
    found = [
        (abs(right), "left of" if right < 0 else "right of"),
        (abs(down), "above" if down < 0 else "below"),
    ]
    found.sort(reverse=True)
    return [name for by, name in found if by >= CLEAR] or [found[0][1]]


def captions(digits: list[NDArray[Any]]) -> Iterator[str]:
    """Every caption that takes the digits in this order."""
    between = [relations(a, b) for a, b in pairwise(digits)]
    names = [DIGITS[int(digit[4])] for digit in digits]
    for chosen in product(*between):
        yield " ".join([names[0], *[f"{r} {n}" for r, n in zip(chosen, names[1:], strict=True)]])


def true_captions(objects: NDArray[Any]) -> set[str]:
    """All captions that are true of objects (digit, 5): box and class, −1 where there is none."""
    digits = list(objects[objects[:, 4] >= 0])
    return {caption for order in permutations(digits) for caption in captions(list(order))}


Describer = Callable[[NDArray[Any], np.random.Generator], str]


def in_order(objects: NDArray[Any], generator: np.random.Generator) -> str:
    """The caption that goes from left to right and says what is more so."""
    digits = objects[objects[:, 4] >= 0]
    return next(captions(list(digits[np.argsort(digits[:, 0] + digits[:, 2])])))


def at_will(objects: NDArray[Any], generator: np.random.Generator) -> str:
    """Any true caption."""
    digits = list(generator.permutation(objects[objects[:, 4] >= 0]))
    return str(generator.choice(list(captions(digits))))


DESCRIBERS: dict[str, Describer] = {"in order": in_order, "at will": at_will}


class Described:
    """Makes (image, words so far, words to say) of (image, objects), for a `data.Source`."""

    def __init__(self, describer: Describer, length: int) -> None:
        self.describer = describer
        self.length = length

    def __call__(self, sample: Any, generator: np.random.Generator) -> tuple[Any, ...]:
        image, objects = sample
        said = WORDS.encode(self.describer(objects, generator).split())
        words = np.full(self.length, END, np.int64)
        words[: len(said) + 1] = START, *said
        targets = np.full(self.length, -100, np.int64)
        targets[: len(said) + 1] = *said, END
        return image, words, targets


# --- learning and telling ---


def learn(
    canvases: data.DigitCanvases, describer: Describer, feedback: bool, seed: int, config: Config
) -> models.Captioner:
    """A captioner trained on canvases, every epoch on new ones."""
    ne.random.seed(seed)
    network = models.Captioner(
        len(WORDS),
        image_size=config.size,
        widths=config.widths,
        hidden_size=config.hidden_size,
        feedback=feedback,
    )
    optimizer = optim.Adam(network.parameters(), config.learning_rate)
    schedule = optim.schedules.OneCycle(epochs=config.epochs)

    @ne.compile
    def step(images: Any, words: Any, targets: Any) -> Any:
        loss = F.token_cross_entropy(network(images, words), targets)
        loss.backward()
        optimizer.step()
        return loss

    described = canvases.map(Described(describer, config.length))
    loader = data.StreamLoader(
        described, batch_size=config.batch_size, seed=seed, workers=1, drop_last=True
    )
    with loader:
        for epoch in range(config.epochs):
            for place, batch in enumerate(loader.epoch(epoch), epoch * len(loader)):
                factor = schedule.factor(place, len(loader))
                optimizer.learning_rate = config.learning_rate * factor
                step(*batch)
    return network.eval()


def tell(network: models.Captioner, images: Any, length: int) -> list[str]:
    """A caption for each image, the most probable word every time."""
    speaker = text.TokenGenerator(network, temperature=0, stop=[END])
    with ne.no_grad():
        state = network.begin(ne.asarray(images))
    told = speaker.generate([[START]] * len(images), length, state=state)
    return [" ".join(WORDS.decode(words[words != END])) for words in told]


def digits() -> tuple[data.Dataset, data.Dataset]:
    """Digits to learn from and others to test on."""
    try:
        return data.mnist()
    except DataError:
        embedded = data.digits()
        training, test = data.split(embedded, (0.8, 0.2), stratify=embedded.targets)
        return training, test


def canvases_of(digits: data.Dataset, samples: int, config: Config) -> data.DigitCanvases:
    """Canvases with the box and the class of each digit."""
    return data.DigitCanvases(
        digits,
        samples,
        task="detection",
        size=config.size,
        count=config.count,
        side=config.side,
    )


def draw(images: NDArray[Any], told: list[str], right: list[bool], picture: Path) -> None:
    """Canvases, and below each what the network says of it, in red where that is not true."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, image, caption, true in zip(
        figure.subplots(2, 5).flat, images, told, right, strict=False
    ):
        axes.imshow(image[0], cmap="gray")
        shown = caption.replace(" of ", " of\n")
        axes.set_xlabel(shown, color="black" if true else "red", fontsize=9)
        axes.set(xticks=[], yticks=[])
    figure.savefig(picture, dpi=80)


def main(picture: str | None = None, config: Config | None = None) -> dict[str, list[float]]:
    """Print the share of true captions by describer, input and seed; returns them."""
    config = config or Config()
    of_training, unseen = digits()
    canvases = canvases_of(of_training, config.canvases, config)
    images, objects = canvases_of(unseen, config.test_canvases, config).read_batch(
        np.arange(config.test_canvases)
    )
    true = [true_captions(one) for one in objects]
    found: dict[str, list[float]] = {}
    for (name, describer), feedback in product(DESCRIBERS.items(), config.feedback):
        kind = f"{name}, {'words' if feedback else 'zeros'}"
        for seed in config.seeds:
            start = time.perf_counter()
            network = learn(canvases, describer, feedback, seed, config)
            seconds = time.perf_counter() - start
            told = tell(network, images, config.length)
            right = [caption in all_true for caption, all_true in zip(told, true, strict=True)]
            print(f"{kind}, seed {seed}: {np.mean(right):.3f} true, {seconds:.0f} s", flush=True)
            found.setdefault(kind, []).append(float(np.mean(right)))
            if picture is not None and len(found) == 3 and seed == config.seeds[0]:
                draw(images, told, right, Path(picture))
    for kind, each in found.items():
        print(f"{kind:15}  {np.mean(each):.3f} ± {np.std(each):.3f}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
