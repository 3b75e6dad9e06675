"""Models whose question is global by itself: converted so, loaded as a user loads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from tests.close import assert_close
from tests.families.pairs import OPTIONS
from tests.tiny import make_checkpoint

QUESTION, TEXT = "what is in the ship", "the long letter was in the ship all the time. " * 6
CASES = [
    ("bert", "BertForQuestionAnswering", "question", 2),
    ("roberta", "RobertaForQuestionAnswering", "question", 3),
    ("bart", "BartForQuestionAnswering", "question", 3),
    ("bert", "BertForMultipleChoice", "choice", 2),
]


@torch.no_grad()
@pytest.mark.parametrize(("model_type", "architecture", "rule", "separators"), CASES)
def test_a_rule_is_the_mask_that_it_stands_for(
    model_type: str, architecture: str, rule: str, separators: int, tmp_path: Path
) -> None:
    source = make_checkpoint(model_type, architecture, tmp_path / "source", num_labels=2)
    result = convert(source, output=tmp_path / "lsg", verify=False, automatic_globals=rule, **OPTIONS)  # type: ignore[arg-type]
    config = json.loads((tmp_path / "lsg" / "config.json").read_text(encoding="utf-8"))
    model, tokenizer = result.load()
    assert config["automatic_globals"] == rule
    assert (config["separator_token_id"], config["num_separators"]) == (tokenizer.sep_token_id, separators)
    card = (tmp_path / "lsg" / "README.md").read_text(encoding="utf-8")
    assert f"| `automatic_globals` | `{rule}` |" in card and f"| `num_separators` | `{separators}` |" in card

    inputs = dict(tokenizer([QUESTION] * 2, [TEXT, TEXT[:90]], padding=True, return_tensors="pt"))
    past = (inputs["input_ids"] == tokenizer.sep_token_id).cumsum(1)
    mask = past == 0 if rule == "question" else (past > 0).cumsum(1) > separators - 1
    if rule == "choice":
        inputs, mask = {name: value[:, None] for name, value in inputs.items()}, mask[:, None]
    given = model(**inputs, global_attention_mask=mask.long())
    assert torch.equal(model(**inputs)[0], given[0])
    none = model(**inputs, global_attention_mask=torch.zeros_like(inputs["input_ids"]))
    assert not torch.allclose(none[0], given[0], atol=1e-4), "it is not heeded"
    plain = type(model).from_pretrained(tmp_path / "lsg", automatic_globals="none").eval()
    assert_close(plain(**inputs)[0], none[0])
    verify(tmp_path / "lsg").raise_if_failed()


def test_what_no_rule_fits(tmp_path: Path) -> None:
    folder = make_checkpoint("bert", "BertForMaskedLM", tmp_path / "bert")
    with pytest.raises(
        RequestError, match=r"question is for models that read two texts .*this one is a BertForMaskedLM"
    ):
        convert(folder, dry_run=True, automatic_globals="question")
    folder = make_checkpoint("mbart", "MBartForQuestionAnswering", tmp_path / "mbart")
    with pytest.raises(RequestError, match="this tokenizer sets 1 in tokenizer"):
        convert(folder, output=tmp_path / "lsg", verify=False, automatic_globals="question", **OPTIONS)
    assert not (tmp_path / "lsg").exists()


def test_an_input_of_one_text_is_refused(tmp_path: Path) -> None:
    source = make_checkpoint("bert", "BertForQuestionAnswering", tmp_path / "source", num_labels=2)
    convert(source, output=tmp_path / "lsg", verify=False, automatic_globals="question", **OPTIONS)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path / "lsg", trust_remote_code=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "lsg")
    with pytest.raises(ValueError, match=r"looks for 2 separators .*one row has 1"):
        model(**tokenizer(TEXT, return_tensors="pt"))
