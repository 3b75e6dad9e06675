"""What a tokenizer's own files say of its class and special tokens: no need to load it, which takes seconds.

Only what they say without doubt counts. For all else there is the library itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.files import read_json_object
from lsg_convert.plan.tokenizer_process import TokenizerError, ask_tokenizer

_BERT = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}
_ROBERTA = {
    "bos": "<s>", "eos": "</s>", "sep": "</s>", "cls": "<s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>",
}  # fmt: skip

# The special tokens of a class whose files do not name them, the same in every release of the library.
DEFAULT_TOKENS: dict[str, dict[str, str]] = {
    "BertTokenizer": _BERT,
    "DistilBertTokenizer": _BERT,
    "ElectraTokenizer": _BERT,
    "RobertaTokenizer": _ROBERTA,
    "BartTokenizer": _ROBERTA,
    "XLMRobertaTokenizer": _ROBERTA,
    "CamembertTokenizer": _ROBERTA,
    "MPNetTokenizer": {**_ROBERTA, "unk": "[UNK]"},
    "AlbertTokenizer": {**_BERT, "unk": "<unk>", "pad": "<pad>", "bos": "[CLS]", "eos": "[SEP]"},
    "T5Tokenizer": {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"},
    "PreTrainedTokenizer": {},
}


@dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer's class and the ids of the special tokens that it has, by role: cls, bos, mask, …."""

    class_name: str
    roles: dict[str, int]
    vocabulary: dict[str, int]


def read_tokenizer_files(
    folder: Path, usual_class: str | None, named: Iterable[str], texts: Iterable[str] = ()
) -> TokenizerFiles | None:
    """The tokenizer in `folder` as its files have it; `usual_class` is its class where no file names one, `named` are
    tokens that are wanted besides the special ones.

    None where the files leave something open, or where loading the tokenizer would change it: no `tokenizer.json`,
    a class that is not in `DEFAULT_TOKENS`, contradicting files, a token that is not in the vocabulary. The tokenizer
    has then read `texts`.

    Raises:
        RequestError: `tokenizer.json` hangs, crashes or exhausts what reads it.
    """
    if not (folder / "tokenizer.json").is_file():
        return None
    settings = read_json_object(folder / "tokenizer_config.json")
    config = read_json_object(folder / "config.json")
    class_name = settings.get("tokenizer_class") or config.get("tokenizer_class") or usual_class
    class_name = str(class_name).removesuffix("Fast")
    tokens = _special_tokens(folder, settings, class_name)
    if tokens is None:
        return None
    wanted = {*tokens.values(), *named}
    try:
        answer = ask_tokenizer(folder, sorted(wanted), texts, by_library=False)["tokens"]
    except TokenizerError:  # whatever is wrong with it, the library says so when it loads it
        return None
    ids = {token: number for token, number in answer.items() if number is not None}
    if len(ids) < len(wanted):
        return None
    return TokenizerFiles(class_name, {role: ids[token] for role, token in tokens.items()}, ids)


def _special_tokens(folder: Path, settings: dict[str, Any], class_name: str) -> dict[str, str] | None:
    """Role → token; None for an unknown class, or where two files disagree."""
    tokens = DEFAULT_TOKENS.get(class_name)
    if tokens is None:
        return None
    listed = _tokens_of(settings)
    if (folder / "special_tokens_map.json").is_file():
        mapped = _tokens_of(read_json_object(folder / "special_tokens_map.json"))
        if any(listed.get(role, token) != token for role, token in mapped.items()):
            return None
        listed = mapped | listed
    tokens = tokens | listed
    return {role: token for role, token in tokens.items() if token}


def _tokens_of(settings: dict[str, Any]) -> dict[str, str]:
    """The special tokens that a JSON file names, as text or as an object that holds the text; "" for none."""
    tokens: dict[str, str] = {}
    for role in _ROBERTA:
        if f"{role}_token" in settings:
            value = settings[f"{role}_token"]
            value = value.get("content") if isinstance(value, dict) else value
            tokens[role] = value if isinstance(value, str) else ""
    return tokens
