"""Sources that are long by themselves: the same numbers at every length, whatever is global, in training too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from tests.close import GRADIENT_ROUNDING, assert_close
from tests.families.pairs import CASES, FAMILIES, SOURCE_LENGTH, USUAL, Pair
from tests.tiny import make_checkpoint, make_pair

MakePair = Callable[..., Pair]
# But for those whose ends are global: they are dense up to another length, see test_end_blocks.
LONG = [case for case in CASES if (family := FAMILIES[case[0]]).source_options and not family.knows_global_ends]
LONG_USUAL = [case for case in USUAL if case in LONG]
LENGTHS = (5, 16, 17, 33, 50, SOURCE_LENGTH)  # windows are 16 and 32


def marking(ids: torch.Tensor, mask: torch.Tensor, count: int) -> torch.Tensor:
    """A mask of so many global tokens, others in each row and none in the last one."""
    marked = torch.zeros_like(ids)
    generator = torch.Generator().manual_seed(count)
    for row in marked.view(-1, ids.shape[-1])[:-1]:
        row[torch.randperm(len(row), generator=generator)[:count]] = 1
    return marked * mask


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), LONG)
def test_every_length_and_any_globals(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    for length in LENGTHS:
        inputs = made.inputs(length, padded=length > 7, labels=False)
        for count in (0, 1, 30):
            given = marking(inputs["input_ids"], inputs["attention_mask"], count)
            ours, source = (
                model(**inputs, global_attention_mask=given, output_hidden_states=True)
                for model in (made.converted, made.source)
            )
            assert_same_at_tokens(ours, source, inputs["attention_mask"])


def assert_same_at_tokens(ours: Any, source: Any, mask: torch.Tensor) -> None:
    for name, expected in source.items():
        if name == "past_key_values":
            continue
        pairs = zip(ours[name], expected, strict=True) if isinstance(expected, tuple) else [(ours[name], expected)]
        for one, other in pairs:
            kept = mask.bool() if other.shape[:2] == mask.shape else ...
            assert_close(one[kept], other[kept])


@pytest.mark.parametrize(("model_type", "architecture"), LONG)
def test_a_training_step(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = made.inputs(SOURCE_LENGTH - 3, padded=True)
    if made.plan.lsg.automatic_globals == "none":
        inputs["global_attention_mask"] = marking(inputs["input_ids"], inputs["attention_mask"], 3)
    found = []
    for model in (made.load(), made.load_source()):
        outputs = model(**inputs)
        loss = outputs[0].square().mean() if outputs.get("loss") is None else outputs["loss"]
        loss.backward()
        found.append({name: part.grad for name, part in model.named_parameters() if part.grad is not None})
    ours, source = found
    assert ours.keys() - source.keys() <= {name for name in ours if name.endswith("global_embeddings.weight")}
    assert any(name.endswith("key_global.weight") for name in source)
    for name, gradient in source.items():
        rows = ours[name][: len(gradient)]  # position tables are longer
        assert_close(rows, gradient, GRADIENT_ROUNDING, terms=0.01)


@torch.no_grad()
@pytest.mark.parametrize("beams", [1, 3])
def test_generation(pair: MakePair, beams: int) -> None:
    made = pair("led", "LEDForConditionalGeneration")
    inputs = made.inputs(50, padded=True, labels=False)
    del inputs["decoder_input_ids"]
    given = marking(inputs["input_ids"], inputs["attention_mask"], 1)
    tokens = [
        model.generate(**inputs, global_attention_mask=given, max_new_tokens=8, num_beams=beams, do_sample=False)
        for model in (made.converted, made.source)
    ]
    assert torch.equal(*tokens)


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), LONG_USUAL)
def test_length_and_names_are_the_sources(model_type: str, architecture: str, tmp_path: Path) -> None:
    """By default nothing changes but for the new globals, of which none is used; a longer one is tiled."""
    folder = make_checkpoint(model_type, architecture, tmp_path / "source", max_positions=SOURCE_LENGTH)
    result = convert(folder, output=tmp_path / "lsg", block_size=16)
    assert result.plan.max_len == SOURCE_LENGTH
    assert [change["action"] for change in result.plan.changes()] == ["new"]
    assert sorted({*(result.plan.lsg.attention_window or ())}) == [16, 32] and not result.plan.lsg.num_global_tokens
    report = verify(tmp_path / "lsg")
    report.raise_if_failed()
    drift = next(check for check in report.as_record().checks if check.name == "drift")
    assert drift.status == "passed", drift
    longer = convert(folder, output=tmp_path / "longer", max_len=2 * SOURCE_LENGTH, verify=False, block_size=16)
    model, _ = longer.load()
    ids = torch.randint(10, 60, (1, 2 * SOURCE_LENGTH), generator=torch.Generator().manual_seed(0))
    further = {"decoder_input_ids": ids[:, :4]} if longer.plan.family.is_seq2seq else {}
    assert model(input_ids=ids, **further)[0].isfinite().all()
    source = getattr(transformers, architecture).from_pretrained(folder).eval()
    short = ids[:, : SOURCE_LENGTH - 1]
    assert_close(model(input_ids=short, **further)[0], source(input_ids=short, **further)[0])


def test_separators_as_the_library_wants_them(pair: MakePair) -> None:
    made = pair("longformer", "LongformerForQuestionAnswering")
    inputs = made.inputs(30, labels=False)
    inputs["input_ids"][1, 9] = made.plan.lsg.separator_token_id
    with pytest.raises(AssertionError):
        made.source(**inputs)
    with pytest.raises(ValueError, match=r"looks for 3 separators \(token 2\).*one row has 4"):
        made.converted(**inputs)


@torch.no_grad()
def test_as_the_encoder_of_a_pair(tmp_path: Path) -> None:
    folder = make_pair("longformer", "roberta", tmp_path / "source", max_positions=SOURCE_LENGTH)
    result = convert(folder, output=tmp_path / "lsg", verify=False, block_size=16)
    source = transformers.EncoderDecoderModel.from_pretrained(folder).eval()
    ids = torch.randint(10, 60, (2, 50), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 30:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask, "global_attention_mask": marking(ids, mask, 3)}
    ours = result.load()[0](**inputs, decoder_input_ids=ids[:, :4]).logits
    assert_close(ours, source(**inputs, decoder_input_ids=ids[:, :4]).logits)


@torch.no_grad()
def test_few_globals_cost_no_keys_and_values_of_all_tokens(pair: MakePair) -> None:
    """Without gradients few queries go back through projections; if somebody watches these, they run."""
    made = pair("longformer", "LongformerModel")
    model, inputs = made.load(), made.inputs(50, padded=True, labels=False)
    calls: list[Any] = []
    given = {**inputs, "global_attention_mask": marking(inputs["input_ids"], inputs["attention_mask"], 3)}
    few = model(**given)[0]
    watched = [module for name, module in model.named_modules() if name.endswith(("key_global", "value_global"))]
    hooks = [module.register_forward_hook(lambda *_: calls.append(1)) for module in watched]
    assert_close(few, model(**given)[0])
    assert len(calls) == len(watched) == 4
    for hook in hooks:
        hook.remove()
    with torch.enable_grad():
        assert_close(few, model(**given)[0])


@pytest.mark.parametrize(
    ("window", "complaint"),
    [
        ([16, 32, 16], "attention_window is .*not an even number"),
        (15, "attention_window is 15, not an even number"),
        ("wide", "attention_window is 'wide', not an even number"),
    ],
)
def test_windows_that_no_model_has(window: Any, complaint: str, tmp_path: Path) -> None:
    folder = make_checkpoint("longformer", None, tmp_path / "source", max_positions=SOURCE_LENGTH)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "attention_window": window}))
    with pytest.raises(RequestError, match=complaint):
        convert(folder, dry_run=True)


def test_a_window_is_for_sliding_attention(tmp_path: Path) -> None:
    folder = make_checkpoint("bert", None, tmp_path / "source")
    with pytest.raises(RequestError, match=r"--attention-window 64 is for sliding attention, and this is by blocks"):
        convert(folder, dry_run=True, attention_window=64)
    plan = convert(folder, dry_run=True, local_attention="sliding", attention_window=256).plan
    assert plan.lsg.attention_window == (256, 256) and plan.lsg.dense_limit == 129
