"""A file that is hashed and flushed while it is written, by threads of their own: all three take the time of one."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lsg_convert.common.errors import OutsideError
from lsg_convert.common.flush import FlushWhileWriting
from lsg_convert.common.os_errors import os_failure
from lsg_convert.common.progress import Advance

_COPIED_AT_ONCE = 8 * 2**20  # between two signs of progress
_HASHED_AT_ONCE = 2**22  # each step waits for Python's lock, which an import meanwhile holds for milliseconds


class HashedFile:
    """Writes to an unbuffered `file`, which lies at `path`. `size` is what has been written so far.

    The hash is computed from the file, by a thread that reads what is there.
    """

    def __init__(self, path: Path, file: BinaryIO, advance: Advance) -> None:
        self.size = 0
        self._path = path
        self._file = file
        self._advance = advance
        self._changed = threading.Condition()
        self._complete = False
        self._abandoned = False
        self._flush = FlushWhileWriting(file.fileno())
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hash")
        self._digest = self._worker.submit(self._follow)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of `data`."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += self._file.write(view[done:])
        self._written(done)
        return done

    def copy(self, path: Path, offset: int, size: int) -> bool:
        """Have the system copy `size` bytes of another file, from `offset` on; False, and nothing done, if it cannot.

        Raises:
            OutsideError: the other file cannot be read, or ends too early.
        """
        if not hasattr(os, "sendfile"):
            return False
        position, end = offset, offset + size
        with _opened(path) as source:
            while position < end:
                try:
                    count = os.sendfile(
                        self._file.fileno(), source.fileno(), position, min(end - position, _COPIED_AT_ONCE)
                    )
                except OSError:
                    # Not between these files on this system, or a real error, which writing meets again.
                    if position == offset:
                        return False
                    raise
                if not count:
                    raise OutsideError(f"{path.name} became shorter while it was read.", "copy it again.")
                position += count
                self._written(count)
        return True

    def finish(self) -> str:
        """Flush the file to the disk and return its SHA-256; nothing can be written after."""
        with self._changed:
            self._complete = True
            self._changed.notify()
        self._flush.finish()
        return self._digest.result()

    def _written(self, count: int) -> None:
        with self._changed:
            self.size += count
            self._changed.notify()
        self._flush.written(self.size)
        self._advance(count)

    def _follow(self) -> str:
        digest, done = hashlib.sha256(), 0
        buffer = memoryview(bytearray(_HASHED_AT_ONCE))
        with self._path.open("rb", buffering=0) as file:
            while not self._abandoned:
                with self._changed:
                    while self.size == done and not self._complete:
                        self._changed.wait()
                    end = self.size
                if end == done:
                    break
                while done < end and not self._abandoned:
                    count = file.readinto(buffer[: end - done])
                    if not count:
                        raise OSError(f"{self._path} became shorter while it was written")
                    digest.update(buffer[:count])
                    done += count
        return digest.hexdigest()

    def __enter__(self) -> HashedFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._changed:
            self._abandoned, self._complete = kind is not None, True
            self._changed.notify()
        self._worker.shutdown()
        self._flush.close()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise os_failure(error, f"cannot read {path}", elsewhere="give another source") from error
    with file:
        yield file
