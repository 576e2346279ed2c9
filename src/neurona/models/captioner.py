"""One to many: a picture goes in, and words come out one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurona import nn
from neurona.core.errors import ArgumentError, ShapeError
from neurona.core.tensor import Tensor
from neurona.nn.functional.checks import check_state, check_tokens
from neurona.nn.linear import extent
from neurona.nn.module import Module
from neurona.nn.running import who
from neurona.ops.create import zeros
from neurona.ops.operand import operand
from neurona.ops.shape import expand_dims, permute_dims
from neurona.train.architecture import register

State = dict[str, Tensor]


@register
class Captioner(Module):
    """A convolutional network sees the picture, an LSTM says what it sees.

        x_0 = CNN(picture),   x_t = embedding(word_{t-1}) or 0,   scores_t = W h_t + b

    The picture is the LSTM's first input. After it comes the word said last (Vinyals et al., "Show
    and tell: a neural image caption generator", 2015) or, without `feedback`, nothing but zeros:
    then the state alone knows where in the sentence it is.

    - `vocabulary_size`: how many words there are, those for start and end among them.
    - `image_size`: rows and columns, multiples of 2^(number of widths).
    - `widths`: channels of the convolutions 3×3, each of which halves rows and columns; one more,
      as wide as the last, keeps them.
    - `hidden_size`: of the LSTM, and of what it is told of the picture and the words.

    `network(images, words)`: scores (batch, time, vocabulary_size) of what follows each word, for
    images (batch, 1, row, column) and integers (batch, time), the start and the words so far.
    `begin` and `read` say a caption word by word.
    Raises `ShapeError` for other images and words, `IndexOutOfRangeError` naming the position of a
    word that is not in the vocabulary.

    >>> import neurona as ne
    >>> network = Captioner(12, image_size=(16, 16), widths=(4, 8), hidden_size=8)
    >>> network(ne.zeros((2, 1, 16, 16)), ne.asarray([[1, 7, 3], [1, 9, 0]])).shape
    (2, 3, 12)
    """

    context = None
    """There is no table of positions, so captions may have any length."""

    def __init__(
        self,
        vocabulary_size: int,
        *,
        image_size: tuple[int, int] = (48, 48),
        widths: Sequence[int] = (16, 32, 64),
        hidden_size: int = 128,
        feedback: bool = True,
    ) -> None:
        self.vocabulary_size = vocabulary_size
        if not isinstance(image_size, (tuple, list)) or len(image_size) != 2:
            raise ArgumentError(f"Captioner: image_size is (rows, columns), not {image_size!r}")
        if not isinstance(widths, (tuple, list)):
            raise ArgumentError(f"Captioner: widths are several numbers, not {widths!r}")
        rows, columns = [extent("Captioner", "image_size", side) for side in image_size]
        self.image_size = (rows, columns)
        self.widths = tuple(widths)
        self.hidden_size = hidden_size
        self.feedback = feedback
        halves = 2 ** len(self.widths)
        if not self.widths or any(extent % halves or extent < halves for extent in image_size):
            raise ArgumentError(
                f"Captioner: image_size {image_size} must be multiples of {halves}, since each of "
                f"the widths {self.widths} halves rows and columns, and there must be one"
            )
        places = (image_size[0] // halves) * (image_size[1] // halves)
        last = self.widths[-1]
        self.encoder = nn.Sequential()
        for channels, width in zip((1, *self.widths), (*self.widths, last), strict=True):
            self.encoder.append(nn.Conv2d(channels, width, 3, padding=1, bias=False))
            self.encoder.append(nn.BatchNorm2d(width))
            self.encoder.append(nn.ReLU())
            self.encoder.append(nn.MaxPool2d(2))
        self.encoder[-1] = nn.Flatten()  # the last convolution halves nothing
        self.encoder.append(nn.Linear(places * last, hidden_size, bias=False))
        # As far from 0 as the words' vectors, among which it is to be heard.
        self.encoder.append(nn.BatchNorm1d(hidden_size))
        self.embedding = nn.Embedding(vocabulary_size, hidden_size) if feedback else None
        self.decoder = nn.LSTM(hidden_size, hidden_size)
        self.scores = nn.Linear(hidden_size, vocabulary_size)

    def forward(self, images: Any, words: Any) -> Tensor:
        return self.read(words, self.begin(images))[0]

    def begin(self, images: Any) -> State:
        """The state after the picture, before the first word. Tensors (batch, hidden) by name."""
        given = operand(images)
        if given.ndim != 4 or given.shape[1:] != (1, *self.image_size):
            rows, columns = self.image_size
            raise ShapeError(
                f"{who('Captioner')}: images {given.shape} must be (batch, 1, {rows}, {columns})"
            )
        seen = self.encoder(given)  # (batch, hidden)
        _, (h, c) = self.decoder(expand_dims(seen, axis=0))
        return {"h": h[0], "c": c[0]}

    def read(self, tokens: Any, state: State) -> tuple[Tensor, State]:
        """Go on with words (batch, time): scores of what follows each, and the state after them."""
        words = check_tokens("Captioner", tokens, self.vocabulary_size, "words")
        part = (words.shape[0], self.hidden_size)
        check_state("Captioner", state, {"h": [part], "c": [part]})
        if self.embedding is None:
            batch, time = words.shape
            x = zeros((time, batch, self.hidden_size), dtype=state["h"].dtype)
        else:
            x = self.embedding(permute_dims(words, (1, 0)))  # (time, batch, hidden)
        before = (expand_dims(state["h"], axis=0), expand_dims(state["c"], axis=0))
        states, (h, c) = self.decoder(x, before)
        return permute_dims(self.scores(states), (1, 0, 2)), {"h": h[0], "c": c[0]}
