"""Reading `pytorch_model.bin` files by torch's restricted unpickler.

Nothing is mapped: when a mapped file is cut, the system kills the process. Of torch's zip format only the list of
tensors is read, and where in the file each one lies; older files are read into memory.
"""

from __future__ import annotations

import errno
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.json_values import is_text
from lsg_convert.sources.file_bytes import read_bytes

if TYPE_CHECKING:
    import torch

_COPY_AGAIN = "download or copy the checkpoint again."
_NOT_TRUSTED = "convert it to safetensors on the machine of somebody who trusts it, or take another checkpoint."


class TorchFile:
    """A file written by `torch.save`, a table of named tensors; no code in it is ever run.

    Raises:
        RequestError: it is broken, or holds something else.
        OutsideError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        parts = _uncompressed_parts(path)
        self._tensors = _load(path, "meta" if parts else "cpu")
        if parts and not all(_lies_in(tensor, parts) for tensor in self._tensors.values()):
            self._tensors = _load(path, "cpu")  # torch before 2.7 does not say where a tensor lies
        for name, tensor in self._tensors.items():
            _check_tensor(printable(path.name), name, tensor)

    def described(self) -> dict[str, torch.Tensor]:
        """All tensors by name: dtype, shape and strides are theirs, values need not be there."""
        return self._tensors

    def offset(self, name: str) -> int | None:
        """Where in the file the bytes of a tensor begin; None when they are not there in one piece and in order."""
        tensor = self._tensors[name]
        return _start(tensor) if tensor.is_meta and tensor.is_contiguous() else None

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor with its values."""
        import torch

        tensor = self._tensors[name]
        if not tensor.is_meta:
            return tensor
        if not tensor.numel():
            return torch.empty_like(tensor, device="cpu")
        strides = zip(tensor.shape, tensor.stride(), strict=True)
        span = 1 + sum((size - 1) * stride for size, stride in strides)
        data = torch.from_numpy(read_bytes(self.path, _start(tensor), span * tensor.element_size()))
        return data.view(tensor.dtype).as_strided(tensor.shape, tensor.stride())

    def key(self, name: str) -> tuple[Any, ...]:
        """Equal for two tensors that are the same view of the same memory: tied weights."""
        tensor = self._tensors[name]
        where = _start(tensor) if tensor.is_meta else tensor.data_ptr()
        return (where, tensor.dtype, tuple(tensor.shape), tensor.stride())


def _load(path: Path, device: str) -> dict[str, torch.Tensor]:
    import torch

    shown = printable(path.name)
    try:
        loaded: Any = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise RequestError(f"{shown} holds more than tensors and was not loaded.", _NOT_TRUSTED) from error
    except Exception as error:  # a broken file makes torch raise almost anything
        _raise_if_unreadable(path, error)
        raise RequestError(f"{shown} is not a sound PyTorch file: it is truncated or corrupt.", _COPY_AGAIN) from error
    if not isinstance(loaded, dict) or not all(isinstance(name, str) and is_text(name) for name in loaded):
        raise RequestError(f"{shown} is not a table of named tensors.", _NOT_TRUSTED)
    return dict(loaded)


def _lies_in(tensor: Any, parts: dict[int, int]) -> bool:
    """Whether torch says where in the file this tensor's values are, and a part of the file is there."""
    import torch

    if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
        return True  # refused later
    storage = tensor.untyped_storage()
    offset = getattr(storage, "_checkpoint_offset", -1)
    return not storage.nbytes() or storage.nbytes() <= parts.get(offset, -1)


def _start(tensor: torch.Tensor) -> int:
    """Where in the file the first value of a tensor lies, whose values were not loaded."""
    begin = getattr(tensor.untyped_storage(), "_checkpoint_offset", 0)  # an empty one has none
    return int(begin + tensor.storage_offset() * tensor.element_size())


def _uncompressed_parts(path: Path) -> dict[int, int]:
    """Sizes of the parts of a file in torch's zip format, by their position; none of an older or foreign one."""
    shown = printable(path.name)
    try:
        if not zipfile.is_zipfile(path):
            return {}
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            entries = archive.infolist()
            parts = {_data_offset(file, entry): entry.file_size for entry in entries}
            orders = [archive.read(entry) for entry in entries if entry.filename.endswith("/byteorder")]
        size = path.stat().st_size
    except Exception as error:  # zipfile, too, raises many things
        _raise_if_unreadable(path, error)
        raise RequestError(
            f"{shown} is not a sound PyTorch file: its list of parts is corrupt.", _COPY_AGAIN
        ) from error
    # torch never compresses: a compressed entry is there to grow when it is read
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise RequestError(f"{shown} has compressed parts, which PyTorch never writes.", _NOT_TRUSTED)
    if sum(entry.file_size for entry in entries) > size:
        raise RequestError(f"{shown} claims more data than it has.", _COPY_AGAIN)
    return parts if all(order == sys.byteorder.encode() for order in orders) else {}


def _data_offset(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where the content of a part begins: behind a header of 30 bytes, its name and its extra field."""
    file.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return int(entry.header_offset + 30 + name + extra)


def _raise_if_unreadable(path: Path, error: Exception) -> None:
    """Raise OutsideError when the system cannot read the file; an offset that cannot be is the file's own fault."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise OutsideError(f"cannot read {printable(path, 300)}: {printable(error.strerror or error)}.") from error


def _check_tensor(shown: str, name: str, tensor: Any) -> None:
    import torch

    label = f"'{printable(name)}' in {shown}"
    if not isinstance(tensor, torch.Tensor):
        raise RequestError(f"{label} is of type {printable(type(tensor).__name__)}, not a tensor.", _NOT_TRUSTED)
    if tensor.layout != torch.strided or tensor.device.type not in ("cpu", "meta") or tensor.is_quantized:
        raise RequestError(f"{label} is not a plain tensor (sparse, quantized or without data).")
    # strides of zero let a few bytes claim terabytes
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise RequestError(f"{label} claims more data than it has.", _COPY_AGAIN)
