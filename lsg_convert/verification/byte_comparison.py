"""Comparing the bytes of a tensor with those that it should have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lsg_convert.sources.tensor_bytes import CHUNK, torch_dtype

if TYPE_CHECKING:
    import numpy
    import torch

RTOL = {"F64": 1e-6, "F32": 1e-5, "F16": 2e-3, "BF16": 1.6e-2}  # of what is computed: machines round differently
_WORD = 8  # bytes


class Comparer:
    """Takes the bytes that a conversion would write, and compares them with those of a tensor, uint8 [n]."""

    def __init__(self, actual: numpy.ndarray, shape: tuple[int, ...], exact: bool, dtype: str) -> None:
        self._actual = actual
        self._shape = shape
        self._dtype = torch_dtype(dtype)
        self._rtol = None if exact else RTOL[dtype]
        self._position = 0
        self.problem: str | None = None

    def write(self, chunk: Any) -> int:
        """Compare the next bytes."""
        import numpy

        expected = numpy.frombuffer(chunk, dtype=numpy.uint8)
        start, self._position = self._position, self._position + len(expected)
        if self.problem is not None:
            return len(expected)
        actual = self._actual[start : self._position]
        if self._rtol is None:
            position = first_difference(expected, actual)
            if position is not None:
                self.problem = self._at(start + position)
        else:
            ours, theirs = (values_of(part, self._dtype).float() for part in (expected, actual))
            different = (ours - theirs).abs() > self._rtol * (1 + ours.abs())
            if bool(different.any()) or bool(theirs.isnan().any()):
                self.problem = self._at(start + int(different.nonzero()[0]) * self._dtype.itemsize)
        return len(expected)

    def _at(self, byte: int) -> str:
        index = index_of(byte // self._dtype.itemsize, self._shape)
        return f"row {index[0]} is not what the conversion makes of the source (first at {index})"


def values_of(data: numpy.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """The values [n] that are stored as bytes, uint8 [n · item size]."""
    import torch

    return torch.from_numpy(data.copy()).view(dtype)


def same_bytes(expected: Iterable[bytes | memoryview], actual: Iterable[bytes | memoryview]) -> bool:
    """Whether two tensors' bytes are equal, given in pieces of the same sizes."""
    import numpy

    pairs = zip(expected, actual, strict=True)
    return all(_equal(*(numpy.frombuffer(piece, dtype=numpy.uint8) for piece in pair)) for pair in pairs)


def first_difference(expected: numpy.ndarray, actual: numpy.ndarray) -> int | None:
    """Index of the first byte that differs, of two arrays uint8 [n]."""
    for start in range(0, len(expected), CHUNK):
        ours, theirs = expected[start : start + CHUNK], actual[start : start + CHUNK]
        if not _equal(ours, theirs):
            return start + int((ours != theirs).nonzero()[0][0])
    return None


def _equal(ours: numpy.ndarray, theirs: numpy.ndarray) -> bool:
    """Whether two arrays uint8 [n] are equal; eight bytes at a time, which is nine times as fast as one."""
    import numpy

    whole = len(ours) // _WORD * _WORD
    words = ours[:whole].view(numpy.uint64), theirs[:whole].view(numpy.uint64)
    return numpy.array_equal(*words) and numpy.array_equal(ours[whole:], theirs[whole:])


def index_of(element: int, shape: tuple[int, ...]) -> list[int]:
    """Coordinates of the `element`-th value of a tensor."""
    index: list[int] = []
    for size in reversed(shape):
        element, coordinate = divmod(element, max(size, 1))
        index.insert(0, coordinate)
    return index
