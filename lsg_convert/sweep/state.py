"""What was measured, kept in a file while a sweep runs: one that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object
from lsg_convert.common.json_files import write_json
from lsg_convert.folder.record import file_sha256
from lsg_convert.folder.staging import replaced

MEASURED, DOMINATED, NOT_RUN = "measured", "dominated", "not run"
_TOOL = "lsg-convert sweep"


@dataclass
class Measured:
    """What was measured of one setting. pieces: the figures of each piece; peak_bytes: above the model's own."""

    status: str
    pieces: list[dict[str, float]] = field(default_factory=list)
    seconds: float | None = None
    peak_bytes: int | None = None
    agreement: dict[str, float] = field(default_factory=dict)
    reason: str | None = None


@dataclass
class State:
    """The file `path`, which holds what was measured under `key`: the same folder, data and way to compute."""

    path: Path
    key: str
    settings: dict[str, Measured] = field(default_factory=dict)
    reference: dict[str, float] | None = None

    @classmethod
    def open(cls, path: Path, key: str) -> State:
        """What the file holds, nothing where it was measured of something else.

        Raises:
            RequestError: there is a file that is not of a sweep, or no folder to put it in.
        """
        shown = printable(path, 300)
        if not path.parent.is_dir():
            raise RequestError(
                f"--state {shown}: there is no folder {printable(path.parent, 300)}.", "Create it first."
            )
        if not path.exists():
            return cls(path, key)
        try:
            content = read_json_object(path)
        except RequestError:
            content = {}
        if content.get("tool") != _TOOL:
            raise RequestError(f"--state {shown} is there, and not of a sweep.", "Give another name, or move it away.")
        if content.get("key") != key:
            return cls(path, key)
        settings = {name: Measured(**values) for name, values in content["settings"].items()}
        return cls(path, key, settings, content.get("reference"))

    def keep(self) -> None:
        """Write the file; until it is whole the old one stays."""
        settings = {name: asdict(measured) for name, measured in self.settings.items()}
        with replaced(self.path) as path:
            write_json(path, {"tool": _TOOL, "key": self.key, "reference": self.reference, "settings": settings})


def key_of(files: Mapping[str, Path], asked: Mapping[str, Any]) -> str:
    """What the measurements depend on: the content of files, and what was asked for."""
    contents = {name: file_sha256(path) for name, path in sorted(files.items())}
    text = json.dumps({"files": contents, "asked": dict(asked)}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
