"""Numbers of every stored precision, against torch's own conversions."""

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lsg_convert.common.errors import RequestError
from lsg_convert.sources.floats import FLOAT_DTYPES, converted, from_float32, to_float32
from lsg_convert.sources.tensor_bytes import tensor_bytes, torch_dtype

EVERY_HALF = torch.arange(2**16).to(torch.uint16)


def same_bits(ours: numpy.ndarray, theirs: numpy.ndarray) -> bool:
    """Equal bit for bit, but that a NaN may be any NaN."""
    return bool((ours.view(numpy.uint32) == theirs.view(numpy.uint32))[~numpy.isnan(theirs)].all()) and bool(
        (numpy.isnan(ours) == numpy.isnan(theirs)).all()
    )


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
def test_every_number_of_16_bits_is_read_as_torch_reads_it_and_comes_back(dtype: str) -> None:
    halves = EVERY_HALF.view(torch_dtype(dtype))
    stored = tensor_bytes(halves)
    wide = to_float32(stored, dtype)
    assert same_bits(wide, halves.float().numpy())
    back = torch.from_numpy(from_float32(wide, dtype)).view(torch_dtype(dtype))
    assert torch.equal(back.isnan(), halves.isnan())
    assert torch.equal(back[~back.isnan()], halves[~halves.isnan()])


@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50), dtype=st.sampled_from(FLOAT_DTYPES))
def test_any_float32_is_rounded_as_torch_rounds_it(bits: list[int], dtype: str) -> None:
    # and what lies half way between two numbers of 16 bits
    wide = numpy.array([*bits, *(number & 0xFFFF0000 | 0x8000 for number in bits)], dtype=numpy.uint32)
    wide = wide.view(numpy.float32)
    expected = torch.from_numpy(wide).to(torch_dtype(dtype)).float().numpy()
    assert same_bits(to_float32(from_float32(wide, dtype), dtype), expected)


def test_nothing_is_converted_where_nothing_has_to_be() -> None:
    stored = tensor_bytes(EVERY_HALF)
    assert converted(stored, "BF16", "BF16") is stored


def test_shapes_are_rows_of_bytes() -> None:
    rows = from_float32(numpy.ones((3, 4), dtype=numpy.float32), "BF16")
    assert rows.shape == (3, 8)
    assert to_float32(rows[1:], "BF16").shape == (2, 4)


def test_embeddings_of_whole_numbers_are_refused() -> None:
    with pytest.raises(RequestError, match="dtype I64"):
        to_float32(numpy.zeros(8, dtype=numpy.uint8), "I64")
