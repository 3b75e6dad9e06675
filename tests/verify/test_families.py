"""Freshly converted folders of every family pass every check that means anything for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert import convert, verify
from lsg_convert.families import FAMILIES
from lsg_convert.verification import run
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_pair
from tests.verify.conftest import OPTIONS, Converted

ARCHITECTURES = [(name, TINY[name].architecture) for name in FAMILIES if name in TINY]
HEADS = [
    ("bert", "BertModel"),
    ("bert", "BertForSequenceClassification"),
    ("bert", "BertForMultipleChoice"),
    ("roberta", "RobertaForTokenClassification"),
    ("bart", "BartModel"),
    ("bart", "BartForSequenceClassification"),
    ("bart", "BartForQuestionAnswering"),
    ("t5", "T5Model"),
    ("t5", "T5EncoderModel"),
]
MEASURED = {"drift", "drift by position", "loss"}  # nothing says what would be too much
LANGUAGE_MODELS = ("ForMaskedLM", "ForConditionalGeneration", "MTModel", "WithLMHeadModel")


def test_the_table_covers_every_family() -> None:
    assert not FAMILIES.keys() - TINY.keys(), "these need a tiny checkpoint"


@pytest.mark.parametrize(("model_type", "architecture"), [*ARCHITECTURES, *HEADS])
def test_every_check_passes(model_type: str, architecture: str, converted: Callable[..., Converted]) -> None:
    report = converted(model_type, architecture).verify()
    found = {result.name: result for result in report.results}
    expected = {check.name for check in run.ALL_CHECKS} - (
        {"loss"} if not architecture.endswith(LANGUAGE_MODELS) else set()
    )
    if FAMILIES[model_type].heads[architecture].auto_class != "AutoModelForSeq2SeqLM":
        expected.remove("greedy decoding")
    assert found.keys() == expected
    not_run = [name for name, result in found.items() if result.status == "not run"]
    exact = {"drift"} if FAMILIES[model_type].source_options else set()  # there any difference is too much
    measured = {name for name, result in found.items() if result.status == "measured"}
    assert measured == found.keys() & MEASURED - exact
    assert not report.failed, report.sentence + str([result for result in report.results if result.passed is False])
    assert not not_run
    assert report.verdict == "passed"
    for name in ("parity, as shipped", "parity, without globals", "attention by definition"):
        assert found[name].values["max_abs"] <= 2e-5
    assert found["attention by definition"].values["layers"] >= 1
    assert found["attention by definition"].values["marked"] == 5


def test_every_check_passes_for_a_pair(tmp_path: Path) -> None:
    source = make_pair("bert", "bert", tmp_path / "source")
    report = verify(convert(source, output=tmp_path / "converted", **OPTIONS).output)
    assert report.verdict == "passed", report
