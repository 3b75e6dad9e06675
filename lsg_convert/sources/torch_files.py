"""Reading `pytorch_model.bin` files: mapped, by torch's restricted unpickler, checked before memory is taken."""

from __future__ import annotations

import errno
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.files import printable
from lsg_convert.common.json_values import is_text

if TYPE_CHECKING:
    import torch

_COPY_AGAIN = "download or copy the checkpoint again."
_NOT_TRUSTED = "convert it to safetensors on the machine of somebody who trusts it, or take another checkpoint."


# Pages of a mapping stay in memory once they are read; beyond this many bytes it is dropped and made anew.
_MAPPED_LIMIT = 256 * 2**20


class TorchFile:
    """A `.bin` file whose tensors are looked at one at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapped = _is_plain_zip(path)
        self._tensors: dict[str, torch.Tensor] | None = None
        self._bytes_read = 0

    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors by name; those of a mapped file take no memory until their values are read."""
        if self._tensors is None:
            self._tensors = load_torch_file(self.path, self._mapped)
            self._bytes_read = 0
        return self._tensors

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, about to be read."""
        if self._mapped and self._bytes_read > _MAPPED_LIMIT:
            self._tensors = None
        tensor = self.tensors()[name]
        self._bytes_read += tensor.numel() * tensor.element_size()
        return tensor


def load_torch_file(path: Path, mapped: bool) -> dict[str, torch.Tensor]:
    """The tensors of a file written by `torch.save`, by name; no code in it is ever run."""
    import torch

    shown = printable(path.name)
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise RequestError(f"{shown} holds more than tensors and was not loaded.", _NOT_TRUSTED) from error
    except Exception as error:  # a broken file makes torch raise almost anything
        _raise_if_unreadable(path, error)
        raise RequestError(f"{shown} is not a sound PyTorch file: it is truncated or corrupt.", _COPY_AGAIN) from error
    if not isinstance(loaded, dict) or not all(isinstance(name, str) and is_text(name) for name in loaded):
        raise RequestError(f"{shown} is not a table of named tensors.", _NOT_TRUSTED)
    for name, tensor in loaded.items():
        _check_tensor(shown, name, tensor)
    return dict(loaded)


def _is_plain_zip(path: Path) -> bool:
    """Whether `path` is torch's zip format, whose entries lie uncompressed and can be mapped (older files cannot)."""
    shown = printable(path.name)
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
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
    return True


def _raise_if_unreadable(path: Path, error: Exception) -> None:
    """Raise OutsideError when the system cannot read the file; an offset that cannot be is the file's own fault."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise OutsideError(f"cannot read {printable(path, 300)}: {printable(error.strerror or error)}.") from error


def _check_tensor(shown: str, name: str, tensor: Any) -> None:
    import torch

    label = f"'{printable(name)}' in {shown}"
    if not isinstance(tensor, torch.Tensor):
        raise RequestError(f"{label} is of type {printable(type(tensor).__name__)}, not a tensor.", _NOT_TRUSTED)
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise RequestError(f"{label} is not a plain tensor (sparse, quantized or without data).")
    # strides of zero let a few bytes claim terabytes
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise RequestError(f"{label} claims more data than it has.", _COPY_AGAIN)


def storage_key(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Equal for two tensors that are the same view of the same memory: tied weights."""
    return (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
