"""Which rows of the source's position table the target's positions take."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsg_convert.plan.positions import STRATEGIES, source_rows

lengths = st.integers(1, 70)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(length=lengths, extra=st.integers(0, 300), offset=st.integers(0, 3))
def test_old_positions_stay_and_new_ones_come_from_the_table(
    strategy: str, length: int, extra: int, offset: int
) -> None:
    rows = source_rows(strategy, length, length + extra, offset)
    assert len(rows) == offset + length + extra
    assert rows[: offset + length] == list(range(offset + length))
    assert all(offset <= row < offset + length for row in rows[offset + length :])


@given(length=st.integers(2, 70), extra=st.integers(0, 300), offset=st.integers(0, 3))
def test_tile_never_repeats_the_first_row(length: int, extra: int, offset: int) -> None:
    rows = source_rows("tile", length, length + extra, offset)
    assert offset not in rows[offset + 1 :]


@given(length=st.integers(2, 70), extra=st.integers(0, 300))
def test_neighbouring_positions_keep_neighbouring_rows(length: int, extra: int) -> None:
    rows = source_rows("tile", length, length + extra)
    jumps = [second - first for first, second in pairwise(rows)]
    assert set(jumps) <= {1, 2 - length}


def test_tile_all_is_the_published_way() -> None:
    assert source_rows("tile-all", 3, 8, 2) == [0, 1, 2, 3, 4, 2, 3, 4, 2, 3]


def test_tile_by_example() -> None:
    assert source_rows("tile", 4, 9) == [0, 1, 2, 3, 1, 2, 3, 1, 2]
