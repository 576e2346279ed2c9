"""`examples/augmentation.py` and `examples/activations_cnn.py`: what their pictures show is so."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ..pages import DOCS

EXAMPLES = DOCS.parent / "examples"


def names_of(example: str) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / example))


@pytest.mark.parametrize("example", ["augmentation.py", "activations_cnn.py"])
def test_curves_are_drawn(example: str, tmp_path: Path) -> None:
    """Without any learning: the picture of given errors."""
    names, picture = names_of(example), tmp_path / "a.png"
    errors = np.array([[0.9, 0.1, 0.03], [0.5, 0.05, 0.01]])
    if example == "augmentation.py":
        names["draw"]({"few": errors, "many": errors / 2}, picture)
    else:
        config = names["Config"]()
        names["draw"]({"relu": (0.1, errors), "tanh": (0.3, errors * 0.9)}, config, picture)
        assert names["epochs_to"](errors[0], 0.03) == 3
        assert names["epochs_to"](errors[1], 0.03) == 2.5
        assert names["epochs_to"](errors[0], 0.001) is None
    with Image.open(picture) as image:
        assert image.width == 560


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_augmentation_makes_up_for_half_of_the_digits(data_folder: Path) -> None:
    names = names_of("augmentation.py")
    config = names["Config"](data_dir=data_folder, seeds=(0, 1, 2))
    last = {name: errors[:, -1] for name, errors in names["main"](None, config).items()}
    half, augmented, whole = (last[name] for name in last)
    assert np.median(augmented) < 0.95 * np.median(half)
    assert np.median(augmented) < 0.01
    assert np.median(whole) < np.median(half)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_logistic_function_learns_last(data_folder: Path) -> None:
    names = names_of("activations_cnn.py")
    config = names["Config"](data_dir=data_folder)
    found = names["main"](None, config)
    when = {
        name: names["epochs_to"](errors.mean(axis=0), config.target) or np.inf
        for name, (_, errors) in found.items()
    }
    assert max(when["relu"], when["tanh"]) < config.epochs < when["sigmoid"]
