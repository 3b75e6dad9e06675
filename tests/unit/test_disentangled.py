"""Disentangled attention: equal to the oracle, in every place that scores come from; buckets are the library's."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lsg_convert.modeling.lsg_attention import BACKENDS
from lsg_convert.modeling.lsg_disentangled import DistanceRows
from tests.close import GRADIENT_ROUNDING, assert_close

from .attention_cases import (
    ANY_CASE,
    RELAXED,
    SELECTIONS,
    assert_equals_oracle,
    drawn_options,
    make_case,
    options_of,
)
from .test_attention import LargestTensor

TERMS = ("c2p p2c", "c2p", "p2c rows", "c2p p2c rows")


@RELAXED
@given(
    factor=st.sampled_from([1, 2, 4]),
    reach=st.sampled_from([0, 4, 8, 12, 16]),
    num_blocks=st.integers(1, 7),
    marked=st.sampled_from(["none", "some", "all"]),
    terms=st.sampled_from(TERMS),
    **{name: values for name, values in ANY_CASE.items() if name != "with_bias"},
)
def test_equals_the_oracle(
    kind: str, factor: int, reach: int, num_globals: int, num_blocks: int, batch_size: int, padding: str, first: bool,
    opens: bool | None, seed: int, marked: str, terms: str,
) -> None:  # fmt: skip
    options = drawn_options(
        num_globals,
        first,
        sparsity_type=kind,
        sparsity_factor=factor,
        sparse_block_size=reach,
    )
    assert_equals_oracle(
        make_case(options, 8 * num_blocks, batch_size, padding, terms, seed, opens=opens, marked=marked)
    )


@pytest.mark.parametrize("half_window", [8, 10, 24])
def test_bands_of_any_width(half_window: int) -> None:
    options = options_of(local_attention="sliding", attention_window=[2 * half_window], sparsity_type="none")
    assert_equals_oracle(make_case(options, 64, padding="end", with_bias="c2p p2c"))


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("kind", SELECTIONS)
@pytest.mark.parametrize("trained", ["here", "by torch"])
def test_gradients_equal_the_oracles(kind: str, terms: str, trained: str, monkeypatch: Any) -> None:
    if trained == "by torch":
        monkeypatch.setitem(BACKENDS, "training", BACKENDS["training"]._replace(obstacle=lambda *_: "not now"))
    case = make_case(options_of(sparsity_type=kind), 64, padding="end", with_bias=terms, opens=True)
    inputs = case.trained()
    ours, wanted = (
        torch.autograd.grad(case.visible(context).square().sum(), inputs) for context in (case.shipped(), case.oracle())
    )
    for gradient, expected in zip(ours, wanted, strict=True):
        assert_close(gradient, expected, GRADIENT_ROUNDING)


@pytest.mark.parametrize("gradients", [False, True])
def test_nothing_grows_faster_than_the_length(gradients: bool) -> None:
    """Nor is there a tensor of tokens times rows of the tables: of a long text none is larger than its keys."""
    for length in (256, 1024):
        case = make_case(options_of(), length, batch_size=1, with_bias="c2p p2c", opens=True)
        inputs = case.trained()
        with torch.set_grad_enabled(gradients), LargestTensor() as seen:
            context = case.shipped()
            if gradients:
                torch.autograd.grad(context.sum(), inputs)
        assert seen.largest <= max(1.2 * context.numel(), 10_000), length  # a window's terms are some 4,000


@pytest.mark.parametrize(("buckets", "longest"), [(256, 512), (12, 40), (-1, 30)])
def test_rows_are_the_librarys(buckets: int, longest: int) -> None:
    from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

    span = buckets if buckets > 0 else longest
    rows = DistanceRows(span, max(buckets, 0), longest)
    length = 4096
    column = torch.empty(length, 1)
    for distances, relative in (
        (torch.arange(length), build_relative_position(column, column[:1], buckets, longest)[0, :, 0]),
        (-torch.arange(length), build_relative_position(column[:1], column, buckets, longest)[0, 0]),
    ):
        wanted = (relative + span).clamp(0, 2 * span - 1)
        assert torch.equal(rows.of(distances), wanted)
    every = rows.of(torch.arange(1 - length, length))
    assert bool((every.diff() >= 0).all())
    for lowest in range(1 - length, length - 200, 97):
        first, last = rows.among(lowest, lowest + 200)
        assert first <= int(rows.of(torch.tensor(lowest))) and int(rows.of(torch.tensor(lowest + 200))) < last
