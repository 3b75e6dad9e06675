"""What somebody meets who loads a folder without lsg-convert: by the library, in a fresh process."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import lsg_convert as package
from lsg_convert import convert
from lsg_convert.folder.record import read_record
from lsg_convert.verification import stranger, stranger_launch
from lsg_convert.verification.levels import Level
from lsg_convert.verification.result import Result
from lsg_convert.verification.run import ALL_CHECKS, CONVERSION_CHECKS
from tests.tiny import make_checkpoint
from tests.verify.conftest import OPTIONS, Converted
from tests.verify.plant import edit_json
from tests.verify.test_card import sentence_source

Maker = Callable[..., Converted]
NAME = stranger.Stranger.name
# Inputs of one text, of several, and with a decoder's beside them; then other models that get the same.
HEADS = [
    ("bert", "BertForMaskedLM"),
    ("bert", "BertForMultipleChoice"),
    ("bart", "BartModel"),
    ("t5", "T5ForConditionalGeneration"),
]
OTHERS = [
    ("roberta", "RobertaForTokenClassification"),
    ("bart", "BartForConditionalGeneration"),
    ("distilbert", "DistilBertForMaskedLM"),
    ("mpnet", "MPNetForMaskedLM"),
]


@pytest.fixture(autouse=True)
def _checks(with_stranger: None) -> None:
    """These tests are about the check that the others leave out."""


def result(folder: Path, **options: Any) -> Result:
    return package.verify(folder, level="exact", **options)[NAME]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model_type", "architecture"), [*HEADS, *(pytest.param(*case, marks=pytest.mark.product) for case in OTHERS)]
)
def test_a_good_folder_is_its_source(model_type: str, architecture: str, converted: Maker) -> None:
    found = result(converted(model_type, architecture).folder)
    assert found.status == "passed", found
    assert found.values["texts"] == 3 + len(stranger.PADDING_SIDES) + 1  # each length, padded, and once as a snapshot


def test_token_types_that_the_model_has_no_use_for(breakable: Maker) -> None:
    """The library's model takes and ignores them, so the folder's does too."""
    folder = breakable("distilbert").folder
    for name in ("config.json", "tokenizer_config.json"):
        edit_json(folder / name, lambda settings: settings.update(tokenizer_class="BertTokenizer"))
    edit_json(folder / "tokenizer_config.json", lambda settings: settings.pop("model_input_names", None))
    assert result(folder).status == "passed"


def test_a_tokenizer_that_gives_no_mask(breakable: Maker) -> None:
    folder = breakable("bert").folder
    edit_json(folder / "tokenizer_config.json", lambda settings: settings.update(model_input_names=["input_ids"]))
    found = result(folder)
    assert found.status == "failed"
    assert "padded" in (found.reason or "")


def test_only_code_that_was_compared_runs(breakable: Maker, tmp_path: Path) -> None:
    folder, marker = breakable("bert").folder, tmp_path / "marker"
    code = f"import pathlib\npathlib.Path({str(marker)!r}).write_text('ran')\nclass Evil: pass\n"
    (folder / "modeling_evil.py").write_text(code)
    edit_json(
        folder / "config.json", lambda config: config["auto_map"].update(AutoModelForMaskedLM="modeling_evil.Evil")
    )
    edit_json(folder / "lsg_conversion.json", lambda record: record.update(version=f"0\n```python\n{code}```\n"))
    report = package.verify(folder, level="exact")
    assert "auto_map" in (report["modeling code"].reason or "")
    assert report[NAME].status == "passed"  # of what was compared
    assert not marker.exists()


def test_code_that_is_not_ours_is_not_run(breakable: Maker) -> None:
    folder = breakable("bert").folder
    with (folder / "modeling_lsg_bert.py").open("a") as code:
        code.write("\n")
    assert result(folder).status == "not run"


def test_the_cards_code_is_what_the_card_says(converted: Maker) -> None:
    for model_type, architecture in HEADS:
        folder = converted(model_type, architecture).folder
        card = (folder / "README.md").read_text(encoding="utf-8")
        snippets = stranger.card_snippets(read_record(folder), folder)
        assert snippets
        assert all(snippet in card for snippet in snippets)


def test_a_sentence_transformer_is_loaded_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is there; where it is not, the check says so; modules that do not fit fail."""
    folder = convert(sentence_source(tmp_path / "source"), output=tmp_path / "out", verify=False, **OPTIONS).output
    (tmp_path / "without").mkdir()
    lacking = "raise ModuleNotFoundError(name='sentence_transformers')"
    (tmp_path / "without" / "sentence_transformers.py").write_text(lacking)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    found = result(folder)
    assert found.status == "passed"
    assert "what needs sentence_transformers, which is not installed" in (found.measured or "")
    monkeypatch.delenv("PYTHONPATH")
    pytest.importorskip("sentence_transformers")
    found = result(folder)
    assert found.status == "passed" and "not installed" not in (found.measured or ""), found
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 32, "pooling_mode": "upside_down"}')
    found = result(folder)
    assert found.status == "failed" and "running the card's snippet" in (found.reason or ""), found


def test_a_source_that_raises_too_is_nobodys_failure(tmp_path: Path) -> None:
    source = make_checkpoint("bert-generation", None, tmp_path / "source")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        settings = json.loads((source / name).read_text())
        settings.pop("pad_token")
        (source / name).write_text(json.dumps(settings))
    found = result(convert(source, output=tmp_path / "converted", **OPTIONS).output)
    assert found.status == "not run", found
    assert "the source raises ValueError: Asking to pad" in (found.reason or "")


def test_a_process_that_does_not_end_is_ended(breakable: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranger_launch, "_TIMEOUT", 0.2)
    found = result(breakable("bert").folder)
    assert (found.status, found.reason) == ("failed", "not done after 0 s")


@pytest.mark.parametrize("in_time", [True, False])
def test_runs_beside_the_others_where_there_is_a_core(
    in_time: bool, converted: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, begin = [], stranger.Stranger.begin
    monkeypatch.setattr(stranger.Stranger, "begin", lambda *given: begun.append(begin(*given)) or begun[-1])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not in_time:
        monkeypatch.setattr(stranger_launch, "_TIMEOUT", 0.01)
    folder = converted("bert").folder
    torch.set_num_threads(2)
    try:
        report = package.verify(folder, level="exact")
        threads = torch.get_num_threads()
    finally:
        torch.set_num_threads(1)
    assert begun == [True] and threads == 2
    assert report[NAME].status == ("passed" if in_time else "failed")
    assert report.results[-1].name == NAME, "the report has the checks in their order"
    assert not list(tmp_path.glob("lsg-convert-*")), "its folder stays behind"


def test_its_core_is_given_back_within_a_long_check(breakable: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(stranger.Stranger, "between", lambda self, subject: asked.append(subject))
    folder = breakable("bert").folder
    torch.set_num_threads(2)
    try:
        package.verify(folder, level="kernel")
    finally:
        torch.set_num_threads(1)
    assert len(asked) > sum(check.level <= Level.KERNEL for check in ALL_CHECKS), "between checks only"


def test_a_conversion_leaves_it_to_verify() -> None:
    assert stranger.Stranger in ALL_CHECKS
    assert stranger.Stranger not in CONVERSION_CHECKS
