"""Freshly converted folders of every family pass every check that means anything for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lsg_convert.families import FAMILIES
from lsg_convert.verify.run import ALL_CHECKS
from tests.tiny import FAMILIES as TINY
from tests.verify.conftest import Converted

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
LANGUAGE_MODELS = ("ForMaskedLM", "ForConditionalGeneration", "MTModel")


def test_the_table_covers_every_family() -> None:
    missing = FAMILIES.keys() - TINY.keys()
    assert missing <= {"encoder-decoder"}, f"no tiny checkpoint of {missing}"


@pytest.mark.parametrize(("model_type", "architecture"), [*ARCHITECTURES, *HEADS])
def test_every_check_passes(model_type: str, architecture: str, converted: Callable[..., Converted]) -> None:
    report = converted(model_type, architecture).verify()
    found = {result.name: result for result in report.results}
    expected = {check.name for check in ALL_CHECKS} - (
        {"loss"} if not architecture.endswith(LANGUAGE_MODELS) else set()
    )
    assert found.keys() == expected
    not_run = [name for name, result in found.items() if result.passed is None]
    assert not report.failed, report.sentence + str([result for result in report.results if result.passed is False])
    assert not_run == ([] if FAMILIES[model_type].opens_with_bos else ["parity, as shipped"])
    assert report.verdict == ("partial" if not_run else "passed")
    for name in ("parity, globals muted", "attention by definition"):
        assert found[name].values["max_abs"] <= 2e-5
    assert found["attention by definition"].values["layers"] >= 1
