"""Families whose attention reaches far already compute what the library's computes, at every length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lsg_convert import convert
from tests.close import GRADIENT_ROUNDING, assert_close
from tests.families.pairs import CASES, OPTIONS, SOURCE_LENGTH, USUAL, Pair, assert_same
from tests.families.test_generation import generate
from tests.families.test_kernel import use_oracle
from tests.tiny import make_checkpoint

MakePair = Callable[..., Pair]
BIRDS = ("big_bird", "bigbird_pegasus")
HEADS = [case for case in CASES if case[0] in BIRDS and case[1] != "BigBirdPegasusForCausalLM"]
USUAL_BIRDS = [case for case in USUAL if case[0] in BIRDS]
DENSE = 36
WAYS = ("whole", "right", "left", "both rows")


def inputs_of(made: Pair, length: int, way: str) -> dict[str, torch.Tensor]:
    """Two rows; padding of more than a block in the second one, or of another length in each."""
    inputs = made.inputs(length)
    mask = inputs["attention_mask"]
    if way == "left":
        mask[1, ..., : length // 3] = 0
    elif way != "whole":
        mask[1, ..., -(length // 3) :] = 0
    if way == "both rows":
        mask[0, ..., -6:] = 0
    return inputs


def trimmed(outputs: Any, length: int) -> dict[str, Any]:
    """The library's outputs; its hidden states end with the padding that it computed with."""
    return {
        name: tuple(state[:, :length] for state in value) if name.endswith("hidden_states") else value
        for name, value in outputs.items()
    }


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), HEADS)
def test_long_inputs(pair: MakePair, model_type: str, architecture: str) -> None:
    """Every output, also at padding; an input that is short before each long one changes nothing."""
    made = pair(model_type, architecture)
    assert made.plan.keeps_attention and made.plan.lsg.dense_limit == DENSE
    for number, length in enumerate((DENSE + 1, 45, 50, SOURCE_LENGTH - 1, SOURCE_LENGTH)):
        for way in WAYS[number % 2 :: 2]:
            made.converted(**made.inputs(9))
            inputs = inputs_of(made, length, way)
            source = trimmed(made.source(**inputs, output_hidden_states=True), length)
            assert_same(made.converted(**inputs, output_hidden_states=True), source)


@pytest.mark.parametrize(("model_type", "architecture"), HEADS)
def test_gradients(pair: MakePair, model_type: str, architecture: str) -> None:
    """Of a step in evaluation mode: while training the library draws other blocks."""
    made = pair(model_type, architecture)
    inputs = inputs_of(made, 51, "right")
    found = []
    for model in (made.load(), made.load_source()):
        outputs = model(**inputs)
        (outputs.loss if "loss" in outputs else outputs[0].square().mean()).backward()
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
    ours, source = found
    # The gradients of choices that are alike all but cancel.
    terms = 0.1 if "MultipleChoice" in architecture else 0.01
    assert {name for name in ours if name not in source} == {
        name for name in ours if name.endswith("global_embeddings.weight")
    }
    for name, expected in source.items():
        assert (ours[name] is None) == (expected is None), name
        if expected is not None:
            positions = slice(len(expected))  # of a table that was extended
            assert_close(ours[name][positions], expected, GRADIENT_ROUNDING, terms)


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL_BIRDS)
def test_in_blocks_no_attention_weight_is_dropped(pair: MakePair, model_type: str, architecture: str) -> None:
    """As in the library: only up to the dense limit, where attention is full."""
    made = pair(model_type, architecture)
    names = ("hidden_dropout_prob", "dropout", "activation_dropout", "classifier_dropout")
    none = {name: 0.0 for name in names if hasattr(made.source.config, name)}
    name = "attention_dropout" if made.family.is_seq2seq else "attention_probs_dropout_prob"
    model = made.load(**none, **{name: 0.5})
    encoder = model.get_encoder() if made.family.is_seq2seq else model.base_model
    for length in (DENSE, DENSE + 1):
        ids = made.inputs(length)["input_ids"]
        expected, trained = encoder.eval()(ids)[0], encoder.train()(ids)[0]
        assert ((trained - expected).abs().max() > 0.1) == (length == DENSE)


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL_BIRDS)
def test_marked_tokens_and_globals_besides(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    options = {"num_global_tokens": 2, "sparsity_type": "norm"}
    blocks, dense = made.load(**options), made.load(**options)
    assert use_oracle(dense) == 2
    inputs = inputs_of(made, 62, "right")
    marked = torch.zeros_like(inputs["attention_mask"])
    marked[0, [1, 20, 30]], marked[1, 33] = 1, 1
    ours, expected, unmarked = (
        model(**inputs, global_attention_mask=mask)[1]
        for model, mask in ((blocks, marked), (dense, marked), (blocks, None))
    )
    assert_close(ours, expected)
    assert (ours - unmarked).abs().max() > 1e-3


@pytest.mark.parametrize(("model_type", "architecture"), USUAL_BIRDS)
def test_the_librarys_switch_is_refused(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    encoder = made.converted.get_encoder() if made.family.is_seq2seq else made.converted.base_model
    with pytest.raises(ValueError, match="each input's length decides"):
        encoder.set_attention_type("block_sparse")


@torch.no_grad()
def test_generation(pair: MakePair) -> None:
    made = pair("bigbird_pegasus", "BigBirdPegasusForConditionalGeneration")
    inputs = {name: inputs_of(made, 55, "right")[name] for name in ("input_ids", "attention_mask")}
    for way in ({}, {"num_beams": 3}):
        assert generate(made.converted, inputs, **way) == generate(made.source, inputs, **way)


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), USUAL_BIRDS)
def test_full_attention_is_converted_as_any(model_type: str, architecture: str, tmp_path: Any) -> None:
    """With globals where inputs open with CLS, and exact up to two blocks."""
    source = make_checkpoint(model_type, architecture, tmp_path / "source", attention_type="original_full")
    plan = convert(source, output=tmp_path / "out", verify=True, **OPTIONS).plan
    assert (plan.lsg.automatic_globals, plan.lsg.dense_limit) == ("none", 32)
    assert plan.lsg.num_global_tokens == int(plan.family.opens_with_bos) and not plan.keeps_attention


def test_a_long_source_keeps_its_length(tmp_path: Any) -> None:
    source = make_checkpoint("big_bird", "BigBirdForMaskedLM", tmp_path / "source")
    plan = convert(source, output=tmp_path / "out", dry_run=True).plan
    assert (plan.max_len, plan.lsg.block_size, plan.lsg.num_random_blocks) == (SOURCE_LENGTH, 4, 2)
    assert plan.notes == () and {change["action"] for change in plan.changes()} == {"new"}
    changed = convert(source, output=tmp_path / "out", dry_run=True, block_size=8, num_global_tokens=1).plan
    assert not changed.keeps_attention
    assert "(block_size is 8, not 4; num_global_tokens is 1, not 0): above 36 tokens" in changed.notes[0]
