"""`global_attention_mask` on every family, with every head, as a user gives it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from lsg_convert import convert
from tests.close import GRADIENT_ROUNDING, assert_close
from tests.families.pairs import CASES, DENSE_LIMIT, OPTIONS, SEQ2SEQ, USUAL, Pair
from tests.families.test_kernel import use_oracle
from tests.tiny import make_pair
from tests.training.test_training import gradients, without_dropout

MakePair = Callable[..., Pair]
LENGTH = 83  # five blocks and some padding, so that there are tokens out of a token's reach
MARKED = [2, 40, 41]
DOCUMENT = Path(__file__).parents[2] / "docs" / "global_tokens.md"


def marking(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inputs, and a mask that marks tokens in the first row, and in the second row nothing but padding."""
    mask = torch.zeros_like(inputs["input_ids"])
    mask[0, ..., MARKED] = 1
    mask[1, ..., -1] = 1
    return {**inputs, "global_attention_mask": mask}


@contextmanager
def encoder_states(model: Any) -> Iterator[list[torch.Tensor]]:
    """What the encoder returns while this lasts, call by call."""
    found: list[torch.Tensor] = []
    hook = model.get_encoder().register_forward_hook(lambda _, __, outputs: found.append(outputs[0]))
    yield found
    hook.remove()


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture"), CASES)
def test_every_head_hands_it_on(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    if made.family.is_seq2seq and "CausalLM" in made.auto_class:
        pytest.skip("the library's decoder alone")
    blocks, dense = made.load(num_global_tokens=1), made.load(num_global_tokens=1)
    use_oracle(dense)
    given = made.inputs(LENGTH, padded=True, labels=False)
    inputs = marking(given)
    ours, absent = blocks(**inputs)[0], blocks(**given)[0]
    assert_close(ours, dense(**inputs)[0])
    assert not torch.allclose(ours[0], absent[0], atol=1e-4), "it is not heeded"
    without = blocks(**given, global_attention_mask=torch.zeros_like(inputs["input_ids"]))[0]
    assert_close(ours[1:], without[1:])  # padding that is marked is padding
    assert torch.equal(without, absent) == (made.plan.lsg.automatic_globals in ("none", "ends"))
    # Trainers keep the columns that they find here, and these only.
    names = inspect.signature(blocks.forward).parameters
    assert {"input_ids", "attention_mask", "global_attention_mask"} <= set(names)
    with pytest.raises(ValueError, match=r"global_attention_mask has shape \(2, 5\), the tokens have"):
        blocks(**given, global_attention_mask=torch.ones(2, 5))
    if made.family.source_options is not None:
        return  # a source that has global tokens says what they are, below the dense limit too
    short = made.inputs(DENSE_LIMIT, labels=False)
    every = torch.ones_like(short["input_ids"])
    assert torch.equal(blocks(**short, global_attention_mask=every)[0], blocks(**short)[0]), "below the dense limit"


@torch.no_grad()
@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(("model_type", "architecture"), SEQ2SEQ)
def test_generation_has_it(pair: MakePair, model_type: str, architecture: str, beams: int) -> None:
    """The encoder gets it, once; what the decoder makes of the states is what it makes of the oracle's."""
    made = pair(model_type, architecture)
    blocks, dense = made.load(num_global_tokens=2), made.load(num_global_tokens=2)
    use_oracle(dense)
    inputs = marking(made.inputs(LENGTH, padded=True, labels=False))
    del inputs["decoder_input_ids"]
    start = {} if blocks.generation_config.decoder_start_token_id is not None else {"decoder_start_token_id": 2}
    options = {"max_new_tokens": 6, "num_beams": beams, "do_sample": False, **start}
    with encoder_states(blocks) as ours, encoder_states(dense) as expected:
        tokens = [model.generate(**inputs, **options).tolist() for model in (blocks, dense)]
    assert len(ours) == len(expected) == 1
    assert_close(ours[0][0], expected[0][0])
    assert tokens[0] == tokens[1]


@torch.no_grad()
@pytest.mark.parametrize("kinds", [("bert", "bert"), ("roberta", "bert"), ("mpnet", "bert")], ids="2".join)
def test_pairs_have_it(kinds: tuple[str, str], tmp_path: Any) -> None:
    from transformers import AutoModelForSeq2SeqLM

    convert(make_pair(*kinds, tmp_path / "source"), output=tmp_path / "lsg", verify=False, **OPTIONS)
    blocks, dense = (
        AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "lsg", trust_remote_code=True).eval() for _ in range(2)
    )
    use_oracle(dense)
    ids = torch.randint(10, 60, (2, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 60:] = 0
    inputs = marking({"input_ids": ids, "attention_mask": mask})
    decoder_ids = ids[:, 1:6]
    with encoder_states(blocks) as ours, encoder_states(dense) as expected:
        assert_close(*(model(**inputs, decoder_input_ids=decoder_ids).logits for model in (blocks, dense)))
        tokens = [model.generate(**inputs, max_new_tokens=5, num_beams=2).tolist() for model in (blocks, dense)]
    assert tokens[0] == tokens[1] and len(ours) == 2
    assert_close(ours[1][0], expected[1][0])
    assert_close(ours[1], ours[0])


@pytest.mark.parametrize(("model_type", "architecture"), USUAL)
def test_training_and_gradient_checkpointing(pair: MakePair, model_type: str, architecture: str) -> None:
    made = pair(model_type, architecture)
    inputs = marking(made.inputs(LENGTH, padded=True))
    plain = gradients(without_dropout(made.load(num_global_tokens=1)), inputs)
    checkpointed, dense = made.load(num_global_tokens=1), made.load(num_global_tokens=1)
    checkpointed.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    use_oracle(dense)
    for others in (gradients(without_dropout(checkpointed), inputs), gradients(without_dropout(dense), inputs)):
        assert plain.keys() == others.keys()
        for name, gradient in plain.items():
            assert_close(gradient, others[name], GRADIENT_ROUNDING, terms=0.01)


@torch.no_grad()
@pytest.mark.parametrize("tool", ["export", "compile"])
@pytest.mark.parametrize(
    "case", [("bert", "BertForMultipleChoice"), ("mpnet", "MPNetForMaskedLM"), ("bart", "BartForConditionalGeneration")]
)
def test_graphs_take_other_masks(pair: MakePair, case: tuple[str, str], tool: str) -> None:
    made = pair(*case)
    model = made.load(num_global_tokens=1, **({"use_cache": False} if made.family.is_seq2seq else {}))
    first = marking(made.inputs(LENGTH, padded=True, labels=False))
    second = dict(first, global_attention_mask=torch.zeros_like(first["global_attention_mask"]))
    second["global_attention_mask"][..., 5:60:7] = 1
    expected = model(**second).logits
    if tool == "export":
        graph = torch.export.export(model, (), first).module()
    else:
        graph = torch.compile(model, backend="eager", fullgraph=True)
        graph(**first)
    assert_close(graph(**second)["logits"], expected)


@torch.no_grad()
def test_embeddings_and_positional_arguments(pair: MakePair) -> None:
    for case in (("bert", "BertForMaskedLM"), ("t5", "T5EncoderModel")):
        made = pair(*case)
        model, inputs = made.load(), marking(made.inputs(LENGTH, labels=False))
        mask, ids = inputs["global_attention_mask"], inputs["input_ids"]
        expected = model(ids, inputs["attention_mask"], global_attention_mask=mask)[0]
        assert_close(model(ids, global_attention_mask=mask)[0], expected)
        if case[0] == "t5":  # where embeddings do not hide which token opens a text
            embeddings = model.get_input_embeddings()(ids)
            assert_close(model(inputs_embeds=embeddings, global_attention_mask=mask)[0], expected)


def test_a_decoder_has_no_global_tokens(pair: MakePair) -> None:
    made = pair("bert", "BertLMHeadModel")
    with pytest.raises(ValueError, match="global_attention_mask: a decoder looks back only"):
        made.load(is_decoder=True)(**marking(made.inputs(LENGTH, labels=False)))


@torch.no_grad()
def test_half_precision(pair: MakePair) -> None:
    for case in (("roberta", "RobertaForMaskedLM"), ("t5", "T5EncoderModel")):
        made = pair(*case)
        inputs = marking(made.inputs(LENGTH, padded=True, labels=False))
        inputs["attention_mask"][1] = 0
        for dtype in (torch.bfloat16, torch.float16):
            assert made.load(torch_dtype=dtype)(**inputs)[0].isfinite().all()


def test_the_documentation_runs(pair: MakePair) -> None:
    """Its model call, and its collator: `tokenizer.pad` alone leaves the mask as it is."""
    made = pair("bert", "BertForQuestionAnswering")
    usage, collator = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(usage.replace('"lsg-bert-squad-4096"', repr(str(made.folder))).replace("4096", "128") + collator, scope)
    assert scope["outputs"].start_logits.shape == (1, 128)
    tokenizer, model = scope["tokenizer"], scope["model"]
    rows = []
    for text in ("a short one", "one that is longer. " * 20):
        row = dict(tokenizer("a", text, truncation=True, max_length=128))
        rows.append({**row, "global_attention_mask": [1 - kind for kind in row["token_type_ids"]]})
    with pytest.raises(ValueError, match="Unable to create tensor"):
        tokenizer.pad([dict(row) for row in rows], return_tensors="pt")
    for side in ("right", "left"):
        tokenizer.padding_side = side
        batch = scope["collate"](rows)
        for number, row in enumerate(rows):
            kept = batch["attention_mask"][number].bool()
            assert batch["global_attention_mask"][number][kept].tolist() == row["global_attention_mask"]
        assert not batch["global_attention_mask"][batch["attention_mask"] == 0].any()
        assert model(**batch).start_logits.isfinite().all()
