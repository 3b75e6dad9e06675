"""`global_attention_mask` on every family, with every head, as a user gives it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.close import assert_close
from tests.families.pairs import CASES, Pair
from tests.families.test_kernel import use_oracle

MakePair = Callable[..., Pair]
LENGTH = 83  # five blocks and some padding, so that there are tokens out of a token's reach


def marking(inputs: dict[str, torch.Tensor], *tokens: int) -> dict[str, torch.Tensor]:
    """The inputs, and a mask that marks these tokens in the first row, and a padding token in the second."""
    mask = torch.zeros_like(inputs["input_ids"])
    mask[0, ..., list(tokens)] = 1
    mask[1, ..., -1] = 1
    return {**inputs, "global_attention_mask": mask}


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), CASES)
def test_every_head_hands_it_on(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    if made.family.is_seq2seq and "CausalLM" in made.auto_class:
        pytest.skip("the library's decoder alone")
    blocks, dense = made.load(num_global_tokens=1), made.load(num_global_tokens=1)
    use_oracle(dense)
    inputs = marking(made.inputs(LENGTH, padded=True, labels=False), 2, 40, 41)
    ours = blocks(**inputs)
    assert_close(ours[0], dense(**inputs)[0])
    without = blocks(**{**inputs, "global_attention_mask": torch.zeros_like(inputs["input_ids"])})
    absent = blocks(**{name: value for name, value in inputs.items() if name != "global_attention_mask"})
    assert torch.equal(without[0], absent[0]), "0 marked is None"
    assert not torch.allclose(ours[0][0], absent[0][0], atol=1e-4), "marking changes nothing"
    assert_close(ours[0][1:], absent[0][1:])  # padding that is marked is padding
