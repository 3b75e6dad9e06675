"""Sliding attention: equal to the definition at every length, on every backend, with all that there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsg_convert.modeling.lsg_attention import AttentionPlan, LSGOptions, lsg_attention
from lsg_convert.modeling.lsg_sliding import plan_of_half_window
from tests.close import assert_close

from .attention_cases import (
    ANY_CASE,
    HEADS,
    RELAXED,
    SCALE,
    WIDTH,
    assert_equals_oracle,
    assert_gradients_equal_the_oracles,
    drawn_options,
    make_case,
    options_of,
)


@settings(RELAXED, max_examples=150)
@given(
    factor=st.sampled_from([0, 1, 2, 4]),
    window=st.sampled_from([None, 2, 10, 16, 32, 46, 200]),
    num_blocks=st.integers(1, 7),
    marked=st.sampled_from(["none", "some", "all"]),
    backend=st.sampled_from(["sdpa", "cpp", "flex"]),
    **ANY_CASE,
)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile", "ignore:attention_backend='cpp'")
def test_equals_the_oracle(
    kind: Any, factor: int, window: int | None, num_globals: int, num_blocks: int, batch_size: int, padding: str,
    first: bool, with_bias: bool, opens: Any, seed: int, marked: str, backend: str,
) -> None:  # fmt: skip
    options = drawn_options(
        num_globals,
        first,
        local_attention="sliding",
        attention_window=window,
        sparsity_type=kind,
        sparsity_factor=factor,
        attention_backend=backend,
    )
    with_bias = with_bias and backend != "flex"
    case = make_case(options, 8 * num_blocks, batch_size, padding, with_bias, seed, opens=opens, marked=marked)
    assert_equals_oracle(case)


@pytest.mark.parametrize("padding", ["none", "holes"])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("marked", ["none", "some"])
def test_gradients_equal_the_oracles(padding: str, with_bias: bool, marked: str) -> None:
    options = options_of(local_attention="sliding", attention_window=20, sparsity_type="none", num_global_tokens=2)
    case = make_case(options, 64, padding=padding, with_bias=with_bias, opens=False, marked=marked)
    assert_gradients_equal_the_oracles(case)


def test_a_graph_has_windows_of_many_blocks() -> None:
    options = options_of(local_attention="sliding", attention_window=20, sparsity_type="none", num_global_tokens=0)
    case = make_case(options, 96, padding="end", marked="none")

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        plan = AttentionPlan(options, tokens, 2, 96, query.device)
        return lsg_attention(query, key, value, plan, SCALE)

    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    ours = compiled(case.query, case.key, case.value, case.tokens)
    assert_close(case.visible(ours), case.visible(case.oracle()))


def test_layers_have_windows_of_their_own() -> None:
    """A plan for each window, made once; marked tokens are marked in each."""
    options = options_of(local_attention="sliding", attention_window=(20, 46), sparsity_type="none")
    case = make_case(options, 64, padding="end", marked="some")
    plan = case.plan
    other = plan_of_half_window(plan, options.half_window(1))
    assert plan_of_half_window(plan, options.half_window(0)) is plan
    assert plan_of_half_window(plan, 23) is other and other.with_marked is not plan.with_marked
    wide = make_case(
        options_of(local_attention="sliding", attention_window=46, sparsity_type="none"), 64, marked="some"
    )
    assert [window.local for window in other.windows] == [window.local for window in wide.plan.windows]
    assert options.dense_limit == 11 and options.half_window(2) == 10


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"attention_window": 7}, r"attention_window=\(7,\): must be even numbers above 0"),
        ({"attention_window": (4, 0)}, r"attention_window=\(4, 0\): must be even numbers above 0"),
        ({"attention_window": []}, r"attention_window=\(\): must be even numbers above 0"),
        ({"attention_window": "many"}, "attention_window='many': must be even numbers"),
        (
            {"attention_window": 40},
            r"sparse tokens begin where a window ends: it must be a multiple of 2 \* block_size=8",
        ),
        ({"local_attention": "dilated"}, "local_attention='dilated': must be one of"),
    ],
)
def test_what_no_window_can_be(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LSGOptions(**{"block_size": 8, "sparse_block_size": 8, "local_attention": "sliding", **changes}).validate()


def test_short_inputs_have_the_band_too() -> None:
    """Two blocks are not a dense limit here: one token more than half a window, and the band is heeded."""
    options = options_of(local_attention="sliding", attention_window=4, sparsity_type="none", num_global_tokens=0)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, HEADS, 8, WIDTH, generator=generator) for _ in range(3))
    plan = AttentionPlan(options, None, 1, 8, query.device)
    context = lsg_attention(query, key, value, plan, SCALE)
    key[:, :, 5:] = 100.0
    changed = lsg_attention(query, key, value, plan, SCALE)
    assert torch.equal(context[:, :, :3], changed[:, :, :3]) and not torch.allclose(
        context[:, :, 3:], changed[:, :, 3:]
    )
