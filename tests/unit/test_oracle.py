"""Where the oracle says that keys tie: there rounding decides what is attended to, and nowhere else."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lsg_convert.verification import oracle, oracle_selection

from .attention_cases import SCALE, make_case, options_of


def attend(case: Any, key: Tensor) -> tuple[Tensor, Tensor]:
    return oracle.attention_and_ties(case.query, key, case.value, case.plan, SCALE)


@pytest.mark.parametrize("padding", ["none", "end"])
def test_norms_that_differ_in_the_last_bit_tie(padding: str) -> None:
    """One run of one head has its fourth and fifth key at one norm: whoever attends to it is named, and no one else."""
    case = make_case(options_of(sparsity_type="norm"), 64, padding=padding)
    row, head, start = 0, 1, case.options.num_global_tokens + 24
    run = case.key[row, head, start : start + 8]
    fourth, fifth = run.norm(dim=-1).argsort()[3:5].tolist()
    scale = run[fifth].norm() / run[fourth].norm()
    contexts = []
    for nudge in (1 - 1e-6, 1 + 1e-6):
        key = case.key.clone()
        key[row, head, start + fourth] *= scale * nudge
        context, tied = attend(case, key)
        contexts.append(context)
    differs = (contexts[0] - contexts[1]).abs().amax(-1) > 1e-4
    assert tied.any() == differs.any() == (case.tokens is None or bool(case.tokens[row, 24:32].all()))
    assert not (differs & ~tied).any()
    assert not tied[1:].any() and not tied[:, [0, 2]].any()
    assert not attend(case, case.key)[1].any()


@pytest.mark.parametrize(("key", "ties"), [([1.0, 1.0], True), ([1.0, 1.0 + 1e-6], True), ([1.0, 1.001], False)])
def test_buckets_tie_where_two_directions_are_as_near(key: list[float], ties: bool, monkeypatch: Any) -> None:
    """All keys are one, but for the first: it is as near to the first direction as to the second."""
    directions = torch.eye(8)[:, :2].expand(3, 8, 2)
    monkeypatch.setattr(oracle_selection, "_directions", lambda heads, width, count, seed: directions[..., :count])
    case = make_case(options_of(sparsity_type="lsh", lsh_num_pre_rounds=0), 64)
    keys = torch.zeros_like(case.key)
    keys[..., 0] = 1.0
    keys[0, 1, case.options.num_global_tokens + 24, :2] = torch.tensor(key)
    tied = attend(case, keys)[1]
    assert bool(tied.any()) is ties
    assert not tied[1:].any() and not tied[:, [0, 2]].any()
