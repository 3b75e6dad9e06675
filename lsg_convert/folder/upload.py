"""The files of a converted folder as they are sent: regular files inside of it, and no link on the way to them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.files import is_plain_relative, open_regular, printable

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

# Up to this size a file is sent from memory: it is read once, and what was read is what goes.
_IN_MEMORY = 32 * 2**20
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Upload:
    """A file to be sent: its bytes, or where they are. `sha256` is what they must be, None where nothing is known."""

    name: str
    size: int
    content: bytes | Path
    sha256: str | None

    def operation(self) -> CommitOperationAdd:
        """The file as the Hub's client wants it, hashed anew.

        Raises:
            RequestError: it is no longer the file that was checked.
        """
        from huggingface_hub import CommitOperationAdd

        added = CommitOperationAdd(self.name, self.content)
        if added.upload_info.size != self.size or self.sha256 not in (None, added.upload_info.sha256.hex()):
            raise RequestError(f"'{printable(self.name)}' was changed while it was published.", "run it again.")
        return added

    @classmethod
    def of(cls, name: str, content: bytes) -> Upload:
        """A file that is made while it is published."""
        return cls(name, len(content), content, hashlib.sha256(content).hexdigest())

    def arrived(self, blob_id: str | None, lfs_sha256: str | None) -> bool:
        """Whether what the Hub has, by git's hash or by that of a large file, is what was sent."""
        if lfs_sha256 is not None:
            mine = hashlib.sha256(self.content).hexdigest() if isinstance(self.content, bytes) else self.sha256
            return mine in (None, lfs_sha256)
        if blob_id is None or not isinstance(self.content, bytes):
            return True
        return blob_id == hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


def prepare(folder: Path, names: Mapping[str, str | None]) -> list[Upload]:
    """The files `names` of `folder`, each with the SHA-256 that it must have, where that is known.

    Raises:
        RequestError: one of them is not a regular file, is a link or lies behind one, or is not what it must be.
        OutsideError: one cannot be read.
    """
    return [_prepare(folder.resolve(), name, sha256) for name, sha256 in names.items()]


def _prepare(folder: Path, name: str, sha256: str | None) -> Upload:
    try:
        with _opened(folder, name) as file:
            size = os.fstat(file.fileno()).st_size
            if size > _IN_MEMORY:
                return Upload(name, size, folder / name, sha256)
            content = file.read(size + 1)
    except OSError as error:
        raise OutsideError(f"cannot read '{printable(name)}': {printable(error.strerror or error)}.") from error
    if len(content) != size or sha256 not in (None, hashlib.sha256(content).hexdigest()):
        raise RequestError(f"'{printable(name)}' was changed while it was published.", "run it again.")
    return Upload(name, size, content, sha256)


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[BinaryIO]:
    """The regular file `name` in `folder`, reached through folders only, each opened from the one above."""
    if not is_plain_relative(name):
        raise RequestError(f"the file name '{printable(name)}' leads out of the folder.", "convert the source again.")
    *parents, last = name.split("/")
    if os.open not in os.supports_dir_fd:  # Windows
        if any(
            part.is_symlink() for part in (folder / name, *(folder / parent for parent in PurePath(name).parents[:-1]))
        ):
            raise _link(name)
        with open_regular(folder / name) as file:
            yield file
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        for part in (*parents, last):
            if stat.S_ISLNK(os.stat(part, dir_fd=descriptor, follow_symlinks=False).st_mode):
                raise _link(name)
            below = os.open(part, _FLAGS, dir_fd=descriptor)  # refuses a link that has just been put there
            os.close(descriptor)
            descriptor = below
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RequestError(f"'{printable(name)}' is not a regular file; only those are published.")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _link(name: str) -> RequestError:
    return RequestError(
        f"'{printable(name)}' is a link, or lies behind one; what is published are regular files.",
        "put the file itself into the folder, or convert the source again.",
    )
