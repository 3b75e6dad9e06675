"""What a card says of using a folder: which code its reader needs, and what to expect of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import read_json_object, safe_file
from lsg_convert.folder.record import Record
from lsg_convert.folder.remote_code import OPTIONAL, parts_of
from lsg_convert.folder.report import MEASURED
from lsg_convert.folder.sentence_modules import embeds_sentences
from lsg_convert.modeling.lsg_options import LSGOptions

# The Auto class of a folder → the part of the card that shows its use, `card_use_<kind>.md`.
_KINDS = {
    "AutoModelForMaskedLM": "fill",
    "AutoModelForSequenceClassification": "classify",
    "AutoModelForTokenClassification": "label_tokens",
    "AutoModelForQuestionAnswering": "answer",
    "AutoModelForMultipleChoice": "choose",
    "AutoModelForNextSentencePrediction": "follow",
    "AutoModelForSeq2SeqLM": "generate",
}
_OF_THE_TOKENIZER = ("opening_token_id", "separator_token_id", "num_separators")
_FEATURES = ("AutoModel", "AutoModelForTextEncoding")


def use_facts(folder: Path, record: Record) -> dict[str, Any]:
    """What fills the card's section on use."""
    config = _config(folder)
    is_whole = record.auto_class in ("AutoModel", "AutoModelForSeq2SeqLM") and record.converted_family.is_seq2seq
    kind = _KINDS.get(record.auto_class, "features")
    if is_whole and record.auto_class == "AutoModel":
        kind = "encode"
    elif kind == "classify" and _number_of_labels(config) == 1:
        kind = "score"
    return {
        "kind": kind,
        "features": record.auto_class in _FEATURES,
        "many_labels": config.get("problem_type") == "multi_label_classification",
        "extra_rows": is_whole and record.lsg.num_global_tokens > 0 and record.lsg.pass_global_tokens_to_decoder,
        "embeds_sentences": record.auto_class == "AutoModel" and embeds_sentences(folder),
    }


def shipped_options(folder: Path, record: Record) -> LSGOptions:
    """The options that the folder is loaded with: its configuration knows tokens, a plan does not."""
    config = _config(folder)
    found = {name: config[name] for name in _OF_THE_TOKENIZER if type(config.get(name)) is int}
    return replace(record.lsg, **found)


def limit_facts(record: Record, lsg: LSGOptions) -> dict[str, Any]:
    """What fills the card's section on limits."""
    saved, checks = record.saved, record.verification.checks if record.verification else ()
    untrained = 0 if record.is_lsg_source else lsg.num_global_tokens - int(lsg.global_has_position)
    return {
        "trained_since": saved is not None and saved.trained is not False,
        "made": {change.action for change in record.changes},
        "untrained_globals": untrained,
        "measured_loss": any(check.name == "loss" and check.status == MEASURED for check in checks),
    }


def setting_facts(record: Record) -> dict[str, Any]:
    """What fills the card's section on settings."""
    here = {OPTIONAL[name][value] for name, value in parts_of(record.lsg)} | set(record.converted_family.modules)
    optional = [(name, value, module) for name, values in OPTIONAL.items() for value, module in values.items()]
    left_out = [f'`{name}="{value}"`' for name, value, module in optional if module not in here]
    return {"left_out": ", ".join(left_out)}


def _config(folder: Path) -> dict[str, Any]:
    """The folder's configuration; nothing where it cannot be read."""
    try:
        return read_json_object(safe_file(folder, "config.json"))
    except LSGConvertError:
        return {}


def _number_of_labels(config: dict[str, Any]) -> int:
    """How many labels the library gives a head: two, where the configuration says nothing."""
    labels = config.get("id2label")
    if isinstance(labels, dict):
        return len(labels)
    number = config.get("num_labels")
    return number if isinstance(number, int) else 2
