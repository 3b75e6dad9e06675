"""The output folder: built under another name, flushed to the disk, and given its own name when it is complete.

What it replaces exchanges names with it in one step where the system can. Elsewhere the old folder is put aside first;
a run that dies between the two steps is mended by the next one, which brings the old folder back.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.exchange import exchange
from lsg_convert.common.flush import flush_file, flush_folder, flush_tree
from lsg_convert.common.interruption import RUN
from lsg_convert.common.os_errors import os_failure
from lsg_convert.folder.claim import claimed, retired_name
from lsg_convert.folder.output import check_output, holds_something


@contextmanager
def staged(output: Path, force: bool, source: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that becomes `output` when the block ends well, and vanishes when it does not.

    `force` lets it replace a folder that lsg-convert wrote; `source` is the folder that is converted.

    Raises:
        RequestError: `output` must not be written.
        OutsideError: the disk or a permission failed.
    """
    place = check_output(output, force, source)
    temporary = None
    try:
        with claimed(place) as temporary:
            check_output(output, force, source)  # again: a folder that was being replaced may be back
            temporary.mkdir()
            yield temporary
            flush_tree(temporary)
            check_output(output, force, source)  # again: another run may have finished meanwhile
            _publish(temporary, place)
    except OSError as error:
        raise _failure(error, place, temporary) from error


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its name when the block ends well, and vanishes when it does not.

    Raises:
        OutsideError: the disk or a permission failed.
    """
    temporary = None
    try:
        with claimed(path) as temporary:
            temporary.mkdir()
            yield temporary
            flush_tree(temporary)
            _publish(temporary, path)
    except OSError as error:
        raise _failure(error, path, temporary) from error


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a path beside the file `path`; what is written there takes its name when the block ends well.

    Raises OSError when the disk or a permission fails.
    """
    with claimed(path) as temporary:
        yield temporary
        flush_file(temporary)
        temporary.replace(path)
        flush_folder(path.parent)


def _publish(temporary: Path, place: Path) -> None:
    """Give the folder its name; from then on a signal comes too late."""
    with RUN.held():
        if not holds_something(place):
            if os.name == "nt" and place.exists():
                place.rmdir()
            temporary.rename(place)
        elif not exchange(temporary, place):
            _put_aside_and_rename(temporary, place)
        RUN.complete(f"the folder {place} is complete")
        flush_folder(place.parent)


def _put_aside_and_rename(temporary: Path, place: Path) -> None:
    retired = retired_name(temporary)
    try:
        place.rename(retired)
        temporary.rename(place)
    except BaseException:
        if retired.exists() and not place.exists():
            retired.rename(place)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _failure(error: OSError, place: Path, temporary: Path | None) -> LSGConvertError:
    """The error to show for one of the system's: it names what it was about, which need not be the output."""
    if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
        return RequestError(f"the output folder {place} was written by another run meanwhile.", "Try again.")
    about = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    is_output = about == place or place.parent in (about, about.parent)
    if is_output or (temporary is not None and about.is_relative_to(temporary)):
        return os_failure(error, f"cannot write {place}")
    return os_failure(error, f"cannot use {about}", elsewhere="give another source")
