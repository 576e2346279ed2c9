"""`neurona explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurona.cli.described import config_of
from neurona.core.errors import ArgumentError, nearest
from neurona.train.experiment import load_parts, make_model
from neurona.train.experiment.parts import code_of, encoded

STEPS = ("train", "test", "predict")


def explain(
    described: str,
    *,
    changes: list[str],
    step: str,
    kernel: int | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Print the stages of a compiled step for a batch of the configured size."""
    if step not in STEPS:
        raise ArgumentError(
            f"--step {step}: unknown{nearest(step, STEPS)} (known: {', '.join(STEPS)})"
        )
    file, _ = config_of(described, changes)
    config = file.config
    with file.origins.named():
        parts = load_parts(config, base=file.folder, data_dir=data_dir)
        model = make_model(config, parts)
        code = code_of(config.data, parts.training, model.loss_name or "")
    samples = np.arange(min(config.training.batch_size, len(parts.training)))
    whole = encoded(parts.training.take(samples), code)
    inputs, targets = whole if isinstance(whole, tuple) else whole.read_batch(samples)[:2]
    if model.preprocessing is not None:
        inputs = model.preprocessing.transform(inputs)
    model.network.train(step == "train")
    programs: Any = {
        "train": (model.steps.train, (inputs, targets)),
        "test": (model.steps.test, (inputs, targets)),
        "predict": (model.steps.predict, (inputs,)),
    }
    program, arguments = programs[step]
    explanation = program.explain(*arguments)
    if kernel is not None:
        if kernel >= len(explanation.kernels):
            raise ArgumentError(
                f"--kernel {kernel}: the program has {len(explanation.kernels)} kernels, from 0"
            )
        print(explanation.loops(kernel), explanation.llvm(kernel), explanation.assembly(kernel))
    elif as_json:
        print(explanation.json())
    else:
        print(explanation)
