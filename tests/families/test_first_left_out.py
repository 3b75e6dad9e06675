"""Up to the dense limit, token 0 is left out where global 0 stands in for it: the same numbers, and a row less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.close import assert_close, assert_gradients_close
from tests.families.pairs import DENSE_LIMIT, USUAL, Pair

MakePair = Callable[..., Pair]


def loaded(made: Pair, **options: Any) -> tuple[Any, Any]:
    """The model, with globals that have been trained away from the opening token; and its encoder."""
    model = made.load(**options)
    encoder = next(part for part in model.modules() if hasattr(part, "_can_leave_out_first"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "global_embeddings" in name:
                weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    return model, encoder


def states_and_gradients(made: Pair, model: Any, inputs: dict[str, torch.Tensor]) -> tuple[list[Any], dict[str, Any]]:
    """Outputs at tokens that are no padding, hidden states of all layers first; and the gradients."""
    outputs = model(**inputs, output_hidden_states=True)
    states = outputs.encoder_hidden_states if made.family.is_seq2seq else outputs.hidden_states
    num_globals = made.num_globals_in_encoder_states
    kept = torch.nn.functional.pad(inputs["attention_mask"].bool(), (num_globals, 0), value=True)
    if num_globals:  # then the state at token 0 is one that the decoder does not attend to
        kept[:, num_globals] = False
    found = [each[kept] for each in states]
    outputs[0].square().sum().backward()
    return [*found, outputs[0]], {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_it_changes_no_number(pair: MakePair, model_type: str, architecture: str, padded: bool) -> None:
    made = pair(model_type, architecture)
    model, encoder = loaded(made)
    if not encoder._can_leave_out_first(DENSE_LIMIT):
        pytest.skip("token 0 stays: no global stands in for it, or scores go by positions")
    inputs = made.inputs(DENSE_LIMIT - 1, padded=padded, labels=False)
    ours, of_ours = states_and_gradients(made, model, inputs)
    model, encoder = loaded(made)
    encoder._can_leave_out_first = lambda num_tokens: False
    whole, of_whole = states_and_gradients(made, model, inputs)
    for one, other in zip(ours, whole, strict=True):
        assert_close(one, other)
    assert_gradients_close(of_ours, of_whole)


@torch.no_grad()
def test_a_row_less_is_run(pair: MakePair) -> None:
    made = pair("bert", "BertForMaskedLM")
    model, _ = loaded(made)
    attention = next(part for part in model.modules() if type(part).__name__ == "LSGSelfAttention")
    run: list[tuple[int, bool]] = []
    attention.register_forward_pre_hook(
        lambda _, args, given: run.append((args[0].shape[1], _plan(args, given).keep is None)), with_kwargs=True
    )
    inputs = made.inputs(DENSE_LIMIT, labels=False)
    model(**inputs)
    assert run == [(DENSE_LIMIT, True)]  # as many rows as the library's model has, and no mask
    run.clear()
    model(**made.inputs(DENSE_LIMIT, padded=True, labels=False))
    assert run == [(DENSE_LIMIT, False)]
    run.clear()
    inputs["input_ids"][1, 0] = inputs["input_ids"][1, 1]  # a row that does not open with the opening token
    model(**inputs)
    model(**made.inputs(DENSE_LIMIT + 1, labels=False))
    assert run == [(DENSE_LIMIT + 1, False), (DENSE_LIMIT * 3 // 2 + 1, False)]


def _plan(args: tuple[Any, ...], given: dict[str, Any]) -> Any:
    return next(each.plan for each in (*args, *given.values()) if hasattr(each, "plan"))


@torch.no_grad()
@pytest.mark.parametrize(
    "options", [{"num_global_tokens": 3}, {"pool_with_global": False}, {"mask_first_token": False}]
)
@pytest.mark.parametrize(
    ("model_type", "architecture"), [("bert", "BertForMaskedLM"), ("bart", "BartForConditionalGeneration")]
)
def test_other_settings(pair: MakePair, model_type: str, architecture: str, options: dict[str, Any]) -> None:
    made = pair(model_type, architecture)
    model, encoder = loaded(made, **options)
    assert encoder._can_leave_out_first(DENSE_LIMIT) == ("num_global_tokens" in options)
    inputs = made.inputs(20, padded=True, labels=False)
    ours = model(**inputs)[0]
    encoder._can_leave_out_first = lambda num_tokens: False
    assert_close(ours, model(**inputs)[0])
