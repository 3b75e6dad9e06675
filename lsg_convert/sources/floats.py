"""Stored floating-point numbers to float32 and back, without torch: bfloat16 is the upper half of a float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

if TYPE_CHECKING:
    import numpy

_NUMPY_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
FLOAT_DTYPES = (*_NUMPY_FLOATS, "BF16")


def to_float32(stored: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """Bytes [..., n · item size] of safetensors' `dtype` as float32 numbers [..., n].

    Raises:
        RequestError: they are no floating-point numbers that can be computed with.
    """
    import numpy

    if dtype == "BF16":
        return (stored.view("<u2").astype(numpy.uint32) << 16).view(numpy.float32)
    if dtype not in _NUMPY_FLOATS:
        raise RequestError(
            f"embeddings of dtype {printable(dtype)} cannot be extended.",
            f"Convert the checkpoint to one of {', '.join(FLOAT_DTYPES)} first.",
        )
    return stored.view(_NUMPY_FLOATS[dtype]).astype(numpy.float32, copy=False)


def from_float32(numbers: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """Float32 numbers [..., n] as bytes [..., n · item size] of `dtype`, rounded to the nearest, ties to even."""
    import numpy

    if dtype != "BF16":
        with numpy.errstate(over="ignore"):  # too large for float16 is infinite, as in torch
            return numpy.ascontiguousarray(numbers.astype(_NUMPY_FLOATS[dtype])).view(numpy.uint8)
    bits = numpy.ascontiguousarray(numbers, dtype="<f4").view("<u4")
    with numpy.errstate(over="ignore"):
        rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    # rounding up could make infinity of a NaN
    rounded = numpy.where(numpy.isnan(numbers), bits >> 16 | 0x40, rounded)
    return rounded.astype("<u2").view(numpy.uint8)


def converted(stored: numpy.ndarray, dtype: str, wanted: str) -> numpy.ndarray:
    """Bytes of `dtype` as bytes of `wanted`; the same bytes where the two are equal."""
    return stored if dtype == wanted else from_float32(to_float32(stored, dtype), wanted)
