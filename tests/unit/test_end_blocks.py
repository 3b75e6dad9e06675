"""Global end blocks, as BigBird has them: equal to the definition, on every backend, with all that there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lsg_convert.modeling.lsg_encoder import LSGEncoder
from lsg_convert.modeling.lsg_options import LSGOptions
from tests.close import GRADIENT_ROUNDING, assert_close

from .attention_cases import ANY_CASE, RELAXED, make_case, options_of

ENDS = {"automatic_globals": "ends", "num_random_blocks": 2}
DENSE_BLOCKS = 9


@settings(RELAXED, max_examples=120)
@given(
    random_blocks=st.integers(0, 3),
    more_blocks=st.integers(0, 5),
    marked=st.sampled_from(["none", "some", "all"]),
    backend=st.sampled_from(["sdpa", "cpp", "flex"]),
    **ANY_CASE,
)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile", "ignore:attention_backend='cpp'")
def test_equals_the_oracle(
    kind: Any, random_blocks: int, more_blocks: int, num_globals: int, batch_size: int, padding: str, first: bool,
    with_bias: bool, opens: Any, seed: int, marked: str, backend: str,
) -> None:  # fmt: skip
    if with_bias:
        reject()
    options = options_of(
        sparsity_type=kind,
        num_global_tokens=num_globals,
        mask_first_token=first and num_globals > 0,
        attention_backend=backend,
        automatic_globals="ends",
        num_random_blocks=random_blocks,
    )
    num_tokens = options.dense_limit + 8 * more_blocks
    case = make_case(options, num_tokens, batch_size, padding, seed=seed, opens=opens, marked=marked)
    assert case.plan.is_dense == (more_blocks == 0)
    assert_close(case.visible(case.shipped()), case.visible(case.oracle()))


@pytest.mark.parametrize("padding", ["none", "end"])
@pytest.mark.parametrize("marked", ["none", "some"])
def test_gradients_equal_the_oracles(padding: str, marked: str) -> None:
    options = options_of(sparsity_type="none", num_global_tokens=1, **ENDS)
    case = make_case(options, 8 * (DENSE_BLOCKS + 2), padding=padding, marked=marked)
    inputs = case.trained()
    ours, expected = (
        torch.autograd.grad(case.visible(attention()).sin().sum(), inputs) for attention in (case.shipped, case.oracle)
    )
    for one, other in zip(ours, expected, strict=True):
        assert_close(one, other, GRADIENT_ROUNDING)


def test_keys_count_as_often_as_the_paper_draws_them() -> None:
    """With equal scores and one-hot values a context is the share of every key: block 0's is 1 + r times another's."""
    options = options_of(sparsity_type="none", num_global_tokens=0, mask_first_token=False, **ENDS)
    length = 8 * (DENSE_BLOCKS + 3)
    case = make_case(options, length, 1)
    case.query = torch.zeros_like(case.query)
    shares = []
    for first in range(0, length, case.value.shape[-1]):
        case.value = torch.zeros_like(case.value)
        case.value[:, :, range(first, first + 8), range(8)] = 1
        shares.append(case.shipped()[0, 0])
    # In the order of the layers: the first block, the last one, those between.
    share = torch.cat(shares, dim=1)
    assert_close(share[:16], torch.full((16, length), 1 / length))
    wanted = torch.zeros(length)
    wanted[:8], wanted[8:16], wanted[32:56] = 3, 1, 1  # of a token of block 4: block 0, the last one, 3, 4 and 5
    assert_close(share[41], wanted / wanted.sum())
    wanted = torch.zeros(length)
    wanted[:8], wanted[8:16], wanted[16:32] = 3, 1, 1  # of a token of block 1: block 0, the last one, 1 and 2
    assert_close(share[17], wanted / wanted.sum())


def test_arranged_and_restored() -> None:
    options = options_of(sparsity_type="none", num_global_tokens=2, **ENDS)
    plan = make_case(options, 96).plan
    sequence = torch.arange(98).expand(2, -1)
    arranged = plan.arrange(sequence)
    assert arranged[0].tolist() == [*range(10), *range(90, 98), *range(10, 90)]
    assert torch.equal(plan.restore(arranged), sequence)
    short = make_case(options, 8 * DENSE_BLOCKS).plan
    assert short.arrange(sequence) is sequence and short.restore(sequence) is sequence


def test_other_families_have_none() -> None:
    encoder = LSGEncoder()
    encoder.config = LSGOptions(automatic_globals="ends")
    with pytest.raises(ValueError, match="only BigBird's models attend so"):
        encoder.add_global_embeddings(8)
