"""Similar pictures: those whose features point the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neurona as ne
from neurona.core.errors import ArgumentError, CheckpointError, ShapeError
from neurona.core.trace import no_grad
from neurona.models.features import FeatureExtractor
from neurona.train.checks import dtype_of
from neurona.train.model import Model
from neurona.train.pair import Pair
from neurona.train.selection import evaluation_mode

FILES = Pair("search.json", "search.safetensors", "neurona-search", 1, "an index for search")
FOLDER = "model"
"""Where, inside the folder of an index, its model lies."""


@dataclass(frozen=True, slots=True)
class Match:
    """A sample that was found. similarity: the cosine, 1 for the same direction."""

    index: int
    name: str
    similarity: float


class SimilaritySearch:
    """Finds the samples that a network finds most like a given one.

        similarity(a, b) = f(a)·f(b) / (‖f(a)‖ ‖f(b)‖),   f: the output of a layer

    What a classifier's last but one layer says of a picture is a description of what is on it, so
    that near ones look alike: Krizhevsky, Sutskever and Hinton (2012), section 6.1. Maps (batch,
    channels, rows, columns) are averaged over their places first.

    - `model`: a `train.Model`; its preprocessing is applied to all samples.
    - `layer`: the name of a layer, see `FeatureExtractor`.

    features: (sample, feature), of length 1, float32. names: of the samples.

    >>> import numpy as np
    >>> from neurona import data, models, nn, train
    >>> digits = data.digits()
    >>> model = train.Model(nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh()))
    >>> search = SimilaritySearch(model, "1")
    >>> search.add(digits.inputs[:100])
    >>> [match.index for match in search.find(digits.inputs[7:8], 1)[0]]
    [7]
    """

    def __init__(self, model: Model, layer: str) -> None:
        self.model = model
        self.layer = layer
        self.extractor = FeatureExtractor(model.network, [layer])
        self.features: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self.names: tuple[str, ...] = ()
        self._step = ne.compile(self._describe)

    def __len__(self) -> int:
        return len(self.names)

    def _describe(self, x: Any) -> Any:
        f = self.extractor(x)[self.layer]
        if f.ndim > 2:
            f = ne.mean(f, axis=tuple(range(2, f.ndim)))
        length = ne.sqrt(ne.sum(f * f, axis=1, keepdims=True))
        return f / ne.where(length > 0, length, 1.0)

    def describe(self, samples: Any, *, batch_size: int = 64) -> NDArray[np.float32]:
        """The features of samples `(sample, …)` as in the data files: `(sample, feature)`."""
        inputs = np.asarray(samples)
        if self.model.preprocessing is not None:
            inputs = self.model.preprocessing.transform(inputs)
        inputs = inputs.astype(dtype_of(self.model.network), copy=False)
        batches = [inputs[i : i + batch_size] for i in range(0, len(inputs), batch_size)]
        if not batches:
            raise ArgumentError("SimilaritySearch: there are no samples to describe")
        with evaluation_mode(self.model.network), no_grad():
            made = [self._step(batch).numpy() for batch in batches]
        return np.concatenate(made).astype(np.float32)

    def add(self, samples: Any, names: Sequence[str] | None = None) -> None:
        """Describe samples `(sample, …)` and keep them to be found.

        names: what they are called, as paths; default: their numbers.
        """
        features = self.describe(samples)
        first = len(self)
        if names is None:
            names = [str(number) for number in range(first, first + len(features))]
        if len(names) != len(features):
            raise ArgumentError(
                f"SimilaritySearch: {len(names)} names for {len(features)} samples; one each"
            )
        self._require_width(features)
        self.features = np.concatenate([self.features, features]) if first else features
        self.names = (*self.names, *map(str, names))

    def find(self, samples: Any, count: int = 5) -> list[list[Match]]:
        """For each of the samples the `count` most similar ones, best first.

        Of equal ones the first that was added. A sample that was added finds itself.
        """
        if not len(self):
            raise ArgumentError("SimilaritySearch: there is nothing to find yet; add samples first")
        wanted = self.describe(samples)
        self._require_width(wanted)
        similarities = wanted @ self.features.T
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :count]
        return [
            [Match(int(i), self.names[i], float(similarities[row, i])) for i in places]
            for row, places in enumerate(order)
        ]

    def _require_width(self, features: NDArray[Any]) -> None:
        if len(self) and features.shape[1] != self.features.shape[1]:
            raise ShapeError(
                f"SimilaritySearch: these samples have {features.shape[1]} features in "
                f"{self.layer!r}, those added before {self.features.shape[1]}"
            )

    def save(self, folder: str | PathLike[str]) -> None:
        """Write the features, the names and the model into `folder`, for `load`.

        Raises what `Model.save` does.
        """
        folder = Path(folder)
        self.model.save(folder / FOLDER)
        about = {"layer": self.layer, "names": list(self.names)}
        FILES.write(folder, about, {"features": self.features})

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> SimilaritySearch:
        """What `save` wrote. Raises `CheckpointError` for files missing, damaged or foreign."""
        folder = Path(folder)
        about, arrays = FILES.read(folder)
        layer, names, features = about.get("layer"), about.get("names"), arrays.get("features")
        path = folder / FILES.document
        if not isinstance(layer, str) or not isinstance(names, list) or features is None:
            raise CheckpointError(f"{path}: damaged: layer, names or features are missing")
        if features.ndim != 2 or len(names) != len(features) or features.dtype != np.float32:
            raise CheckpointError(f"{path}: damaged: names do not fit features {features.shape}")
        search = cls(Model.load(folder / FOLDER), layer)
        search.features, search.names = features, tuple(map(str, names))
        return search
