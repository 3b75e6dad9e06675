"""Between torch's tensors and safetensors' bytes and dtype names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

if TYPE_CHECKING:
    import numpy
    import torch

CHUNK = 4 * 2**20


def write_tensor(tensor: torch.Tensor, out: BinaryIO) -> None:
    """Write a tensor's bytes to `out` as safetensors stores them."""
    for chunk in tensor_chunks(tensor):
        out.write(chunk)


def tensor_chunks(tensor: torch.Tensor) -> Iterator[memoryview]:
    """A tensor's bytes as safetensors stores them, in pieces."""
    flat = tensor_bytes(tensor)
    for start in range(0, len(flat), CHUNK):
        yield flat[start : start + CHUNK].data


def tensor_bytes(tensor: torch.Tensor) -> numpy.ndarray:
    """A tensor's bytes as safetensors stores them, uint8 [n]."""
    import torch

    array: numpy.ndarray = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    return array


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of a safetensors dtype name."""
    dtype = _torch_dtypes().get(name)
    if dtype is None:
        raise RequestError(f"tensors of dtype {printable(name)} cannot be read by this version of torch.")
    return dtype


def dtype_name(dtype: torch.dtype) -> str:
    """The safetensors name of a torch dtype."""
    for name, candidate in _torch_dtypes().items():
        if candidate == dtype:
            return name
    raise RequestError(f"tensors of dtype {dtype} cannot be stored as safetensors.")


@lru_cache(maxsize=1)
def _torch_dtypes() -> dict[str, torch.dtype]:
    import torch

    spelled = {
        "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64", "BOOL": "bool",
        "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
        "U16": "uint16", "U32": "uint32", "U64": "uint64", "C64": "complex64",
        "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    }  # fmt: skip
    return {name: getattr(torch, dtype) for name, dtype in spelled.items() if hasattr(torch, dtype)}
