"""`neurona resume`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurona.cli.described import run_config
from neurona.cli.train import finish, print_task
from neurona.core.errors import ArgumentError, CheckpointError
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
        with _written(folder / CONFIG, file.to_toml(data_dir) if changes else None):
            outcome = run(model, file.config, parts, folder=folder, resume=True)
    finish(folder, outcome)


@contextmanager
def _written(path: Path, text: str | None) -> Iterator[None]:
    """Write the changed configuration before the run goes on; as it was if the run refuses it."""
    if text is None:
        yield
        return
    before = path.read_bytes()
    _write(path, text.encode())
    try:
        yield
    except (ArgumentError, CheckpointError):
        _write(path, before)
        raise


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)
