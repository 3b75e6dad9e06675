"""A strict reader of safetensors headers: everything is checked against the file before a tensor is touched.

The layout: 8 bytes little-endian header length, that many bytes of JSON, then the tensors' bytes without gaps.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.common.files import open_regular, parse_json_object, printable

# A header takes about 100 bytes a tensor; this leaves room for 100,000 of them.
HEADER_LIMIT = 16 * 2**20
MAX_DIMENSIONS = 32

DTYPE_SIZES: dict[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip


@dataclass(frozen=True)
class HeaderEntry:
    """One tensor of a safetensors file; `offset` counts from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    offset: int


def read_header(path: Path) -> list[HeaderEntry]:
    """The tensors of a safetensors file in the order of their bytes; raises RequestError when anything disagrees."""
    shown = printable(path.name)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size == 0:
                raise _broken(shown, "it is empty")
            if size < 8 or length > size - 8:
                raise _broken(shown, f"it has {size} bytes and claims a header of {length}")
            if length > HEADER_LIMIT:
                raise _broken(shown, f"its header of {length} bytes exceeds {HEADER_LIMIT // 2**20} MB")
            raw = file.read(length)  # of the descriptor whose size was looked at
    except OSError as error:
        raise OutsideError(f"cannot read {printable(path, 300)}: {printable(error.strerror or error)}.") from error
    header = parse_json_object(raw, f"the header of {shown}", unique_keys=True)
    header.pop("__metadata__", None)
    entries = [_entry(shown, name, value, 8 + length) for name, value in header.items()]
    entries.sort(key=lambda entry: (entry.offset, entry.nbytes))
    position = 8 + length
    for entry in entries:
        if entry.offset != position:
            problem = "overlaps the one before it" if entry.offset < position else "leaves a gap before it"
            raise _broken(shown, f"tensor '{printable(entry.name)}' {problem}")
        position += entry.nbytes
    if position != size:
        problem = "truncated" if size < position else "longer than its header says"
        raise _broken(shown, f"it is {problem}: {size} bytes, not {position}")
    return entries


def _entry(shown: str, name: str, value: Any, data_start: int) -> HeaderEntry:
    label = f"tensor '{printable(name)}'"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _broken(shown, f"{label} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_SIZES:
        raise _broken(shown, f"{label} has the unknown dtype {printable(dtype, 40)}")
    if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
        raise _broken(shown, f"{label} has no valid shape")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise _broken(shown, f"{label} has no valid data_offsets")
    nbytes = math.prod(shape) * DTYPE_SIZES[dtype]
    if offsets[1] - offsets[0] != nbytes:
        given = offsets[1] - offsets[0]
        raise _broken(shown, f"{label} needs {printable(nbytes, 30)} bytes, its data_offsets give {given}")
    return HeaderEntry(name, dtype, tuple(shape), nbytes, data_start + offsets[0])


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _broken(shown: str, problem: str) -> RequestError:
    return RequestError(
        f"{shown} is not a sound safetensors file: {problem}.", "download or copy the checkpoint again."
    )
