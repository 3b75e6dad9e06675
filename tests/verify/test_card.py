"""The model card: its usage code runs, its metadata is the source's, nothing in it is made up."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from lsg_convert import convert
from lsg_convert.folder.card import published_card
from lsg_convert.folder.card_metadata import card_metadata
from lsg_convert.folder.figures import (
    GLOBAL,
    LOCAL,
    NOTHING,
    SPARSE,
    attention_pattern,
    draw_attention,
    draw_verification,
)
from lsg_convert.folder.record import RecordedSource, read_record
from lsg_convert.modeling.lsg_options import LSGOptions
from tests.tiny import make_checkpoint
from tests.verify.conftest import OPTIONS, Converted
from tests.warm import python

HEADS = [
    ("bert", "BertForMaskedLM"),
    ("bert", "BertForMultipleChoice"),
    ("roberta", "RobertaForTokenClassification"),
    ("bart", "BartModel"),
    ("bart", "BartForConditionalGeneration"),
    ("t5", "T5Model"),
]
CARD = """---
license: cc-by-4.0
language:
- en
datasets:
- squad
tags:
- sentence-similarity
base_model: somebody/else
widget:
- text: hello
---
# Source
"""


def metadata(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text(encoding="utf-8").split("---")[1])


def test_usage_code_runs(converted: Callable[..., Converted]) -> None:
    parts = []
    for model_type, architecture in HEADS:
        folder = converted(model_type, architecture).folder
        code = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        assert len(code) == 1
        parts.append(f"os.chdir({str(folder)!r})\n{code[0]}")
    done = python("import os\n" + "\n".join(parts), cwd=folder)
    assert done.code == 0, done.output


def test_metadata_is_inherited_and_the_licence_never_invented(tmp_path: Path) -> None:
    source = make_checkpoint("bert", None, tmp_path / "source")
    without = convert(source, output=tmp_path / "without", verify=False, **OPTIONS).output
    assert not {"license", "language", "base_model"} & metadata(without).keys()
    (source / "README.md").write_text(CARD)
    inherited = metadata(convert(source, output=tmp_path / "with", verify=False, **OPTIONS).output)
    assert inherited["license"] == "cc-by-4.0"
    assert inherited["language"] == ["en"]
    assert inherited["datasets"] == ["squad"]
    assert inherited["tags"] == ["lsg", "long-context", "custom_code", "sentence-similarity"]
    assert "base_model" not in inherited  # a folder's own base is not ours, and a folder has no name on the Hub


SENTENCES = "---\npipeline_tag: sentence-similarity\nlibrary_name: sentence-transformers\ntags: [a, onnx, tf]\n---\n"


def sentence_source(folder: Path, **settings: str) -> Path:
    """A sentence-transformers model, whose encoder's config names a head."""
    source = make_checkpoint("bert", "BertForMaskedLM", folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (path, kind) in enumerate(kinds.items())
    ]
    (source / "modules.json").write_text(json.dumps(modules))
    (source / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (source / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (source / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, "do_lower_case": False}))
    (source / "config_sentence_transformers.json").write_text(json.dumps(settings))
    (source / "README.md").write_text(SENTENCES)
    return source


class TestSentenceTransformers:
    def test_the_card_opens_with_its_class_and_runs(self, tmp_path: Path) -> None:
        folder = convert(sentence_source(tmp_path / "source"), output=tmp_path / "out", verify=False, **OPTIONS).output
        code = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
        assert "SentenceTransformer(path, trust_remote_code=True)" in code[0]
        assert "AutoModel.from_pretrained(path, trust_remote_code=True)" in code[1]
        pytest.importorskip("sentence_transformers")
        done = python("\n".join(code), cwd=folder)
        assert done.code == 0, done.output
        assert "torch.Size([1, 136, 32])" in done.stdout  # and the similarities, of two texts
        assert len(re.findall(r"tensor\(\[\[1\.0+, ", done.stdout)) == 1

    def test_metadata_say_what_loads_it(self, tmp_path: Path) -> None:
        folder = convert(sentence_source(tmp_path / "source"), output=tmp_path / "out", verify=False, **OPTIONS).output
        found = metadata(folder)
        assert (found["library_name"], found["pipeline_tag"]) == ("sentence-transformers", "sentence-similarity")
        assert found["tags"] == ["lsg", "long-context", "custom_code", "a"]  # no other format has come along

    def test_a_reranker_is_no_sentence_transformer(self, tmp_path: Path) -> None:
        source = sentence_source(tmp_path / "source", model_type="CrossEncoder")
        folder = convert(source, output=tmp_path / "out", verify=False, **OPTIONS).output
        assert "SentenceTransformer(" not in (folder / "README.md").read_text(encoding="utf-8")

    def test_modules_that_stay_behind_are_not_promised(self, tmp_path: Path) -> None:
        source = sentence_source(tmp_path / "source")
        modules = json.loads((source / "modules.json").read_text())
        modules[1]["type"] = "somebody.Else"
        (source / "modules.json").write_text(json.dumps(modules))
        folder = convert(source, output=tmp_path / "out", verify=False, **OPTIONS).output
        assert metadata(folder)["library_name"] == "transformers"
        assert "SentenceTransformer(" not in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("architecture", "given", "wanted"),
    [
        ("BertForMaskedLM", None, "fill-mask"),
        ("BertForSequenceClassification", "zero-shot-classification", "zero-shot-classification"),
        ("BertForSequenceClassification", "fill-mask", "text-classification"),
        ("BertForTokenClassification", None, "token-classification"),
        ("BertForQuestionAnswering", "question-answering", "question-answering"),
        ("BertModel", "fill-mask", "feature-extraction"),
        ("BertModel", "sentence-similarity", "sentence-similarity"),
        ("BertForNextSentencePrediction", None, None),
    ],
)
def test_the_task_is_one_that_the_folders_head_is_for(
    architecture: str, given: str | None, wanted: str | None, converted: Callable[..., Converted]
) -> None:
    record = read_record(converted("bert", "BertForMaskedLM").folder)
    family = record.converted_family
    record = replace(record, auto_class=family.heads[architecture].auto_class)
    found = yaml.safe_load(card_metadata({"pipeline_tag": given} if given else {}, record))
    assert found.get("pipeline_tag") == wanted
    assert found["library_name"] == "transformers"


def test_a_source_on_the_hub_is_the_base_model(converted: Callable[..., Converted]) -> None:
    """Related by the one of the Hub's four words that is true of a model with weights of its own."""
    record = read_record(converted("bert", "BertForMaskedLM").folder)
    found = yaml.safe_load(card_metadata({}, replace(record, source=RecordedSource("bart", "facebook/bart"))))
    assert (found["base_model"], found["base_model_relation"]) == ("facebook/bart", "finetune")
    assert not {"base_model", "base_model_relation"} & yaml.safe_load(card_metadata({}, record)).keys()


def test_the_published_card_loads_the_repository(converted: Callable[..., Converted]) -> None:
    """And says else what the folder's own card says."""
    card = (converted("bert", "BertForMaskedLM").folder / "README.md").read_text(encoding="utf-8")
    published = published_card(card, "me/lsg-tiny")
    different = [
        (before, after)
        for before, after in zip(card.splitlines(), published.splitlines(), strict=True)
        if before != after
    ]
    assert [after for _, after in different if after.startswith("path")] == ['path = "me/lsg-tiny"']
    assert len(different) == 2 and "`lsg-convert me/lsg-tiny --attention-backend cpp`" in published
    assert published_card(published, "me/other") == published


def test_attention_picture_is_of_the_folders_own_settings(tmp_path: Path) -> None:
    draw_attention(tmp_path, LSGOptions())
    data = (tmp_path / "attention.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert width == height
    assert len(data) < 4000
    draw_attention(tmp_path, LSGOptions(sparsity_type="none"))
    assert (tmp_path / "attention.png").read_bytes() != data


def test_pattern_has_what_the_options_say() -> None:
    full = attention_pattern(LSGOptions())
    assert {*full.flatten()} == {NOTHING, LOCAL, SPARSE, GLOBAL}
    assert (full[0] == GLOBAL).all()
    assert (full[:, 0] == GLOBAL).all()
    middle = full[len(full) // 2]
    assert (middle == LOCAL).sum() == 12
    assert {*attention_pattern(LSGOptions(num_global_tokens=0, sparsity_factor=0)).flatten()} == {NOTHING, LOCAL}


@pytest.mark.parametrize("by_position", [None, {}])
def test_without_curves_there_is_no_picture(by_position: dict | None, tmp_path: Path) -> None:
    (tmp_path / "verification.png").write_bytes(b"old")
    assert not draw_verification(tmp_path, by_position)
    assert not (tmp_path / "verification.png").exists()
