"""Having the disk hold what was written, before a name is given to it: a name must not outlive its content."""

from __future__ import annotations

import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# At once: the journal of the file system takes them together.
_THREADS = 8
_STEP = 64 * 2**20  # bytes between two flushes of a file that is being written
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)  # a file system that does not flush


class FlushWhileWriting:
    """Keeps the disk at work while a large file is written: the flush at the end waits for its last part only."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="flush")
        self._running: Future[None] | None = None
        self._flushed = 0

    def written(self, size: int) -> None:
        """Say that the file has `size` bytes now; raises OSError when the disk failed."""
        if size - self._flushed < _STEP or (self._running is not None and not self._running.done()):
            return
        if self._running is not None:
            self._running.result()
        self._flushed = size
        self._running = self._worker.submit(_flush_descriptor, self._descriptor)

    def finish(self) -> None:
        """Flush what is left; raises OSError when the disk failed, now or before."""
        if self._running is not None:
            self._running.result()
        _flush_descriptor(self._descriptor)

    def close(self) -> None:
        """Wait for the flush that is under way, whatever its outcome."""
        self._worker.shutdown()


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
        _flush_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _flush_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
