"""The output folder: built beside its place under another name, and moved there when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.files import printable

_STAGING = ".partial-"
_RETIRED = ".replaced-"


def check_output(output: Path, force: bool) -> Path:
    """The place the folder will have, links followed.

    Raises:
        RequestError: something is there already and `force` is not given, or it is not a folder.
        OutsideError: it cannot be written to.
    """
    place = _resolve(output)
    shown = printable(output, 300)
    if place.exists() and not place.is_dir():
        raise RequestError(f"the output {shown} is a file.", "Choose another place with --output.")
    if place.is_dir() and any(place.iterdir()) and not force:
        raise RequestError(
            f"the output folder {shown} exists and is not empty.",
            "Choose another place with --output, or replace it with --force.",
        )
    existing = next(parent for parent in (place, *place.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutsideError(f"cannot write to {printable(existing, 300)}: no permission.", "Choose another --output.")
    return place


@contextmanager
def staged(output: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder that becomes `output` when the block ends well, and vanishes when it does not."""
    place = check_output(output, force)
    _remove_abandoned(place)
    staging = place.with_name(f".{place.name}{_STAGING}{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        staging.mkdir()
        yield staging
        _move_into_place(staging, place, force)
    except OSError as error:
        raise _disk_error(error, place) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a place beside the file `path`; what is written there takes its name when the block ends well."""
    place = path.with_name(f".{path.name}{_STAGING}{os.getpid()}")
    try:
        yield place
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def _move_into_place(staging: Path, place: Path, force: bool) -> None:
    check_output(place, force)  # again: another run may have finished meanwhile
    retired = place.with_name(f".{place.name}{_RETIRED}{os.getpid()}")
    if place.exists():
        place.rename(retired)
    try:
        staging.rename(place)
    except OSError:
        if retired.exists() and not place.exists():
            retired.rename(place)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _remove_abandoned(place: Path) -> None:
    """Remove what killed runs left beside `place`; bring back a folder that one of them was replacing."""
    if not place.parent.is_dir():
        return
    for marker in (_RETIRED, _STAGING):
        for path in place.parent.glob(f".{_escape(place.name)}{marker}*"):
            owner = path.name.rpartition("-")[2]
            if not owner.isdigit() or _is_running(int(owner)):
                continue
            if marker == _RETIRED and not place.exists():
                path.rename(place)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _resolve(output: Path) -> Path:
    try:
        return Path(output).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise RequestError(f"the output {printable(output, 300)} is not a usable path.") from error


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _escape(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _disk_error(error: OSError, place: Path) -> OutsideError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutsideError(
            f"no space left while writing {printable(place, 300)}.", "Free some, or choose another disk with --output."
        )
    return OutsideError(f"writing {printable(place, 300)} failed: {printable(error.strerror or error)}.")
