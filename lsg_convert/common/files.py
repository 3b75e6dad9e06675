"""Reading files that somebody else wrote: names, links, sizes and JSON are checked before they are trusted."""

from __future__ import annotations

import json
import stat
from pathlib import Path, PurePosixPath
from typing import Any

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.text import printable

JSON_LIMIT = 64 * 2**20


def is_plain_relative(name: str) -> bool:
    """Whether `name` is a relative path that stays where it is put, on every system."""
    if not name or not name.isprintable() or "\\" in name or ":" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def safe_file(folder: Path, name: str) -> Path:
    """The regular file `name` inside `folder`; raises RequestError when it leads elsewhere or is missing.

    Links may stay inside the folder; those of the Hub cache (`snapshots/<commit>/x` → `blobs/y`) are its layout.
    """
    shown = printable(name)
    if not is_plain_relative(name):
        raise RequestError(
            f"the file name '{shown}' leads out of the model folder.",
            "only plain relative names are read; the checkpoint is broken or not to be trusted.",
        )
    path = folder / name
    try:
        resolved = path.resolve()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RequestError(
            f"the file '{shown}' is missing in {printable(folder, 300)}.", "download or copy the checkpoint again."
        ) from error
    except (OSError, RuntimeError) as error:  # permission; a loop of links
        raise OutsideError(f"cannot read '{shown}' in {printable(folder, 300)}: {_reason(error)}.") from error
    if not any(resolved.is_relative_to(root) for root in _allowed_roots(folder)):
        raise RequestError(
            f"'{shown}' is a link that leads out of {printable(folder, 300)}.",
            "copy the file itself into the folder if you trust it.",
        )
    if not stat.S_ISREG(mode):
        raise RequestError(f"'{shown}' in {printable(folder, 300)} is not a regular file.")
    return path


def read_json_object(path: Path, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """The JSON object in `path`; raises RequestError when it is anything else."""
    shown = printable(path.name)
    try:
        if path.stat().st_size > limit:
            raise RequestError(f"{shown} is larger than {limit // 2**20} MB.", "this is no such file of a checkpoint.")
        return parse_json_object(path.read_bytes(), shown)
    except OSError as error:
        raise OutsideError(f"cannot read {printable(path, 300)}: {_reason(error)}.") from error


def parse_json_object(data: bytes, shown: str, unique_keys: bool = False) -> dict[str, Any]:
    """The JSON object that `data` spells; `unique_keys` refuses an object that has a key twice."""
    hook = _refuse_duplicates if unique_keys else None
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=hook)
    except RecursionError as error:
        raise RequestError(f"{shown} is nested too deeply to be read.") from error
    except ValueError as error:  # also UnicodeDecodeError and numbers with too many digits
        raise RequestError(
            f"{shown} is not valid JSON ({printable(error)}).", "download or copy the checkpoint again."
        ) from error
    if not isinstance(value, dict):
        raise RequestError(f"{shown} holds a JSON {type(value).__name__}, not an object.")
    return value


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"'{printable(twice)}' is named twice")
    return result


def _allowed_roots(folder: Path) -> list[Path]:
    root = folder.resolve()
    # <cache>/models--owner--name/snapshots/<commit>: files there are links into ../../blobs
    snapshots = {place.parent for place in (root, folder.absolute()) if place.parent.name == "snapshots"}
    return [root, *((place.parent / "blobs").resolve() for place in snapshots)]


def _reason(error: BaseException) -> str:
    return printable(getattr(error, "strerror", None) or error)
