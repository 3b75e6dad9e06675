"""The global embeddings before any training."""

import pytest
import torch

from lsg_convert.global_tokens import EmbeddingTables, global_embeddings

FIRST, MASK = 2, 7


@pytest.fixture
def tables() -> EmbeddingTables:
    draw = torch.Generator().manual_seed(0)
    return EmbeddingTables(
        words=torch.randn(40, 8, generator=draw),
        positions=torch.randn(100, 8, generator=draw),
        types=(torch.randn(8, generator=draw),),
        word_scale=3.0,
    )


@pytest.mark.parametrize("init", ["mask", "random"])
def test_row_0_is_what_the_model_embeds_for_the_first_token(tables: EmbeddingTables, init: str) -> None:
    rows = global_embeddings(tables, FIRST, MASK, 64, init)
    expected = tables.words[FIRST] * 3.0 + tables.positions[0] + tables.types[0]
    assert rows.shape == (512, 8)
    assert torch.allclose(rows[0], expected, atol=1e-6)


def test_further_rows_are_the_mask_token_at_strided_positions(tables: EmbeddingTables) -> None:
    rows = global_embeddings(tables, FIRST, MASK, 64)
    for row in (1, 2, 511):
        expected = tables.words[MASK] * 3.0 + tables.positions[row * 64 % 100] + tables.types[0]
        assert torch.allclose(rows[row], expected, atol=1e-6)


def test_random_rows_follow_the_seed_alone(tables: EmbeddingTables) -> None:
    state = torch.random.get_rng_state()
    first = global_embeddings(tables, FIRST, MASK, 64, "random", seed=5)
    torch.manual_seed(99)
    assert torch.equal(first, global_embeddings(tables, FIRST, MASK, 64, "random", seed=5))
    assert not torch.equal(first, global_embeddings(tables, FIRST, MASK, 64, "random", seed=6))
    torch.random.set_rng_state(state)


def test_drawing_leaves_the_global_random_state_alone(tables: EmbeddingTables) -> None:
    before = torch.random.get_rng_state()
    global_embeddings(tables, FIRST, MASK, 64, "random", seed=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_random_rows_have_the_words_mean_and_covariance() -> None:
    draw = torch.Generator().manual_seed(1)
    mixing = torch.randn(6, 6, generator=draw)
    words = torch.randn(20_000, 6, generator=draw) @ mixing + torch.arange(6.0)
    rows = global_embeddings(EmbeddingTables(words, None, (), 1.0), FIRST, MASK, 1, "random", seed=3)[1:]
    assert torch.allclose(rows.mean(0), words.mean(0), atol=0.5)
    assert torch.allclose(torch.cov(rows.T), torch.cov(words.T), atol=0.2 * float(torch.cov(words.T).abs().max()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_tables_dtype_is_kept(tables: EmbeddingTables, dtype: torch.dtype) -> None:
    half = EmbeddingTables(tables.words.to(dtype), tables.positions.to(dtype), (), 1.0)
    assert global_embeddings(half, FIRST, MASK, 64).dtype == dtype
