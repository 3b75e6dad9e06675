"""Reading parts of weight files by their position. Nothing is mapped: when a mapped file is cut, the system kills the
process, and what it was writing stays behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import OutsideError
from lsg_convert.common.os_errors import os_failure
from lsg_convert.sources.tensor_bytes import CHUNK

if TYPE_CHECKING:
    import numpy


def read_bytes(path: Path, offset: int, size: int) -> numpy.ndarray:
    """`size` bytes of a file, uint8 [size]; raises OutsideError when they cannot be read."""
    import numpy

    data = numpy.empty(size, dtype=numpy.uint8)
    view, done = data.data, 0
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while done < size:
                count = file.readinto(view[done:])
                if not count:
                    raise OutsideError(f"{path.name} became shorter while it was read.", "copy it again.")
                done += count
    except OSError as error:
        raise os_failure(error, f"cannot read {path}", elsewhere="give another source") from error
    return data


def read_chunks(path: Path, offset: int, size: int) -> Iterator[bytes]:
    """`size` bytes of a file, a few MB at a time; raises OutsideError when they cannot be read."""
    remaining = size
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while remaining:
                chunk = file.read(min(CHUNK, remaining))
                if not chunk:
                    raise OutsideError(f"{path.name} became shorter while it was read.", "copy it again.")
                remaining -= len(chunk)
                yield chunk
    except OSError as error:
        raise os_failure(error, f"cannot read {path}", elsewhere="give another source") from error


@dataclass(frozen=True)
class StoredRows:
    """A table's rows in a file, each uint8 [width]; they are read when they are asked for."""

    path: Path
    offset: int
    count: int
    width: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, rows: Any) -> numpy.ndarray:
        """One row by its number [width], or a slice of them [n, width]."""
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.count)
            data = read_bytes(self.path, self.offset + start * self.width, (stop - start) * self.width)
            return data.reshape(-1, self.width)
        row = range(self.count)[rows]
        return read_bytes(self.path, self.offset + row * self.width, self.width)
