"""Where two tensors' bytes differ first, whatever their length."""

from __future__ import annotations

import numpy
from hypothesis import given
from hypothesis import strategies as st

from lsg_convert.sources.tensor_bytes import CHUNK
from lsg_convert.verification.byte_comparison import first_difference, same_bytes


@given(length=st.integers(0, 40), start=st.integers(0, 7), changed=st.sets(st.integers(0, 39)))
def test_the_first_byte_that_differs(length: int, start: int, changed: set[int]) -> None:
    expected = numpy.arange(start + length, dtype=numpy.uint8)[start:]
    actual = expected.copy()
    within = sorted(index for index in changed if index < length)
    actual[within] ^= 1
    assert first_difference(expected, actual) == (within[0] if within else None)


def test_in_any_chunk() -> None:
    expected = numpy.zeros(2 * CHUNK + 5, dtype=numpy.uint8)
    assert first_difference(expected, expected.copy()) is None
    for index in (0, CHUNK - 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 4):
        actual = expected.copy()
        actual[index] = 1
        assert first_difference(expected, actual) == index


@given(sizes=st.lists(st.integers(0, 20), max_size=5), changed=st.integers(0, 99))
def test_in_pieces(sizes: list[int], changed: int) -> None:
    data = bytearray(range(sum(sizes)))
    pieces = [bytes(data[sum(sizes[:number]) :][:size]) for number, size in enumerate(sizes)]
    assert same_bytes(pieces, [memoryview(piece) for piece in pieces])
    if data:
        data[changed % len(data)] ^= 1
        others = [bytes(data[sum(sizes[:number]) :][:size]) for number, size in enumerate(sizes)]
        assert not same_bytes(pieces, others)
