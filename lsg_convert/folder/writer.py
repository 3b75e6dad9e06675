"""A streaming safetensors writer: tensors come one at a time, so memory stays flat whatever the model's size."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from lsg_convert.common.errors import OutsideError
from lsg_convert.common.json_files import json_text
from lsg_convert.common.os_errors import os_failure
from lsg_convert.common.progress import Reporter, SilentReporter
from lsg_convert.folder.hashed_file import HashedFile
from lsg_convert.sources.safetensors_header import DTYPE_SIZES
from lsg_convert.sources.tensor_bytes import dtype_name, write_tensor

if TYPE_CHECKING:
    import torch

WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
DEFAULT_SHARD_SIZE = 5 * 10**9


@dataclass(frozen=True)
class FileRange:
    """Where in a file a tensor's bytes begin."""

    path: Path
    offset: int


@dataclass(frozen=True)
class TensorEntry:
    """A tensor to be written; `write` is called once, when its turn comes, and writes exactly its bytes.

    With a `place` where the same bytes lie already, the system copies them from there where it can.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    write: Callable[[BinaryIO], None]
    place: FileRange | None = None

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * DTYPE_SIZES[self.dtype]

    @classmethod
    def of(cls, name: str, tensor: torch.Tensor) -> TensorEntry:
        """The entry of a tensor that is in memory already."""
        return cls(name, dtype_name(tensor.dtype), tuple(tensor.shape), lambda out: write_tensor(tensor, out))


@dataclass(frozen=True)
class WrittenFile:
    """A file that was written, and what it holds; the hash is computed while writing."""

    path: Path
    size: int
    sha256: str


def write_safetensors(
    folder: Path,
    entries: Sequence[TensorEntry],
    max_shard_size: int = DEFAULT_SHARD_SIZE,
    reporter: Reporter | None = None,
) -> list[WrittenFile]:
    """Write `entries` into `folder`: one file, or shards of at most `max_shard_size` bytes and their index.

    A shard exceeds the size only when a single tensor does. When anything fails, no file is left behind.
    """
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        raise ValueError("a tensor would be written twice")
    shards = _split(_aligned(entries), max_shard_size)
    headers = [_header(shard) for shard in shards]
    total = sum(len(header) for header in headers) + sum(entry.nbytes for entry in entries)
    _require_space(folder, total)
    paths = [folder / name for name in _file_names(len(shards))]
    created: list[Path] = []
    written: list[WrittenFile] = []
    try:
        with (reporter or SilentReporter()).stage("Writing tensors", total) as advance:
            for path, header, shard in zip(paths, headers, shards, strict=True):
                with path.open("xb", buffering=0) as file:
                    created.append(path)
                    with HashedFile(path, file, advance) as out:
                        _write_file(out, header, shard)
                        written.append(WrittenFile(path, out.size, out.finish()))
            if len(shards) > 1:
                with (folder / INDEX_NAME).open("xb") as file:
                    created.append(folder / INDEX_NAME)
                    written.append(_write_index(folder / INDEX_NAME, file, paths, shards))
    except BaseException as error:
        for path in created:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise os_failure(error, f"cannot write to {folder}") from error
        raise
    return written


def _aligned(entries: Sequence[TensorEntry]) -> list[TensorEntry]:
    """Wider dtypes first, so that every tensor lies at a multiple of its item size; the order is kept otherwise."""
    return sorted(entries, key=lambda entry: -DTYPE_SIZES[entry.dtype])


def _split(entries: Sequence[TensorEntry], max_shard_size: int) -> list[list[TensorEntry]]:
    shards: list[list[TensorEntry]] = [[]]
    size = 0
    for entry in entries:
        if shards[-1] and size + entry.nbytes > max_shard_size:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += entry.nbytes
    return shards


def _file_names(count: int) -> list[str]:
    if count == 1:
        return [WEIGHTS_NAME]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def _header(entries: Sequence[TensorEntry]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for entry in entries:
        offsets = [position, position + entry.nbytes]
        header[entry.name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": offsets}
        position += entry.nbytes
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)  # the tensors begin at a multiple of 8
    return len(raw).to_bytes(8, "little") + raw


def _write_file(out: HashedFile, header: bytes, entries: Sequence[TensorEntry]) -> None:
    out.write(header)
    for entry in entries:
        start = out.size
        if entry.place is None or not out.copy(entry.place.path, entry.place.offset, entry.nbytes):
            entry.write(cast(BinaryIO, out))
        if out.size - start != entry.nbytes:
            raise ValueError(f"tensor '{entry.name}': {out.size - start} bytes written, {entry.nbytes} announced")


def _write_index(
    path: Path, file: BinaryIO, paths: Sequence[Path], shards: Sequence[Sequence[TensorEntry]]
) -> WrittenFile:
    weight_map = {
        entry.name: shard_path.name for shard_path, shard in zip(paths, shards, strict=True) for entry in shard
    }
    total = sum(entry.nbytes for shard in shards for entry in shard)
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    data = json_text(index).encode()
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
    return WrittenFile(path, len(data), hashlib.sha256(data).hexdigest())


def _require_space(folder: Path, needed: int) -> None:
    """Fail before the work, not after it, when the disk cannot take the weights."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise os_failure(error, f"cannot write to {folder}") from error
    if free < needed:
        raise OutsideError(
            f"not enough space in {folder}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free.",
            "free some space, or choose another place with --output.",
        )
