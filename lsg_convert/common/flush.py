"""Having the disk hold what was written, before a name is given to it: a name must not outlive its content."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# At once: the journal of the file system takes them together.
_THREADS = 8
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)  # a file system that does not flush


def flush_tree(folder: Path) -> None:
    """Flush every file of `folder`, and the folders that name them; raises OSError when the disk fails."""
    folders, files = [], []
    for place, _, names in os.walk(folder):
        folders.append(Path(place))
        files += [Path(place, name) for name in names]
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="flush") as threads:
        list(threads.map(flush_file, files))
        list(threads.map(flush_folder, folders))


def flush_file(path: Path) -> None:
    """Flush one file."""
    # Windows flushes only what is open for writing
    _flush(path, os.O_RDWR | getattr(os, "O_BINARY", 0) if os.name == "nt" else os.O_RDONLY)


def flush_folder(path: Path) -> None:
    """Flush the names in one folder; Windows does that by itself."""
    if os.name != "nt":
        _flush(path, os.O_RDONLY)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    finally:
        os.close(descriptor)
