"""Reading files that somebody else wrote: names, links, sizes and JSON are checked before they are trusted."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any

from lsg_convert.common.errors import OutsideError, RequestError

JSON_LIMIT = 64 * 2**20


def printable(text: object, limit: int = 120) -> str:
    """`text` with control and other unprintable characters escaped, cut to `limit`: safe for a terminal and a log."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in str(text)[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


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
    if not (resolved.is_relative_to(folder.resolve()) or _is_cached_blob(folder, resolved)):
        raise RequestError(
            f"'{shown}' is a link that leads out of {printable(folder, 300)}.",
            "copy the file itself into the folder if you trust it.",
        )
    if not stat.S_ISREG(mode):
        raise RequestError(f"'{shown}' in {printable(folder, 300)} is not a regular file.")
    return path


def read_json_object(path: Path, limit: int = JSON_LIMIT) -> dict[str, Any]:
    """The JSON object in `path`; raises RequestError when it is anything else."""
    return parse_json_object(read_limited(path, limit), printable(path.name))


def read_limited(path: Path, limit: int) -> bytes:
    """The bytes of `path`; raises RequestError before memory is taken when there are more than `limit`."""
    try:
        # A pipe would make us wait for somebody to write into it.
        with os.fdopen(
            os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb"
        ) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise RequestError(f"'{printable(path.name)}' in {printable(path.parent, 300)} is not a regular file.")
            size = state.st_size
            data = file.read(limit + 1) if size <= limit else b""
    except OSError as error:
        raise OutsideError(f"cannot read {printable(path, 300)}: {_reason(error)}.") from error
    if size > limit or len(data) > limit:
        raise RequestError(
            f"{printable(path.name)} is larger than {limit // 2**20} MB.", "this is no such file of a checkpoint."
        )
    return data


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


def _is_cached_blob(folder: Path, target: Path) -> bool:
    """Whether `target` lies where a snapshot of the Hub cache keeps its files: `<repo>/blobs/<hash>`.

    `<repo>/snapshots/<commit>` and `<repo>/blobs` have to be folders and no links: a link could make them anything.
    """
    for snapshot in (folder.absolute(), folder.resolve()):
        repo = snapshot.parent.parent
        if snapshot.parent.name != "snapshots" or not all(map(_is_real_folder, (snapshot.parent, repo / "blobs"))):
            continue
        if target.parent == (repo / "blobs").resolve():
            return True
    return False


def _is_real_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _reason(error: BaseException) -> str:
    return printable(getattr(error, "strerror", None) or error)
