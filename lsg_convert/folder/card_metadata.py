"""The metadata block of a model card: those of the source's fields that still hold, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import is_plain_relative, read_start, safe_file
from lsg_convert.common.json_values import is_text
from lsg_convert.folder.record import Record
from lsg_convert.folder.sentence_modules import MODULES

# A licence is inherited or left out, never made up.
TEXTS = ("license", "license_name", "license_link", "pipeline_tag", "library_name")
LISTS = ("language", "datasets", "metrics", "tags")
_OUR_TAGS = ("lsg", "long-context", "custom_code")
# Of formats and servers that take the source and not this folder; the Hub reads such tags as what a folder is.
_OUTDATED_TAGS = frozenset(
    {
        "onnx", "openvino", "tf", "jax", "flax", "coreml", "rust", "keras", "tflite", "gguf", "safetensors",
        "text-embeddings-inference", "text-generation-inference", "endpoints_compatible",
    }
)  # fmt: skip
_SENTENCE_LIBRARY = "sentence-transformers"
# Tasks of the Hub that need a head: the Auto classes that have it. The first task of a class is its usual one.
_TASKS = {
    "fill-mask": ("AutoModelForMaskedLM", "AutoModelForPreTraining"),
    "text-classification": ("AutoModelForSequenceClassification",),
    "zero-shot-classification": ("AutoModelForSequenceClassification",),
    "text-ranking": ("AutoModelForSequenceClassification",),
    "token-classification": ("AutoModelForTokenClassification",),
    "question-answering": ("AutoModelForQuestionAnswering", "AutoModelForSeq2SeqLM"),
    "multiple-choice": ("AutoModelForMultipleChoice",),
    "text-generation": ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM"),
    "summarization": ("AutoModelForSeq2SeqLM",),
    "translation": ("AutoModelForSeq2SeqLM",),
}
_CARD_LIMIT = 2 * 2**20  # cards with thousands of evaluation results have half of that
_FIELD_LIMIT = 20_000
_ITEM_LIMIT, _MAX_ITEMS = 200, 500
_TOP_LEVEL = re.compile(r"^[\"']?([A-Za-z_]\w*)[\"']?[ \t]*:", re.ASCII)


def source_metadata(folder: Path) -> dict[str, str | list[str]]:
    """The metadata of the source's card by field, texts and lists of texts; what cannot be read is left out."""
    try:
        start = read_start(safe_file(folder, "README.md"), _CARD_LIMIT).decode("utf-8", errors="replace")
    except LSGConvertError:
        return {}
    lines = start.splitlines()
    if not lines or lines[0].rstrip() != "---":
        return {}
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        return {}
    metadata = {field: _value(field, block) for field, block in _blocks(lines[1:end]).items()}
    return {field: metadata[field] for field in (*TEXTS, *LISTS) if metadata.get(field)}  # type: ignore[misc]


def card_metadata(inherited: Mapping[str, str | list[str]], record: Record) -> str:
    """The YAML header of the card of a converted folder, without its fences, as the Hub reads it."""
    from huggingface_hub import ModelCardData

    is_sentence_model = MODULES in record.files
    outdated = {*_OUTDATED_TAGS} if is_sentence_model else {*_OUTDATED_TAGS, _SENTENCE_LIBRARY}
    tags = [tag for tag in inherited.get("tags", ()) if tag not in outdated]
    metadata: dict[str, Any] = {
        **inherited,
        "tags": list(dict.fromkeys([*_OUR_TAGS, *tags])),
        "library_name": _SENTENCE_LIBRARY if is_sentence_model else "transformers",
        "pipeline_tag": _task(inherited.get("pipeline_tag"), record.auto_class, is_sentence_model),
    }
    if record.source.repo_id is not None:
        # Of the Hub's four (adapter, finetune, merge, quantized) the one for weights of its own.
        metadata |= {"base_model": record.source.repo_id, "base_model_relation": "finetune"}
    return str(ModelCardData(**metadata).to_yaml())


def _task(inherited: str | list[str] | None, auto_class: str, is_sentence_model: bool) -> str | None:
    """The task that the folder's own head is for: the source's, unless that needs another head."""
    if isinstance(inherited, str) and auto_class in _TASKS.get(inherited, (auto_class,)):
        return inherited
    if auto_class == "AutoModel":
        return "sentence-similarity" if is_sentence_model else "feature-extraction"
    return next((task for task, classes in _TASKS.items() if auto_class == classes[0]), None)


def _blocks(lines: list[str]) -> dict[str, str]:
    """The lines of every field that is wanted: each is parsed by itself, whatever is wrong with the others."""
    blocks: dict[str, list[str]] = {}
    field = ""
    for line in lines:
        found = _TOP_LEVEL.match(line)
        if found:
            field = found[1]
            blocks[field] = []
        if field in TEXTS or field in LISTS:
            blocks[field].append(line)
    return {field: "\n".join(block) for field, block in blocks.items() if block}


def _value(field: str, block: str) -> str | list[str] | None:
    """A field's value: every scalar is the text that stands there, `no` a language and not a denial."""
    import yaml

    if len(block) > _FIELD_LIMIT:
        return None
    try:
        loaded: Any = yaml.load(block, Loader=yaml.BaseLoader)  # makes nothing but texts, lists and dicts
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    value = loaded.get(field) if isinstance(loaded, dict) else None
    if field == "license_link":
        return value if isinstance(value, str) and _is_harmless_link(value) else None
    if isinstance(value, list):
        items = [item for item in value[:_MAX_ITEMS] if _is_item(item)]
        return items if field in LISTS or field == "license" else None
    return value if _is_item(value) else None


def _is_item(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _ITEM_LIMIT
        and value.isprintable()
        and is_text(value)
        and value.lower() not in ("null", "~")
    )


def _is_harmless_link(value: str) -> bool:
    return _is_item(value) and (value.startswith(("https://", "http://")) or is_plain_relative(value))
