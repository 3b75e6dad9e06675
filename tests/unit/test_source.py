"""From a name to a folder: folders first, then short names, then Hub ids. No network for what no Hub can know."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsg_convert.common.errors import OutsideError, RequestError
from lsg_convert.sources.aliases import ALIASES, near_matches, resolve_alias
from lsg_convert.sources.hub_download import select_files
from lsg_convert.sources.resolve import resolve_source


def test_a_folder_goes_before_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bart-base").mkdir()
    source = resolve_source("bart-base")
    assert source.folder == Path("bart-base") and source.name == "bart-base" and source.repo_id is None


def test_a_folder_before_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facebook" / "bart-base").mkdir(parents=True)
    assert resolve_source("facebook/bart-base").repo_id is None


@pytest.mark.parametrize("spelled", [".", "./", "../here", "~"])
def test_the_name_of_a_folder_is_its_real_one(spelled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))
    assert resolve_source(spelled).name == "here"


def test_a_revision_of_a_folder_makes_no_sense(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--revision v1 was given, but .* is a folder"):
        resolve_source(str(tmp_path), revision="v1")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("./nowhere", "there is no folder"),
        ("/no/where", "there is no folder"),
        ("~/nowhere-at-all", "there is no folder"),
        ("a/b/c", "there is no folder"),
        ("", "no model was named"),
        ("bart bas", "unknown model"),
        ("owner/na me", "unknown model"),
        ("owner/..", "unknown model"),
        ("own--er/x", "unknown model"),
        ("-x/y", "unknown model"),
        ("a\nb", r"unknown model 'a\\nb'"),
        ("a\0b", r"neither a folder nor a model name|unknown model"),
        ("x" * 5000, "neither a folder nor a model name|unknown model"),
    ],
)
def test_what_can_be_no_model(model: str, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        resolve_source(model)
    assert caught.value.exit_code == 2 and caught.value.message.isprintable()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(RequestError, match="is a file"):
        resolve_source(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("bart-bse", "bart-base"), ("roberta_base", "roberta-base"), ("camembret-base", "camembert-base")],
)
def test_near_matches(wrong: str, right: str) -> None:
    with pytest.raises(RequestError) as caught:
        resolve_source(wrong)
    assert caught.value.hint is not None and right in caught.value.hint


def test_near_matches_of_ids() -> None:
    assert near_matches("facebook/brat-base")[0] == "facebook/bart-base"
    assert "bart-large-cnn" in near_matches("somebody/bart-large-cn")
    assert near_matches("qqqqqqqqqqqqqq") == []


def test_short_names_are_lower_case_and_stand_for_ids() -> None:
    assert resolve_alias("BART-base") == "facebook/bart-base"
    assert resolve_alias("bert-base-uncased") == "google-bert/bert-base-uncased"
    assert resolve_alias("facebook/bart-base") is None
    for alias, repo_id in ALIASES.items():
        assert alias == alias.lower() and "/" not in alias and repo_id.count("/") == 1


def test_offline_without_a_cache(tmp_path: Path) -> None:
    """The suite runs with HF_HUB_OFFLINE=1."""
    with pytest.raises(OutsideError, match="'facebook/bart-base' is not in the cache"):
        resolve_source("bart-base", cache_dir=tmp_path)


def test_what_is_downloaded() -> None:
    there = [
        "config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot",
        "onnx/model.onnx", "openvino/openvino_model.bin", "model.fp16.safetensors", "tokenizer.json", "vocab.txt",
        "merges.txt", "sentencepiece.bpe.model", "spiece.model", "special_tokens_map.json", "README.md", "LICENSE",
        "generation_config.json", "modeling_evil.py", "train.py", ".gitattributes", "modules.json",
        "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json",
        "2_Dense/config.json", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin", "3_Normalize/config.json",
        "training_args.bin", "optimizer.pt", "checkpoint-500/model.safetensors", "data.csv", "../x",
    ]  # fmt: skip
    assert set(there) - set(select_files("me/it", there)) == {
        "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "rust_model.ot", "onnx/model.onnx",
        "openvino/openvino_model.bin", "model.fp16.safetensors", "modeling_evil.py", "train.py", ".gitattributes",
        "2_Dense/pytorch_model.bin", "training_args.bin", "optimizer.pt", "checkpoint-500/model.safetensors",
        "data.csv", "../x",
    }  # fmt: skip


INDEXED = {"model.safetensors.index.json", "model-00001-of-00001.safetensors"}
INDEXED_BIN = {"pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"}


@pytest.mark.parametrize(
    ("others", "weights"),
    [
        ({"pytorch_model.bin"}, INDEXED),
        ({"tf_model.h5"}, {"pytorch_model.bin"}),
        (set(), INDEXED_BIN),
        (INDEXED, {"model.safetensors"}),
    ],
)
def test_one_form_of_the_weights(others: set[str], weights: set[str]) -> None:
    assert set(select_files("me/it", ["config.json", *others, *weights])) == {"config.json"} | weights


def test_weights_of_other_libraries_are_not_downloaded() -> None:
    with pytest.raises(RequestError, match="no PyTorch weights"):
        select_files("me/it", ["config.json", "tf_model.h5"])
