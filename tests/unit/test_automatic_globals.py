"""Rules by which tokens of the input are global: which tokens they mark, and what they refuse."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from lsg_convert.modeling.lsg_automatic_globals import automatic_global_mask, with_automatic_globals
from lsg_convert.modeling.lsg_marked import MERGED, merge_masks
from lsg_convert.modeling.lsg_options import AutomaticGlobals, LSGOptions

BERT = torch.tensor([[1, 7, 8, 2, 9, 9, 2], [1, 7, 2, 9, 9, 2, 0]])
ROBERTA = torch.tensor([[1, 7, 8, 2, 2, 9, 2], [1, 7, 2, 2, 9, 2, 0]])
MASK = torch.tensor([[1] * 7, [1] * 6 + [0]])


def options_of(rule: str, separators: int | None = 2) -> LSGOptions:
    return LSGOptions(automatic_globals=rule, separator_token_id=2, num_separators=separators)


MARKED = [
    ("none", BERT, [[0] * 7, [0] * 7]),
    ("first", BERT, [[1, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]]),
    ("question", BERT, [[1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]]),
    ("question", ROBERTA, [[1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]]),
    ("choice", BERT, [[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0]]),
    ("choice", ROBERTA, [[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1, 0]]),
]


@pytest.mark.parametrize(("rule", "ids", "expected"), MARKED)
def test_which_tokens(rule: str, ids: torch.Tensor, expected: list[list[int]]) -> None:
    for options in (options_of(rule, int((ids[0] == 2).sum())),):
        for choices in (1, 3):  # rows, or rows of choices
            many = [part[:, None].expand(-1, choices, -1) if choices > 1 else part for part in (ids, MASK)]
            mask = automatic_global_mask(options, many[1], many[0], None)
            assert mask is not None
            assert mask.reshape(2, choices, 7)[:, -1].tolist() == expected


def test_every_rule_is_tested() -> None:
    assert {"ends", *(rule for rule, _, _ in MARKED)} == set(get_args(AutomaticGlobals))


def test_blocks_at_the_ends_are_no_matter_of_tokens() -> None:
    assert automatic_global_mask(options_of("ends"), MASK, BERT, None) is None


def test_other_rules_are_refused() -> None:
    with pytest.raises(ValueError, match=r"automatic_globals='last': must be one of \('none', 'first'"):
        LSGOptions(automatic_globals="last").validate()


def test_what_the_caller_marks_counts_instead() -> None:
    options, given = options_of("question"), torch.zeros_like(BERT)
    given[:, 4] = 1
    own = merge_masks(given, MASK, BERT)
    assert with_automatic_globals(options, own, BERT, None) is own
    assert with_automatic_globals(options_of("none"), MASK, BERT, None) is MASK
    automatic = with_automatic_globals(options, MASK, BERT, None)
    assert automatic is not None and automatic.dtype == MERGED
    assert automatic.tolist() == [[2, 2, 2, 1, 1, 1, 1], [2, 2, 1, 1, 1, 1, 0]]


@pytest.mark.parametrize("rule", ["question", "choice"])
@pytest.mark.parametrize(("expected", "found"), [(3, 2), (None, 0)])
def test_other_separators_than_expected(rule: str, expected: int | None, found: int) -> None:
    ids = BERT if found else torch.full_like(BERT, 9)
    with pytest.raises(
        ValueError, match=rf"looks for {expected or 'some'} separators \(token 2\).*one row has {found}\. "
    ):
        with_automatic_globals(options_of(rule, expected), MASK, ids, None)


def test_separators_in_padding_do_not_count() -> None:
    ids = BERT.clone()
    ids[1, 6] = 2
    assert with_automatic_globals(options_of("question"), MASK, ids, None) is not None
    with pytest.raises(ValueError, match="one row has 3"):
        with_automatic_globals(options_of("question"), None, ids, None)


def test_embeddings_have_no_separators(caplog: pytest.LogCaptureFixture) -> None:
    embeddings = torch.zeros(2, 7, 4)
    assert with_automatic_globals(options_of("question"), MASK, None, embeddings) is MASK
    first = with_automatic_globals(options_of("first"), MASK, None, embeddings)
    assert first is not None and first[:, 0].tolist() == [2, 2]
