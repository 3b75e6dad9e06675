"""Which folder a conversion may write, and which one `--force` may replace: only one that lsg-convert wrote.

Folders are compared by path and by what the file system says they are, so that links, bind mounts and names that
differ in case only are seen through.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lsg_convert.common.errors import LSGConvertError, OutsideError, RequestError
from lsg_convert.common.files import read_json_object
from lsg_convert.common.os_errors import os_failure
from lsg_convert.folder.record import RECORD_LIMIT, RECORD_NAME
from lsg_convert.folder.saved_again import is_saved_again

_CHOOSE = "Choose another folder with --output."


def check_output(output: Path, force: bool, source: Path | None = None) -> Path:
    """The path that the folder will have, links followed; `source` is the folder that is converted.

    Raises:
        RequestError: it must not be written: it is there already, or its loss would be somebody's.
        OutsideError: it cannot be written.
    """
    if str(output) in ("", "."):
        raise RequestError(
            "the output is the current folder: '.', or nothing (a variable that is not set?).", "Name a new folder."
        )
    place = resolved(output)
    try:
        _refuse_protected(output, place, source)
        if os.path.lexists(place):
            _check_existing(output, place, force, source)
        existing = next(parent for parent in (place, *place.parents) if parent.exists())
        if not existing.is_dir():
            raise RequestError(f"the output {output} cannot be: {existing} is a file.", _CHOOSE)
        if not os.access(existing if existing != place else place.parent, os.W_OK | os.X_OK):
            raise OutsideError(f"cannot write to {existing}: no permission.", _CHOOSE)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise RequestError(f"the output {output} has too long a name.", _CHOOSE) from error
        raise os_failure(error, f"cannot write {output}") from error
    return place


def resolved(output: Path) -> Path:
    """`output` as an absolute path, links followed; raises RequestError when it cannot be one."""
    try:
        return output.expanduser().resolve()
    except FileNotFoundError as error:
        raise OutsideError(
            f"the output {output} is relative to the current folder, which is no longer there.",
            "Change to a folder that exists, or give a path that begins with /.",
        ) from error
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, ~nobody, NUL
        raise RequestError(f"the output {output} is not a usable path.", _CHOOSE) from error


def is_ours(folder: Path) -> bool:
    """Whether `folder` holds a record that lsg-convert wrote, as a file of its own."""
    path = folder / RECORD_NAME
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        record = read_json_object(path, RECORD_LIMIT)
    except (OSError, LSGConvertError):
        return False
    return record.get("tool") == "lsg-convert" and isinstance(record.get("files"), dict)


def holds_something(folder: Path) -> bool:
    """Whether `folder` is a folder that is not empty."""
    return folder.is_dir() and any(folder.iterdir())


def _check_existing(output: Path, place: Path, force: bool, source: Path | None) -> None:
    if not place.is_dir():
        raise RequestError(f"the output {output} is a file.", _CHOOSE)
    if not holds_something(place):
        return
    if not is_ours(place):
        unforced = "; --force replaces only folders that lsg-convert wrote" if force else ""
        raise RequestError(f"the output folder {output} exists and is not empty{unforced}.", _CHOOSE)
    if not force:
        raise RequestError(
            f"the output folder {output} exists and is not empty.",
            "Choose another folder with --output, or replace it with --force: lsg-convert wrote it.",
        )
    if is_saved_again(place):
        raise RequestError(
            f"the output folder {output} holds a model that was saved there after the conversion, and perhaps trained.",
            _CHOOSE,
        )
    if source is not None and any(_same(place, parent) for parent in source.resolve().parents):
        raise RequestError(f"the output {output} holds the source.", _CHOOSE)
    if source is not None and any(_same(source, parent) for parent in place.parents):
        raise RequestError(f"the output {output} lies in the source, and is there already.", _CHOOSE)


def _refuse_protected(output: Path, place: Path, source: Path | None) -> None:
    """Raise RequestError when nobody can have meant that a conversion be put there."""
    for what, folder in _protected():
        if _same(place, folder):
            raise RequestError(f"the output {output} is {what}.", _CHOOSE)
    if os.path.ismount(place):
        raise RequestError(f"the output {output} is where a disk is mounted.", "Name a folder in it.")
    if source is not None:
        original = source.resolve()
        if _same(place, original):
            raise RequestError(f"the output {output} is the source itself.", _CHOOSE)
        if any(_same(place, parent) for parent in original.parents):
            raise RequestError(f"the output {output} holds the source.", _CHOOSE)


def _protected() -> Iterator[tuple[str, Path]]:
    """Folders that must stay, each with what it is."""
    root = Path(Path(os.sep).resolve().anchor)
    yield "the root of the file system", root
    for what, find in (("home folder", Path.home), ("current folder", Path.cwd)):
        try:
            folder = find().resolve()
        except (OSError, RuntimeError):  # there is none, or not any more
            continue
        yield f"the {what}", folder
        for parent in folder.parents:
            yield f"a folder that holds the {what}", parent


def _same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False
