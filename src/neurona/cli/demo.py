"""`neurona demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurona.cli.app import INTERRUPTED
from neurona.cli.folders import check_folder, clear, config_kept
from neurona.cli.options import EXAMPLES
from neurona.cli.train import REPORT, record_test
from neurona.core.errors import ArgumentError
from neurona.data.dataset import Dataset
from neurona.data.files import replacing
from neurona.report.predictions import save_predictions
from neurona.report.terminal import draw_row
from neurona.train.checkpoint import MODEL, WEIGHTS
from neurona.train.experiment import load_parts, make_model, read_config, run

PICTURE = "predictions.png"
SAMPLE = "digit.png"
SHOWN = 4
IN_PICTURE = 20


def demo(folder: Path, seed: int) -> None:
    """Train on the embedded digits, show what the network makes of unseen ones, save everything."""
    if (folder / SAMPLE).is_file():  # an earlier demo
        clear(folder, PICTURE, SAMPLE)
    check_folder(folder)
    file = read_config(EXAMPLES / "digits.toml", [f"seed={seed}"])
    config = file.config
    parts = load_parts(config)
    model, test = make_model(config, parts), parts.test
    if not isinstance(test, Dataset):
        raise ArgumentError("demo: its configuration has no test part in memory")
    parameters = sum(parameter.size for parameter in model.network.parameters())
    print(
        f"Learning to read handwritten digits of 8 × 8 pixels: {len(parts.training):,} to learn "
        f"from, {len(test)} held out.\nThe network has {parameters:,} parameters; every step is "
        "one call of machine code made for this processor.\n"
    )
    with config_kept(folder, file.to_toml()):
        outcome = run(model, config, parts, folder=folder)
    record_test(folder, outcome.scores)
    model = outcome.model
    probabilities = model.predict(test.inputs, probabilities=True)
    right = probabilities.argmax(axis=1) == test.targets
    word = "Interrupted" if outcome.history.interrupted else "Trained"
    print(
        f"\n{word} after {outcome.history.seconds:.1f} s. Of the {len(test)} digits it has never "
        f"seen it reads {int(right.sum())} right: {100 * right.mean():.1f} %.\n"
    )
    _draw(test, probabilities, _chosen(right, SHOWN, 1))
    chosen = _chosen(right, IN_PICTURE, IN_PICTURE)
    save_predictions(
        folder / PICTURE,
        test.inputs[chosen],
        probabilities[chosen],
        [int(label) for label in test.targets[chosen]],
        test.classes,
        title=f"{int(right.sum())} of {len(test)} unseen digits right; the mistakes come first",
    )
    _save_sample(folder / SAMPLE, test.inputs[int(np.argmax(right))])
    print(f"Saved in {folder}:")
    for name, what in (
        (WEIGHTS, "the weights"),
        (MODEL, "the layers, the scaling of the inputs, the classes"),
        (REPORT, "how it went, and what the network has learnt: open it in a browser"),
        (PICTURE, "what the network says about unseen digits, its mistakes first"),
        (SAMPLE, "one unseen digit as a picture"),
    ):
        print(f"  {name:20} {what}")
    print(
        f"\nNext:\n"
        f"  neurona predict {folder} {folder / SAMPLE}   (or a picture of a digit of your own)\n"
        f"  neurona train mnist-mlp --download   (60,000 larger digits, 98 %)\n"
        f"  neurona train --help"
    )
    if outcome.history.interrupted:
        sys.exit(INTERRUPTED)


def _chosen(right: NDArray[np.bool_], count: int, at_most: int) -> NDArray[Any]:
    """The samples to show: first so many mistakes at most, then samples that are right."""
    mistakes = np.flatnonzero(~right)[:at_most]
    return np.concatenate([mistakes, np.flatnonzero(right)[: count - len(mistakes)]])


def _draw(test: Dataset, probabilities: NDArray[Any], chosen: NDArray[Any]) -> None:
    captions = []
    for i in chosen:
        said, true = int(probabilities[i].argmax()), int(test.targets[i])
        verdict = "right" if said == true else f"wrong, it is {test.classes[true]}"
        captions.append([f"{test.classes[said]} ({100 * probabilities[i, said]:.0f} %)", verdict])
    print(draw_row(list(test.inputs[chosen]), captions) + "\n")


def _save_sample(path: Path, digit: NDArray[Any]) -> None:
    from PIL import Image

    with replacing(path) as file:
        Image.fromarray((digit.astype(np.int64) * 255 // 16).astype(np.uint8)).save(file, "PNG")
