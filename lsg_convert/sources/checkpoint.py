"""A lazy reader of a model folder: its config and its tensors, whatever the file format.

Nothing here runs code from the folder, follows names out of it, or takes memory before the sizes are checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object, safe_file
from lsg_convert.sources.file_bytes import StoredRows, read_bytes, read_chunks
from lsg_convert.sources.folders import refuse_other_folder
from lsg_convert.sources.safetensors_header import read_header
from lsg_convert.sources.tensor_bytes import dtype_name, tensor_bytes, tensor_chunks, torch_dtype

if TYPE_CHECKING:
    import numpy
    import torch

    from lsg_convert.sources.torch_files import TorchFile

CONFIG_LIMIT = 8 * 2**20
INDEX_LIMIT = 16 * 2**20
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # in order of preference; "<file>.index.json" lists shards
_FOREIGN_WEIGHTS = (".h5", ".msgpack", ".onnx", ".gguf", ".ot", ".pt", ".pth", ".ckpt", ".safetensors", ".bin")

# What TensorFlow-era checkpoints call the LayerNorm parameters.
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


@dataclass(frozen=True)
class TensorInfo:
    """What is known of a tensor without reading it; `dtype` is safetensors' name for it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    file: Path
    stored_name: str
    offset: int | None  # of its bytes in `file`; None when they are not there in one piece and in order


@dataclass(frozen=True)
class Checkpoint:
    """A model folder. `tensors` are in file order; `aliases` maps a tied tensor to the one that it repeats."""

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, TensorInfo]
    aliases: dict[str, str] = field(default_factory=dict)
    _torch_files: _TorchFiles = field(default_factory=lambda: _TorchFiles(), repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path) -> Checkpoint:
        """Read config and tensor headers; raises RequestError for anything missing, broken or hostile."""
        refuse_other_folder(folder)
        config = read_json_object(safe_file(folder, "config.json"), CONFIG_LIMIT)
        tensors: dict[str, TensorInfo] = {}
        aliases: dict[str, str] = {}
        torch_files = _TorchFiles()
        for path, listed in _weight_files(folder):
            infos, ties = _list_tensors(path, torch_files)
            if listed is not None:
                _check_listed(path, listed, {info.stored_name for info in infos})
            for info in infos:
                if info.name in tensors:
                    raise RequestError(
                        f"tensor '{printable(info.name)}' is in the checkpoint twice "
                        f"({printable(tensors[info.name].file.name)} and {printable(path.name)}).",
                        "the checkpoint is broken; download or copy it again.",
                    )
                tensors[info.name] = info
            aliases |= ties
        if not tensors:
            raise RequestError(f"the weights in {printable(folder, 300)} hold no tensor.")
        return cls(folder, config, tensors, aliases, torch_files)

    def read(self, name: str) -> torch.Tensor:
        """One tensor, in memory of its own."""
        import torch

        info = self.tensors[name]
        if info.offset is None:
            tensor = self._torch_files.open(info.file).tensor(info.stored_name)
            return tensor.detach().clone(memory_format=torch.contiguous_format)
        dtype = torch_dtype(info.dtype)
        if not info.nbytes:
            return torch.empty(info.shape, dtype=dtype)
        return torch.from_numpy(read_bytes(info.file, info.offset, info.nbytes)).view(dtype).reshape(info.shape)

    def stored(self, name: str) -> numpy.ndarray:
        """One tensor's bytes, uint8 [n]. Not to be written to."""
        info = self.tensors[name]
        if info.offset is None:
            return tensor_bytes(self._torch_files.open(info.file).tensor(info.stored_name))
        return read_bytes(info.file, info.offset, info.nbytes)

    def stored_rows(self, name: str) -> numpy.ndarray | StoredRows:
        """A table's rows as they are stored, uint8 [n, bytes of a row], in a file if they can be read one by one."""
        info = self.tensors[name]
        if info.offset is None or not info.shape[0]:
            rows: numpy.ndarray = self.stored(name).reshape(info.shape[0], -1)
            return rows
        return StoredRows(info.file, info.offset, info.shape[0], info.nbytes // info.shape[0])

    def copy_bytes(self, name: str, out: BinaryIO) -> None:
        """Write a tensor's bytes to `out`, unchanged and in pieces."""
        for chunk in self.chunks(name):
            out.write(chunk)

    def chunks(self, name: str) -> Iterator[bytes | memoryview]:
        """One tensor's bytes, a few MB at a time."""
        info = self.tensors[name]
        if info.offset is None:
            return tensor_chunks(self._torch_files.open(info.file).tensor(info.stored_name))
        return read_chunks(info.file, info.offset, info.nbytes)


class _TorchFiles:
    """The `.bin` file in use: one at a time, since one of the old format takes its size in memory."""

    def __init__(self) -> None:
        self._current: TorchFile | None = None

    def open(self, path: Path) -> TorchFile:
        from lsg_convert.sources.torch_files import TorchFile

        if self._current is None or self._current.path != path:
            self._current = None  # before the next one takes its memory
            self._current = TorchFile(path)
        return self._current


def _weight_files(folder: Path) -> list[tuple[Path, set[str] | None]]:
    """The files that hold the weights, each with the tensors that an index lists for it."""
    for name in WEIGHT_FILES:
        # lexists: a link that dangles or leads out is an error of its own, not a reason to look further
        if os.path.lexists(folder / name):
            return [(safe_file(folder, name), None)]
        if os.path.lexists(folder / f"{name}.index.json"):
            return _shards(folder, f"{name}.index.json")
    others = sorted(path.name for path in folder.iterdir() if path.suffix in _FOREIGN_WEIGHTS)
    found = f"; it has {printable(', '.join(others))}" if others else ""
    raise RequestError(
        f"no weights in {printable(folder, 300)}{found}.",
        "wanted: model.safetensors or pytorch_model.bin, whole or in shards with their index.",
    )


def weight_file_names(folder: Path) -> list[str]:
    """Names of the files that hold the weights, with the index of shards; none where there are no weights."""
    for name in WEIGHT_FILES:
        if os.path.lexists(folder / name):
            return [name]
        if os.path.lexists(folder / f"{name}.index.json"):
            shards = _shards(folder, f"{name}.index.json")
            return [f"{name}.index.json", *(path.relative_to(folder).as_posix() for path, _ in shards)]
    return []


def _shards(folder: Path, index_name: str) -> list[tuple[Path, set[str] | None]]:
    weight_map = read_json_object(safe_file(folder, index_name), INDEX_LIMIT, unique_keys=True).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise RequestError(f"{index_name} has no weight_map from tensors to files.")
    suffix = ".safetensors" if "safetensors" in index_name else ".bin"
    tensors_of: dict[str, set[str]] = {}
    for tensor, name in weight_map.items():
        tensors_of.setdefault(name, set()).add(tensor)
    for name in tensors_of:
        if not name.endswith(suffix):
            raise RequestError(f"{index_name} names '{printable(name)}', which is no {suffix} file.")
    return [(safe_file(folder, name), names) for name, names in tensors_of.items()]


def _check_listed(path: Path, listed: set[str], stored: set[str]) -> None:
    """Raise RequestError when a shard does not hold exactly what the index lists for it."""
    for problem, different in (("lacks", listed - stored), ("has, unlike its index,", stored - listed)):
        if different:
            raise RequestError(
                f"{printable(path.name)} {problem} '{printable(min(different))}'.",
                "the checkpoint is broken; download or copy it again.",
            )


def _list_tensors(path: Path, torch_files: _TorchFiles) -> tuple[list[TensorInfo], dict[str, str]]:
    if path.name.endswith(".safetensors"):
        entries = read_header(path)
        return [TensorInfo(_new_name(e.name), e.dtype, e.shape, e.nbytes, path, e.name, e.offset) for e in entries], {}
    infos: list[TensorInfo] = []
    first: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}
    file = torch_files.open(path)
    for stored_name, tensor in file.described().items():
        name = _new_name(stored_name)
        nbytes = tensor.numel() * tensor.element_size()
        offset = file.offset(stored_name)
        infos.append(TensorInfo(name, dtype_name(tensor.dtype), tuple(tensor.shape), nbytes, path, stored_name, offset))
        original = first.setdefault(file.key(stored_name), name)
        if original != name and nbytes:
            aliases[name] = original
    return infos, aliases


def _new_name(name: str) -> str:
    for old, new in _OLD_NAMES.items():
        if name == old or name.endswith("." + old):
            return name.removesuffix(old) + new
    return name
