"""A JSON file and a safetensors file that belong together, whole at every moment.

The JSON holds a description and the SHA-256 of the arrays. Both files are written under other
names, brought to the disk and renamed, in an order that leaves a readable pair at every moment:

1. the new arrays become `NAME.safetensors.new`,
2. the new JSON, which names their digest, takes its place: from here the new pair holds,
3. `NAME.safetensors.new` is renamed to `NAME.safetensors`.

Whoever reads takes the arrays whose digest the JSON names, so that a crash between 2 and 3 loses
nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neurona
from neurona.core.errors import CheckpointError
from neurona.core.op import Array
from neurona.data.files import replacing
from neurona.data.safetensors import from_safetensors, to_safetensors


@dataclass(frozen=True, slots=True)
class Pair:
    """The names, the format and the version of such a pair.

    what: what it is, for messages: "a model of Neurona".
    sealed: whether the JSON also holds its own SHA-256, for what nobody changes by hand.
    """

    document: str
    arrays: str
    format: str
    version: int
    what: str
    sealed: bool = False

    @property
    def pending(self) -> str:
        """The name of the new arrays until they take their place."""
        return f"{self.arrays}.new"

    def write(
        self, folder: Path, description: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> None:
        """Write the pair into `folder`, which is made if need be.

        Raises `CheckpointError` when that fails, for a folder that is full or may not be written
        to; an earlier pair is then as it was.
        """
        content = to_safetensors(arrays)
        head = {
            "format": self.format,
            "format_version": self.version,
            "neurona": neurona.__version__,
            "weights": {"file": self.arrays, "bytes": len(content), "sha256": _digest(content)},
        }
        if self.sealed:
            head["seal"] = _seal(description)
        text = json.dumps({**head, **description}, indent=2, ensure_ascii=False, allow_nan=False)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._finish(folder)
            with replacing(folder / self.pending) as file:
                file.write(content)
            with replacing(folder / self.document) as file:
                file.write(text.encode() + b"\n")
            (folder / self.pending).replace(folder / self.arrays)
        except OSError as error:
            raise unwritable(folder, error) from None

    def _finish(self, folder: Path) -> None:
        """Take the last step of a write that was cut off after its second."""
        pending = folder / self.pending
        if pending.is_file() and (folder / self.document).is_file():
            try:
                wanted = read_json(folder / self.document, self.what)["weights"]["sha256"]
            except (CheckpointError, LookupError, TypeError):
                return
            if _digest(pending.read_bytes()) == wanted:
                pending.replace(folder / self.arrays)

    def read(self, folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
        """The description and the arrays in `folder`.

        Raises `CheckpointError`, naming the file, when one is missing, damaged, of another format
        or version, or when the arrays are others than those the description was written with.
        """
        while True:
            description = self.read_document(folder)
            stated = description.get("weights")
            if not isinstance(stated, dict) or not isinstance(stated.get("sha256"), str):
                path = folder / self.document
                raise CheckpointError(f"{path}: damaged: 'weights' does not name a digest")
            try:
                return description, from_safetensors(*self._content(folder, stated["sha256"]))
            except CheckpointError:
                # Another process may have written a new pair meanwhile.
                if self.read_document(folder) == description:
                    raise

    def read_document(self, folder: Path) -> dict[str, Any]:
        """The description alone, its format and version checked."""
        path = folder / self.document
        description = read_json(path, self.what)
        check_format(path, description, self.format, self.version, self.what)
        if self.sealed:
            rest = {name: one for name, one in description.items() if name not in _HEAD}
            if description.get("seal") != _seal(rest):
                raise CheckpointError(f"{path}: damaged: it is not as it was written")
        return description

    def _content(self, folder: Path, digest: str) -> tuple[bytes, Path]:
        """The content of the arrays' file that has the digest, and its path."""
        found = False
        for name in (self.arrays, self.pending):
            path = folder / name
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
            if _digest(content) == digest:
                return content, path
            found = True
        if not found:
            raise CheckpointError(f"{folder / self.arrays}: no such file")
        raise CheckpointError(
            f"{folder / self.arrays}: damaged, or not the weights that {self.document} was written "
            "with (their SHA-256 differs)"
        )


_HEAD = ("format", "format_version", "neurona", "weights", "seal")


def _seal(description: Mapping[str, Any]) -> str:
    """The SHA-256 of a description as it comes back from JSON."""
    return _digest(json.dumps(json.loads(json.dumps(description))).encode())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The JSON object in a file. Raises `CheckpointError`, naming it, when it is missing or none.

    what: what the file should be, for the message.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        hint = "" if path.parent.is_dir() else " and no such folder"
        raise CheckpointError(f"{path}: no such file{hint}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, nested without end
        raise CheckpointError(f"{path}: damaged, not JSON: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: not {what}: not a JSON object")
    return content


def check_format(
    path: Path, description: Mapping[str, Any], name: str, version: int, what: str
) -> None:
    """Raise `CheckpointError` for what is of another format or of a newer version."""
    if description.get("format") != name:
        raise CheckpointError(f"{path}: not {what}: 'format' is not {name!r}")
    found = description.get("format_version")
    if not isinstance(found, int) or found > version:
        raise CheckpointError(
            f"{path}: written in format {found!r}, this Neurona ({neurona.__version__}) reads up "
            f"to {version}; install the Neurona that wrote it, "
            f"{description.get('neurona', 'a newer one')}"
        )


def unwritable(path: Path, error: OSError) -> CheckpointError:
    """What to raise when a file or folder cannot be written."""
    return CheckpointError(f"{path}: cannot be written: {error.strerror or error}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
