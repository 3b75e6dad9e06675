"""What positions beyond the source's are made of."""

from itertools import pairwise

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsg_convert.plan.positions import STRATEGIES, rows_beyond

lengths = st.integers(1, 70)
REPEATING = ("tile", "tile-all")
DRAWN_OUT = ("grouped", "interpolate")


def made(strategy: str, table: numpy.ndarray, extra: int, opens_with_bos: bool = True) -> numpy.ndarray:
    return rows_beyond(strategy, len(table), len(table) + extra, opens_with_bos).of(table)


def table_of(length: int) -> numpy.ndarray:
    return numpy.random.default_rng(length).normal(size=(length, 5)).astype(numpy.float32)


@pytest.mark.parametrize("strategy", [*REPEATING, "grouped"])
@pytest.mark.parametrize("opens_with_bos", [True, False])
@given(length=lengths, extra=st.integers(0, 300))
def test_new_positions_are_rows_of_the_table(strategy: str, opens_with_bos: bool, length: int, extra: int) -> None:
    table = table_of(length)
    rows = {row.tobytes() for row in table}
    beyond = made(strategy, table, extra, opens_with_bos)
    assert beyond.shape == (extra, 5)
    assert all(row.tobytes() in rows for row in beyond)


@pytest.mark.parametrize("strategy", sorted({*STRATEGIES} - {"tile-all"}))
@given(length=st.integers(2, 70), extra=st.integers(0, 300))
def test_the_row_of_bos_counts_nowhere_else(strategy: str, length: int, extra: int) -> None:
    table = numpy.zeros((length, 1), dtype=numpy.float32)
    table[0] = 1
    assert not made(strategy, table, extra).any()


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(length=lengths, extra=st.integers(1, 300))
def test_parts_are_those_of_the_whole(strategy: str, length: int, extra: int) -> None:
    table = table_of(length)
    mix = rows_beyond(strategy, length, length + extra)
    parts = [mix.part(start, start + 7).of(table) for start in range(0, extra, 7)]
    assert numpy.array_equal(numpy.concatenate(parts), mix.of(table))


@given(length=st.integers(2, 70), extra=st.integers(0, 300))
def test_neighbouring_positions_keep_neighbouring_rows(length: int, extra: int) -> None:
    numbers = numpy.arange(length, dtype=numpy.float32)[:, None]
    rows = [*range(length), *made("tile", numbers, extra)[:, 0].astype(int)]
    assert {second - first for first, second in pairwise(rows)} <= {1, 2 - length}


@pytest.mark.parametrize("strategy", DRAWN_OUT)
@given(length=st.integers(2, 70), extra=st.integers(2, 300))
def test_a_table_is_drawn_out_once_and_in_order(strategy: str, length: int, extra: int) -> None:
    numbers = made(strategy, numpy.arange(length, dtype=numpy.float32)[:, None], extra)[:, 0]
    assert numbers[0] == 1
    assert numbers[-1] <= length - 1 + 1e-4
    steps = numpy.diff(numbers)
    assert (steps >= -1e-4).all()
    step = (length - 1) / extra
    assert (steps <= (numpy.ceil(step) if strategy == "grouped" else step) + 1e-4).all()


@pytest.mark.parametrize(
    ("strategy", "opens_with_bos", "expected"),
    [
        ("tile", True, [1, 2, 3, 1, 2]),
        ("tile", False, [0, 1, 2, 3, 0]),
        ("tile-all", True, [0, 1, 2, 3, 0]),  # the published way
        ("grouped", True, [1, 1, 2, 2, 3]),
        ("interpolate", True, [1, 1.6, 2.2, 2.8, 3]),
        # Rows 1, 2, 3, moved by two thirds of (row 2 - row 1); then by two thirds of (row 3 - row 1).
        ("hierarchical", True, [1 + 2 / 3, 2 + 2 / 3, 3 + 2 / 3, 1 + 4 / 3, 2 + 4 / 3]),
    ],
)
def test_by_example(strategy: str, opens_with_bos: bool, expected: list[float]) -> None:
    numbers = made(strategy, numpy.arange(4, dtype=numpy.float32)[:, None], 5, opens_with_bos)[:, 0]
    assert numpy.allclose(numbers, expected, atol=1e-6)
