"""The global embeddings before any training."""

import numpy
import pytest

from lsg_convert.folder.global_tokens import EmbeddingTables, global_embeddings
from lsg_convert.sources.floats import from_float32

FIRST, MASK = 2, 7


def numbers(*shape: int, seed: int = 0) -> numpy.ndarray:
    return numpy.random.default_rng(seed).standard_normal(shape, dtype=numpy.float32)


def tables_of(words: numpy.ndarray, positions: numpy.ndarray | None = None, **fields: object) -> EmbeddingTables:
    values = {"dtype": "F32", "types": (), "word_scale": 1.0, **fields}
    return EmbeddingTables(words=from_float32(words, str(values["dtype"])), positions=positions, **values)  # type: ignore[arg-type]


@pytest.fixture
def tables() -> EmbeddingTables:
    return tables_of(numbers(40, 8), numbers(100, 8, seed=1), types=(numbers(8, seed=2),), word_scale=3.0)


@pytest.mark.parametrize("init", ["mask", "random"])
def test_row_0_is_what_the_model_embeds_for_the_first_token(tables: EmbeddingTables, init: str) -> None:
    rows = global_embeddings(tables, FIRST, MASK, 64, init)
    expected = numbers(40, 8)[FIRST] * 3.0 + numbers(100, 8, seed=1)[0] + numbers(8, seed=2)
    assert rows.shape == (512, 8)
    assert rows.dtype == numpy.float32
    assert numpy.allclose(rows[0], expected, atol=1e-6)


def test_further_rows_are_the_mask_token_at_strided_positions(tables: EmbeddingTables) -> None:
    rows = global_embeddings(tables, FIRST, MASK, 64)
    for row in (1, 2, 511):
        expected = numbers(40, 8)[MASK] * 3.0 + numbers(100, 8, seed=1)[row * 64 % 100] + numbers(8, seed=2)
        assert numpy.allclose(rows[row], expected, atol=1e-6)


def test_random_rows_follow_the_seed_alone(tables: EmbeddingTables) -> None:
    first = global_embeddings(tables, FIRST, MASK, 64, "random", seed=5)
    numpy.random.random()
    assert numpy.array_equal(first, global_embeddings(tables, FIRST, MASK, 64, "random", seed=5))
    assert not numpy.array_equal(first, global_embeddings(tables, FIRST, MASK, 64, "random", seed=6))


def test_drawing_leaves_the_global_random_state_alone(tables: EmbeddingTables) -> None:
    before = numpy.random.get_state()[1].copy()
    global_embeddings(tables, FIRST, MASK, 64, "random", seed=5)
    assert numpy.array_equal(before, numpy.random.get_state()[1])


def test_random_rows_have_the_words_mean_and_covariance() -> None:
    words = numbers(20_000, 6) @ numbers(6, 6, seed=1) + numpy.arange(6, dtype=numpy.float32)
    rows = global_embeddings(tables_of(words), FIRST, MASK, 1, "random", seed=3)[1:]
    assert numpy.allclose(rows.mean(0), words.mean(0), atol=0.5)
    covariance = numpy.cov(words.T)
    assert numpy.allclose(numpy.cov(rows.T), covariance, atol=0.2 * abs(covariance).max())


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
@pytest.mark.parametrize("init", ["mask", "random"])
def test_words_of_fewer_bits_give_nearly_the_same(tables: EmbeddingTables, dtype: str, init: str) -> None:
    half = tables_of(numbers(40, 8), tables.positions, types=tables.types, word_scale=3.0, dtype=dtype)
    expected, rows = (global_embeddings(of, FIRST, MASK, 64, init) for of in (tables, half))
    assert 0 < abs(rows - expected).max() < 0.1
