"""`unpad_inputs`: rows without the padding behind them get what they get with it, and less is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lsg_convert.modeling.lsg_unpadded import groups_by_length, run_by_length
from tests.close import assert_close, assert_gradients_close
from tests.families.pairs import BLOCK_SIZE, USUAL, Pair

MakePair = Callable[..., Pair]
LENGTH = 83
ENDS = [LENGTH, 40, 20, 33, 83, 1]  # where the rows end
LEFT = 7  # tokens of padding in front of the second row


def mixed(made: Pair) -> dict[str, torch.Tensor]:
    """Rows of several lengths, one of them with padding in front too."""
    whole = made.inputs(LENGTH, labels=False)
    inputs = {name: value.repeat(3, *[1] * (value.dim() - 1)) for name, value in whole.items()}
    for row, end in enumerate(ENDS):
        inputs["input_ids"][row, end:], inputs["attention_mask"][row, end:] = made.tokenizer.pad_token_id, 0
    inputs["attention_mask"][1, :LEFT] = 0
    inputs["global_attention_mask"] = torch.zeros_like(inputs["input_ids"])
    inputs["global_attention_mask"][:3, 3] = 1
    return inputs


def encoder_states(made: Pair, model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """All hidden states of the encoder at tokens that are not padding, [tokens, width] each."""
    outputs = model(**inputs, output_hidden_states=True)
    states = outputs.encoder_hidden_states if made.family.is_seq2seq else outputs.hidden_states
    kept = inputs["attention_mask"].bool()
    return tuple(each[:, each.shape[1] - LENGTH :][kept] for each in states)


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_it_changes_no_number(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    if made.plan.lsg.has_global_ends:
        with pytest.raises(ValueError, match="unpad_inputs=True: what this model computes of a row depends on its pad"):
            made.load(unpad_inputs=True)
        return
    inputs, found = mixed(made), []
    for unpadded in (False, True):
        model = made.load(unpad_inputs=unpadded)
        states = encoder_states(made, model, inputs)
        model(**inputs)[0].flatten(1).square().sum(1)[[0, 4]].sum().backward()  # of the rows without padding
        gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
        found.append((states, gradients))
    (padded, of_padded), (ours, of_ours) = found
    assert len(ours) == len(padded)
    for one, other in zip(ours, padded, strict=True):
        assert_close(one, other)
    assert_gradients_close(of_ours, of_padded)


@torch.no_grad()
def test_only_what_is_no_padding_is_run(pair: MakePair) -> None:
    made = pair("bert", "BertForMaskedLM")
    model, run = made.load(unpad_inputs=True), []
    layer = model.bert.encoder.layer[0]
    layer.register_forward_pre_hook(lambda _, args: run.append(tuple(args[0].shape[:2])))
    inputs = mixed(made)
    states = model.bert(**inputs).last_hidden_state
    globals_ = model.config.num_global_tokens
    # In whole blocks: a row of 1 token, one of 20, two of 33 and 40, and two that are whole.
    assert run == [(1, 16 + globals_), (1, 32 + globals_), (2, 48 + globals_), (2, 96 + globals_)]
    assert not states[~inputs["attention_mask"].bool() & (torch.arange(LENGTH) > 48)].any()
    run.clear()
    short = {name: value[1:4] for name, value in inputs.items()}
    assert model.bert(**short).last_hidden_state.shape[:2] == (3, LENGTH)
    assert run == [(1, 32 + globals_), (2, 48 + globals_)]
    run.clear()
    model.bert(input_ids=inputs["input_ids"])
    assert run == [(6, 96 + globals_)]


@torch.no_grad()
def test_a_row_of_padding_only(pair: MakePair) -> None:
    made = pair("bert", "BertForMaskedLM")
    inputs = made.inputs(LENGTH, labels=False)
    inputs["attention_mask"][1] = 0
    assert torch.isfinite(made.load(unpad_inputs=True)(**inputs)[0]).all()


@given(
    ends=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    num_tokens=st.integers(1, 40),
    step=st.integers(1, BLOCK_SIZE),
)
def test_groups(ends: list[int], num_tokens: int, step: int) -> None:
    """Every row is in one group, with all of its tokens and less than a step more, and comes back in its place."""
    mask = torch.arange(num_tokens) < torch.tensor(ends)[:, None]
    groups = groups_by_length(mask.long(), step)
    assert sorted(torch.cat([rows for _, rows in groups]).tolist()) == list(range(len(ends)))
    for length, rows in groups:
        assert not mask[rows, length:].any()
        assert (mask[rows].sum(1) > length - step).all() or length <= step
    sequence = torch.randn(len(ends), num_tokens, 2)
    (whole,) = run_by_length(lambda length, rows: [sequence[rows, :length]], groups, num_tokens)
    for length, rows in groups:
        assert torch.equal(whole[rows, :length], sequence[rows, :length])
        assert not whole[rows, length:].any()
    assert whole.shape == (len(ends), num_tokens, 2)
