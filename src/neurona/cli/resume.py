"""`neurona resume`."""

from __future__ import annotations

from pathlib import Path

from neurona.cli.described import run_config
from neurona.cli.train import finish, print_task
from neurona.data.files import replacing
from neurona.train.experiment import load_parts, make_model, run
from neurona.train.run_folder import CONFIG


def resume(folder: Path, changes: list[str], data_dir: Path | None, download: bool) -> None:
    """Go on with a run that was interrupted, bit for bit, or with more epochs."""
    file = run_config(folder, changes)
    with file.origins.named():
        parts = load_parts(file.config, base=file.folder, data_dir=data_dir, download=download)
        model = make_model(file.config, parts)
        print_task(folder.name, file.config, parts, model.network)
        outcome = run(model, file.config, parts, folder=folder, resume=True)
    if changes:
        with replacing(folder / CONFIG) as written:
            written.write(file.to_toml(data_dir).encode())
    finish(folder, outcome)
