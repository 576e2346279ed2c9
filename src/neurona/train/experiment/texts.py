"""The text of a configuration: read, divided, cut into tokens and windows."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from numpy.typing import NDArray

from neurona.core.errors import ArgumentError, DataError, ShapeError, choices
from neurona.data.token_windows import TokenWindows
from neurona.train.callbacks import Callback
from neurona.train.experiment.kinds import name_and_options
from neurona.train.experiment.schema import Config, DataConfig
from neurona.train.experiment.sources import locate, search_places

SHARES = (0.9, 0.1)
"""How a text is divided by default: what comes first is learnt from, the end is held out."""
TOKENIZER = "tokenizer.json"
"""The tokeniser's file in the folder of a run."""
PLACE = "data.tokenizer"
TOKENIZERS = {
    "character": "CharacterTokenizer",
    "word": "WordTokenizer",
    "byte_pair": "BytePairTokenizer",
}
"""The classes of `neurona.text` by their names in configurations."""


class Tokenizer(Protocol):
    """What cuts a text into tokens; the classes of `neurona.text` are ones."""

    vocabulary: Any

    def __len__(self) -> int: ...
    def encode(self, text: str) -> NDArray[Any]: ...
    def decode(self, ids: Any) -> str: ...
    def save(self, path: Any) -> None: ...


class TextPart(TokenWindows):
    """Windows of a part of a text. characters: how many it has. vocabulary_size: of its tokens."""

    def __init__(
        self,
        ids: NDArray[Any],
        length: int,
        draws: int | None = None,
        *,
        characters: int,
        vocabulary_size: int,
    ) -> None:
        super().__init__(ids, length, draws)
        self.characters = characters
        self.vocabulary_size = vocabulary_size

    def nats_per_character(self, loss: float) -> float:
        """The loss of a token, spread over the characters."""
        return loss * (len(self.ids) - 1) / max(self.characters - 1, 1)


def carries(part: object, config: Config) -> TypeGuard[TextPart]:
    """Whether a part is a text that is read on from window to window with the state carried on."""
    return isinstance(part, TextPart) and config.data.windows == "consecutive"


class KeepTokenizer(Callback):
    """Writes the tokeniser into the folder of a run when it begins."""

    def __init__(self, tokenizer: Tokenizer, folder: Path) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.path = folder / TOKENIZER

    def on_train_begin(self) -> None:
        self.tokenizer.save(self.path)


def load_text(
    config: Config, base: Path, data_dir: str | Path | None
) -> tuple[Tokenizer, tuple[TextPart, TextPart | None, TextPart | None]]:
    """The tokeniser and the training, validation and test part of the text.

    What the tokeniser learns, it learns from the training part. Raises `ArgumentError` with the
    place, `DataError` for a file that is no text or has words that the training part has not.
    """
    path = locate(config.data.text or "", search_places(base, data_dir), "data.text")
    texts = _divided(read_text(path, config.data.encoding), config.data)
    tokenizer = make_tokenizer(config.data.tokenizer, texts[0])
    validation, test = (
        text_part(text, tokenizer, config, name) if text else None
        for name, text in (("validation", texts[1]), ("test", texts[2]))
    )
    return tokenizer, (text_part(texts[0], tokenizer, config, "training"), validation, test)


def read_text(path: Path, encoding: str) -> str:
    """The text in a file. Raises `DataError` for one that is empty or in another encoding."""
    try:
        text = path.read_text(encoding=encoding)
    except LookupError:
        raise ArgumentError(f"data.encoding: unknown encoding {encoding!r}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is no {encoding}: {error.reason}; say the encoding, as in "
            'data.encoding = "latin-1"'
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not text:
        raise DataError(f"{path}: is empty")
    return text.removeprefix("\ufeff")


def _divided(text: str, config: DataConfig) -> list[str]:
    """The parts in the order of the text, "" for one that is not there."""
    shares = config.split or SHARES
    ends = [int(len(text) * min(math.fsum(shares[: i + 1]), 1.0)) for i in range(len(shares))]
    ends[-1] = len(text)
    parts = [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return [*parts, "", ""][:3]


def text_part(text: str, tokenizer: Tokenizer, config: Config, name: str) -> TextPart:
    """A part of a text, "training" as it is learnt from, others as they are measured.

    Raises `ArgumentError` for one that is too short, `DataError` for characters without a token.
    """
    ids, length, draws = _encoded(text, tokenizer, name), config.data.length, None
    if name == "training" and config.data.windows == "random":
        steps, batch = config.training.steps_per_epoch, config.training.batch_size
        draws = max(1, len(ids) // length) if steps is None else steps * batch
    try:
        return TextPart(ids, length, draws, characters=len(text), vocabulary_size=len(tokenizer))
    except ShapeError as error:
        raise ArgumentError(
            f"data.length: {error}; the {name} part is no longer: choose a shorter length or "
            "another split"
        ) from None


def _encoded(text: str, tokenizer: Tokenizer, name: str) -> NDArray[Any]:
    try:
        return tokenizer.encode(text)
    except DataError as error:
        raise DataError(
            f"the {name} part: {error}, as in data.tokenizer = {{ name = "
            '"character", unknown = "<unk>" }'
        ) from None


def check_tokenizer(given: str | Mapping[str, Any]) -> None:
    """Raise `ArgumentError`, with the place, for a tokeniser that is not known."""
    name, _ = name_and_options(dict(given) if isinstance(given, Mapping) else given, PLACE)
    if name not in TOKENIZERS:
        raise ArgumentError(f"{PLACE}: unknown name {name!r}{choices(name, TOKENIZERS)}")


def make_tokenizer(given: str | Mapping[str, Any], text: str) -> Tokenizer:
    """The tokeniser of a name, or of {"name": …, and options}, as it learns from a text.

    Raises `ArgumentError`, with the place, for unknown names, options and refused values.
    """
    check_tokenizer(given)
    name, options = name_and_options(dict(given) if isinstance(given, Mapping) else given, PLACE)
    kind = _kind(name)
    known = [option for option in inspect.signature(kind.train).parameters if option != "text"]
    for option in options:
        if option not in known:
            raise ArgumentError(f"{PLACE}: {name} has no option {option!r}{choices(option, known)}")
    try:
        made: Tokenizer = kind.train(text, **options)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{PLACE}: {error}") from None
    return made


def _kind(name: str) -> Any:
    # The tokenisers stand above this layer of the code.
    return getattr(importlib.import_module("neurona.text"), TOKENIZERS[name])
