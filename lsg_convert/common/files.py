"""Reading files that somebody else wrote: names, links, kinds and sizes are checked before they are trusted.

Every foreign file that is read whole is read by `read_limited`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.json_values import parse_json
from lsg_convert.common.text import printable

JSON_LIMIT = 64 * 2**20


def is_plain_relative(name: str) -> bool:
    """Whether `name` is a relative path that stays where it is put, on every system."""
    if not name or not name.isprintable() or "\\" in name or ":" in name or len(name) > 1000:
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
            f"the file '{shown}' is missing in {_named(folder)}.", "download or copy the checkpoint again."
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


def user_path(given: str | Path) -> Path:
    """A path as a user gave it, with `~` spelled out; raises RequestError for the home of somebody unknown."""
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise RequestError(f"there is no home folder for '{printable(given, 300)}'.", "Give a full path.") from error


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, opened to be read. What was checked is what is open: nothing can be put in between.

    Raises:
        RequestError: it is missing, or not a regular file (a named pipe, a device, a folder, a socket).
        OutsideError: the system does not let it be read.
    """
    shown = printable(path, 300)
    try:
        # without blocking: a named pipe would wait for somebody to write
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError) as error:
        raise RequestError(f"there is no file '{shown}'.") from error
    except OSError as error:
        # a socket cannot be opened, a folder not on every system
        if Path(path).exists() and not Path(path).is_file():
            raise RequestError(f"'{shown}' is not a regular file.") from error
        raise OutsideError(f"cannot read '{shown}': {_reason(error)}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RequestError(f"'{shown}' is not a regular file.")
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        yield file


def read_start(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of the regular file at `path`, all of it where it is shorter.

    Raises:
        RequestError: it is missing, or not a regular file.
        OutsideError: it cannot be read.
    """
    with open_regular(path) as file:
        parts, wanted = [], limit
        try:
            while wanted and (part := file.read(wanted)):
                parts.append(part)
                wanted -= len(part)
        except OSError as error:
            raise OutsideError(f"cannot read '{printable(path, 300)}': {_reason(error)}.") from error
    return b"".join(parts)


def read_limited(path: Path, limit: int) -> bytes:
    """All of the regular file at `path`; raises RequestError when it has more than `limit` bytes, else as `read_start`.

    The size is that of what was read: a file that grows meanwhile stays within the limit, too.
    """
    data = read_start(path, limit + 1)
    if len(data) > limit:
        raise RequestError(
            f"{printable(path.name)} is larger than {limit // 2**20} MB.", "this is no such file of a checkpoint."
        )
    return data


def read_json_object(path: Path, limit: int = JSON_LIMIT, *, unique_keys: bool = False) -> dict[str, Any]:
    """The JSON object in the file at `path`; raises RequestError when it is anything else."""
    return parse_json_object(read_limited(path, limit), printable(path.name), unique_keys)


def parse_json_object(data: bytes, shown: str, unique_keys: bool = False) -> dict[str, Any]:
    """The JSON object that `data` spells; `unique_keys` refuses an object that has a key twice."""
    try:
        value = parse_json(data, unique_keys)
    except ValueError as error:
        raise RequestError(
            f"{shown} is not valid JSON ({printable(error)}).", "download or copy the checkpoint again."
        ) from error
    if not isinstance(value, dict):
        raise RequestError(f"{shown} holds a JSON {type(value).__name__}, not an object.")
    return value


def _named(folder: Path) -> str:
    return "the current folder" if folder == Path() else printable(folder, 300)


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
