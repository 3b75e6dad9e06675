"""Tokens that `global_attention_mask` marks: equal to the definition, on every backend, with all that there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsg_convert.modeling.lsg_attention import BACKENDS, AttentionPlan, lsg_attention
from lsg_convert.modeling.lsg_marked import MERGED, mark_tokens, marked_tokens, merge_masks
from tests.close import GRADIENT_ROUNDING, assert_close
from tests.compiler import needs_compiler

from .attention_cases import (
    ANY_CASE,
    HEADS,
    RELAXED,
    SCALE,
    SELECTIONS,
    WIDTH,
    assert_equals_oracle,
    assert_gradients_equal_the_oracles,
    drawn_options,
    make_case,
    options_of,
)

MARKED = ("some", "all")


@settings(RELAXED, max_examples=150)
@given(
    factor=st.sampled_from([0, 1, 2, 4, 8]),
    reach=st.sampled_from([0, 4, 8, 16]),
    num_blocks=st.integers(1, 7),
    marked=st.sampled_from(MARKED),
    runs=st.booleans(),
    backend=st.sampled_from(["sdpa", "cpp", "flex"]),
    **ANY_CASE,
)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile", "ignore:attention_backend='cpp'")
def test_equals_the_oracle(
    kind: Any, factor: int, reach: int, num_globals: int, num_blocks: int, batch_size: int, padding: str,
    first: bool, with_bias: bool, opens: Any, seed: int, marked: str, runs: bool, backend: str,
) -> None:  # fmt: skip
    options = drawn_options(
        num_globals,
        first,
        sparsity_type=kind,
        sparsity_factor=factor,
        sparse_block_size=reach,
        attend_masked_runs=runs,
        attention_backend=backend,
    )
    with_bias = with_bias and backend != "flex"
    case = make_case(options, 8 * num_blocks, batch_size, padding, with_bias, seed, opens=opens, marked=marked)
    assert_equals_oracle(case)


@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize("padding", ["none", "holes"])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("marked", MARKED)
def test_gradients_equal_the_oracles(kind: str, padding: str, with_bias: bool, marked: str) -> None:
    options = options_of(sparsity_type=kind, num_global_tokens=3)
    case = make_case(options, 64, padding=padding, with_bias=with_bias, opens=False, marked=marked)
    assert_gradients_equal_the_oracles(case)


@pytest.mark.parametrize("with_bias", [False, True])
def test_gradients_are_the_same_where_windows_are_kept(with_bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(options_of(), 64, padding="end", with_bias=with_bias, marked="some")
    inputs = case.trained()
    expected = torch.autograd.grad(case.visible(case.shipped()).square().sum(), inputs)
    monkeypatch.setitem(BACKENDS, "training", BACKENDS["training"]._replace(obstacle=lambda *_: "not now"))
    plain = torch.autograd.grad(case.visible(case.shipped()).square().sum(), inputs)
    for ours, theirs in zip(plain, expected, strict=True):
        assert_close(ours, theirs, GRADIENT_ROUNDING)


@pytest.mark.parametrize("padding", ["none", "holes"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_over_several_tiles(padding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its gradients; on a CPU torch refuses them, though it can when nobody asks where it runs."""
    monkeypatch.setattr("torch.nn.attention.flex_attention._validate_device", lambda *_: None)
    options = options_of(block_size=32, sparse_block_size=32, attention_backend="flex")
    case = make_case(options, 320, padding=padding, marked="some")
    inputs = case.trained()
    ours, expected = (
        torch.autograd.grad(case.visible(attention()).sin().sum(), inputs) for attention in (case.shipped, case.oracle)
    )
    assert_equals_oracle(case)
    for one, other in zip(ours, expected, strict=True):
        assert_close(one, other, GRADIENT_ROUNDING)


def test_every_key_is_attended_to_once() -> None:
    """With equal scores and one-hot values a context is the share of every key: 1 / number of keys, for each."""
    tokens = torch.arange(72) < 70
    case = make_case(options_of(sparsity_factor=1, num_global_tokens=0, mask_first_token=False), 72, 1, marked="some")
    case.marked[:] = torch.isin(torch.arange(72), torch.tensor([0, 3, 30, 71]))
    case.tokens, case.query = tokens[None], torch.zeros(1, HEADS, 72, WIDTH)
    shares = []
    for first in range(0, 72, WIDTH):
        value = torch.zeros(1, HEADS, 72, WIDTH)
        value[0, :, first : first + WIDTH] = torch.eye(WIDTH)
        shares.append(replace(case, value=value).shipped())
    share = torch.cat(shares, dim=-1)[0, 0]
    for query in (3, 30, 0):  # all that is no padding
        assert_close(share[query], tokens / 70)
    near = (torch.arange(72) < 32) | torch.isin(torch.arange(72), torch.tensor([3, 30]))
    assert_close(share[12], near / near.sum())  # blocks 0 to 2, and the sparse tokens behind them: block 3
    near = torch.isin(torch.arange(72), torch.tensor([0, 3, *range(24, 64)]))
    assert_close(share[45], near / near.sum())  # blocks 4 to 6, block 3 on the left of them, block 7 on the right


@pytest.mark.parametrize("backend", ["auto", "cpp"])
@pytest.mark.filterwarnings("ignore:attention_backend='cpp'")
def test_none_marked_costs_nothing(backend: str) -> None:
    """The same bits, and the same plan."""
    case = make_case(options_of(attention_backend=backend), 64, padding="end")
    without = case.shipped()
    case.marked = torch.zeros(2, 64, dtype=torch.bool)
    assert torch.equal(case.shipped(), without)
    assert case.plan.with_marked is None
    case.marked = ~case.tokens  # padding is never marked
    assert case.plan.with_marked is None and torch.equal(case.shipped(), without)


def test_all_marked_is_dense_attention() -> None:
    case = make_case(options_of(num_global_tokens=2, mask_first_token=False), 64, padding="end", marked="all")
    dense = replace(case, marked=None, options=options_of(num_global_tokens=2, mask_first_token=False, block_size=32))
    assert_close(case.visible(case.shipped()), case.visible(dense.shipped()))


def test_token_0_that_global_0_stands_in_for_is_not_marked() -> None:
    case = make_case(options_of(), 64)
    without = case.shipped()
    case.marked = torch.arange(64).expand(2, -1) == 0
    assert torch.equal(case.shipped(), without)


def test_a_row_does_not_depend_on_what_others_mark() -> None:
    case = make_case(options_of(), 64, marked="some")
    alone = replace(case, **{name: getattr(case, name)[:1] for name in ("query", "key", "value", "marked")})
    assert_close(case.shipped()[:1], alone.shipped())
    none = replace(case, marked=None)
    assert_close(case.shipped()[1:], none.shipped()[1:])


@pytest.mark.parametrize("kind", ["norm", "lsh", "bos_pooling"])
@pytest.mark.parametrize("tool", ["export", "trace", "compile"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_graphs_take_other_masks(kind: str, tool: str) -> None:
    """Captured with some tokens marked, right for others, for more, and for none."""
    options = options_of(sparsity_type=kind)

    class Module(torch.nn.Module):
        def forward(self, query: Any, key: Any, value: Any, tokens: Any, mask: Any) -> torch.Tensor:
            plan = AttentionPlan(options, tokens, 2, 48, query.device)
            mark_tokens(plan, marked_tokens(merge_masks(mask, tokens)))
            return lsg_attention(query, key, value, plan, SCALE)

    first, *others = (
        make_case(options, 48, padding="holes", seed=seed, marked=marked)
        for seed, marked in ((1, "some"), (2, "some"), (3, "all"), (4, "none"))
    )
    none = torch.zeros(2, 48, dtype=torch.bool)
    inputs = [
        (case.query, case.key, case.value, case.tokens, (none if case.marked is None else case.marked).long())
        for case in (first, *others)
    ]
    if tool == "export":
        graph = torch.export.export(Module(), inputs[0]).module()
    elif tool == "trace":
        graph = torch.jit.trace(Module(), inputs[0], check_trace=False)
    else:
        graph = torch.compile(Module(), fullgraph=True, backend="aot_eager")
    for case, arguments in zip(others, inputs[1:], strict=True):
        assert_close(case.visible(graph(*arguments)), case.visible(case.oracle()))


def test_merged_masks() -> None:
    attention_mask = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, -1, 7]])  # at padding, anything goes: some tokenizers put -1 there
    for kind in (torch.long, torch.float32, torch.bool):
        merged = merge_masks(mask.to(kind) if kind is not torch.bool else mask == 1, attention_mask.to(kind))
        assert merged.dtype == MERGED and merged.tolist() == [[2, 1, 2, 0], [1, 1, 0, 0]]
    assert merge_masks(None, attention_mask) is attention_mask and marked_tokens(attention_mask) is None
    assert merge_masks(mask[:1], None, mask[:1]).tolist() == [[2, 1, 2, 2]]
    assert merge_masks(mask[:1], None, None, torch.zeros(1, 4, 8)).tolist() == [[2, 1, 2, 2]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(2, 3), r"global_attention_mask has shape \(2, 3\), the tokens have \(2, 4\)"),
        (torch.ones(4), r"has shape \(4,\), the tokens have"),
        (torch.ones(2, 4, 4), r"has shape \(2, 4, 4\), the tokens have \(2, 4"),
        (torch.tensor([[1, 0, 2, 0]] * 2), "holds 2; it takes 1 for global tokens, else 0"),
        (torch.tensor([[0.0, 0.5, 0, 0]] * 2), "holds 0.5"),
        (torch.tensor([[0.0, float("nan"), 0, 0]] * 2), "holds nan"),
        (torch.tensor([[-1, 0, 0, 0]] * 2), "holds -1"),
    ],
)
def test_bad_masks(mask: torch.Tensor, message: str) -> None:
    for inputs in ((None, torch.ones(2, 4)), (torch.ones(2, 4), None), (None, None, torch.ones(2, 4, 8))):
        with pytest.raises(ValueError, match=message):
            merge_masks(mask, *inputs)


@needs_compiler
@pytest.mark.parametrize("with_bias", [False, True])
def test_the_kernel_in_cpp_computes_it(with_bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(options_of(attention_backend="cpp"), 64, padding="end", with_bias=with_bias, marked="some")
    monkeypatch.setitem(BACKENDS, "sdpa", BACKENDS["sdpa"]._replace(attend=lambda *_: pytest.fail("not by cpp")))
    with torch.no_grad():
        assert_equals_oracle(case)


@pytest.mark.parametrize("with_bias", [False, True])
def test_few_marked_in_one_row(with_bias: bool) -> None:
    """Most windows have no masked token, and still the other row has a global less."""
    case = make_case(options_of(num_global_tokens=1, mask_first_token=False), 128, with_bias=with_bias)
    case.marked = torch.zeros(2, 128, dtype=torch.bool)
    case.marked[0, [2, 3]] = True
    assert_equals_oracle(case)


@pytest.mark.parametrize("opens", [None, False])
def test_all_blocks_in_one_call_is_the_same(opens: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on other devices: no block's distances to the marked tokens are another's, shifted."""
    monkeypatch.setattr("lsg_convert.modeling.lsg_windows.is_eager_on_cpu", lambda device: False)
    for kind in ("none", "stride"):
        assert_equals_oracle(make_case(options_of(sparsity_type=kind), 80, with_bias=True, opens=opens, marked="some"))


def test_masked_runs_that_are_marked_are_no_sparse_tokens() -> None:
    options = options_of(sparsity_type="bos_pooling", attend_masked_runs=True)
    case = make_case(options, 128, padding="end")
    case.marked = (torch.arange(128) // 4 % 3 == 0).expand(2, -1)
    assert_equals_oracle(case)
