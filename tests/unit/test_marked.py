"""Tokens that `global_attention_mask` marks: equal to the definition, on every backend, with all that there is."""

from __future__ import annotations

from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.close import assert_close

from .attention_cases import ANY_CASE, RELAXED, Case, make_case, options_of


def assert_equals_oracle(case: Case) -> None:
    assert_close(case.visible(case.shipped()), case.visible(case.oracle()))


@settings(RELAXED, max_examples=100)
@given(
    factor=st.sampled_from([0, 1, 2, 4, 8]),
    reach=st.sampled_from([0, 4, 8, 16]),
    num_blocks=st.integers(1, 7),
    marked=st.sampled_from(["some", "all"]),
    runs=st.booleans(),
    **ANY_CASE,
)
def test_equals_the_oracle(
    kind: Any, factor: int, reach: int, num_globals: int, num_blocks: int, batch_size: int, padding: str,
    first: bool, with_bias: bool, opens: Any, seed: int, marked: str, runs: bool,
) -> None:  # fmt: skip
    try:
        options = options_of(
            sparsity_type=kind,
            sparsity_factor=factor,
            sparse_block_size=reach,
            num_global_tokens=num_globals,
            mask_first_token=first and num_globals > 0,
            attend_masked_runs=runs,
        )
    except ValueError:
        reject()
    case = make_case(options, 8 * num_blocks, batch_size, padding, with_bias, seed, opens=opens, marked=marked)
    assert_equals_oracle(case)
