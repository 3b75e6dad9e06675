"""Which kind of model a checkpoint is, where its config says nothing, or something else than its modules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsg_convert import convert, verify
from lsg_convert.common.errors import RequestError
from lsg_convert.conversion import inspect
from tests.warm import lsg_convert

OPTIONS: dict[str, Any] = {"max_len": 136, "block_size": 16, "sparse_block_size": 16}
EMBEDDER = "sentence_transformers.models.Transformer"


@pytest.fixture
def of_2019(checkpoint: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of checkpoints as they were in 2019: no model_type, no class, a bare vocab.txt."""

    def make(model_type: str = "bert", **kept: Any) -> Path:
        source = Path(shutil.copytree(checkpoint(model_type), tmp_path / "source"))
        config = json.loads((source / "config.json").read_text())
        gone = {"model_type", "architectures", "transformers_version", "dtype", "tie_word_embeddings"}
        config = {key: value for key, value in config.items() if key not in gone} | kept
        (source / "config.json").write_text(json.dumps(config))
        if model_type == "bert":
            (source / "tokenizer.json").unlink()
            (source / "tokenizer_config.json").unlink()
        return source

    return make


@pytest.mark.parametrize(
    ("model_type", "named", "likely"),
    [
        ("bert", [], "BertForMaskedLM"),
        ("bert", ["BertForSequenceClassification"], "BertForSequenceClassification"),
        ("roberta", [], "RobertaForMaskedLM"),
        ("distilbert", [], "DistilBertForMaskedLM"),
    ],
)
def test_a_config_without_model_type_is_refused_with_the_option_to_give(
    of_2019: Callable[..., Path], model_type: str, named: list[str], likely: str, tmp_path: Path
) -> None:
    source = of_2019(model_type, architectures=named)
    with pytest.raises(RequestError, match="does not name a model_type") as caught:
        convert(source, output=tmp_path / "out", **OPTIONS)
    assert f"`--architecture {likely}`" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


def test_the_architecture_supplies_the_model_type_and_the_folder_is_its_source(
    of_2019: Callable[..., Path], tmp_path: Path
) -> None:
    source = of_2019()
    result = convert(source, output=tmp_path / "out", architecture="BertForMaskedLM", **OPTIONS)
    (note,) = (note for note in result.plan.notes if "model_type" in note)
    assert "'bert' was assumed, since --architecture BertForMaskedLM was given" in note
    assert note in result.record.notes  # type: ignore[union-attr]
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "lsg-bert"
    assert "model_type" not in json.loads((source / "config.json").read_text())
    report = verify(tmp_path / "out", level="exact")
    assert report["parity, as shipped"].status == "passed"
    assert report["as a stranger loads it"].status == "passed", report["as a stranger loads it"].reason


def test_the_command_says_what_it_assumes(of_2019: Callable[..., Path], tmp_path: Path) -> None:
    source = of_2019()
    refused = lsg_convert("inspect", source, cwd=tmp_path)
    assert refused.code == 2 and "--architecture BertForMaskedLM" in " ".join(refused.stderr.split())
    shown = lsg_convert("inspect", source, "--architecture", "BertForMaskedLM", cwd=tmp_path)
    assert shown.code == 0 and "'bert' was assumed" in " ".join(shown.stdout.split()), shown.output


@pytest.mark.parametrize("asked", ["BertForDancing", "GPT2LMHeadModel"])
def test_an_architecture_of_no_family_is_refused(of_2019: Callable[..., Path], asked: str) -> None:
    with pytest.raises(RequestError, match=f"'{asked}' is of no family"):
        inspect(of_2019(), architecture=asked)


def test_a_model_type_that_is_there_is_not_overruled(checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(RequestError, match="not a BERT architecture"):
        inspect(checkpoint("bert"), architecture="RobertaForMaskedLM")


class TestSentenceTransformers:
    @pytest.fixture
    def source(self, checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
        source = Path(shutil.copytree(checkpoint("bert"), tmp_path / "source"))
        self.list_modules(source, EMBEDDER)
        return source

    def list_modules(self, source: Path, kind: str, **settings: Any) -> None:
        modules = [{"idx": 0, "name": "0", "path": "", "type": kind}]
        (source / "modules.json").write_text(json.dumps(modules))
        (source / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64, **settings}))

    @pytest.mark.parametrize(
        "kind", [EMBEDDER, "sentence_transformers.base.modules.transformer.Transformer"], ids=["earlier", "newest"]
    )
    def test_is_the_base_model_whatever_the_config_names(self, kind: str, source: Path) -> None:
        self.list_modules(source, kind)
        plan = inspect(source).plan
        assert plan.architecture == "BertModel"
        assert plan.config["architectures"] == ["LSGBertModel"]
        assert any("although the config names BertForMaskedLM" in note for note in plan.notes)

    def test_what_the_user_asks_for_wins(self, source: Path) -> None:
        assert inspect(source, architecture="BertForMaskedLM").plan.architecture == "BertForMaskedLM"

    @pytest.mark.parametrize(
        ("kind", "settings"),
        [
            ("sentence_transformers.models.MLMTransformer", {}),  # SPLADE needs the words' logits
            ("sentence_transformers.base.modules.transformer.Transformer", {"transformer_task": "fill-mask"}),
            ("evil.Transformer", {}),
        ],
    )
    def test_a_model_that_needs_its_head_keeps_it(self, kind: str, settings: dict[str, Any], source: Path) -> None:
        self.list_modules(source, kind, **settings)
        assert inspect(source).plan.architecture == "BertForMaskedLM"

    @pytest.mark.parametrize("content", ["", "{}", "[]", "[3]", '[{"type": 3}]'])
    def test_a_list_that_cannot_be_read_says_nothing(self, content: str, source: Path) -> None:
        (source / "modules.json").write_text(content)
        assert inspect(source).plan.architecture == "BertForMaskedLM"
