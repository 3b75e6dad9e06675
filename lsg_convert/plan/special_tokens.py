"""The tokens that global embeddings are made of, as the folder's own tokenizer knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import read_json_object
from lsg_convert.common.json_files import write_json
from lsg_convert.families import Family
from lsg_convert.plan.tokenizer_files import read_tokenizer_files
from lsg_convert.plan.tokenizer_process import ask_tokenizer
from lsg_convert.plan.vocabulary_check import check_vocabulary

_GENERIC_TOKENIZERS = ("PreTrainedTokenizer", "TokenizersBackend")


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the token that inputs open with and of the mask token (or what stands in for each)."""

    first: int
    mask: int


def read_special_tokens(folder: Path, vocabulary: int, family: Family, texts: Iterable[str] = ()) -> SpecialTokens:
    """Look the family's tokens up in the tokenizer of `folder`, and write down there what it leaves unsaid.

    Its files are enough for most; others are loaded by the library (never with code of their own). Either way that
    happens in a process of its own, where the tokenizer also reads `texts`: who loads it next knows that it can.

    Raises:
        RequestError: the tokenizer does not load, an id is outside the `vocabulary` rows of the word embeddings, or it
            knows far fewer tokens than there are rows.
    """
    named = [family.mask_token] if family.mask_token else []
    files = read_tokenizer_files(folder, family.tokenizer_class, named, texts)
    if files is not None:
        _name_tokenizer_class(folder, files.class_name)
        roles, tokens = files.roles, files.vocabulary
    else:
        answer = ask_tokenizer(folder, named, texts, by_library=True, complete=True)
        check_vocabulary(folder, answer["class"], answer["size"], vocabulary)
        _name_tokenizer_class(folder, answer["class"])
        # Releases differ in what a class returns: the folder's tokenizer returns what the source's does.
        _set_value(folder / "tokenizer_config.json", "model_input_names", answer["input_names"])
        roles, tokens = answer["roles"], answer["tokens"]
    mask = tokens[family.mask_token] if family.mask_token else roles.get("mask")
    return _choose(roles.get, mask, vocabulary, family)


def special_tokens(tokenizer: Any, vocabulary: int, family: Family) -> SpecialTokens:
    """Look the family's tokens up in a tokenizer that was loaded.

    Raises:
        RequestError: an id is outside the `vocabulary` rows of the word embeddings.
    """
    mask = tokenizer.get_vocab().get(family.mask_token) if family.mask_token else tokenizer.mask_token_id
    return _choose(lambda role: getattr(tokenizer, f"{role}_token_id", None), mask, vocabulary, family)


def _choose(id_of: Callable[[str], int | None], mask: int | None, vocabulary: int, family: Family) -> SpecialTokens:
    first = _first_known(*map(id_of, (*family.first_token_roles, "unk")))
    mask = _first_known(mask, id_of("unk"), first)
    for name, token in (("first", first), ("mask", mask)):
        if not 0 <= token < vocabulary:
            raise RequestError(
                f"the tokenizer's {name} token has id {token}, but the word embeddings have {vocabulary} rows.",
                "The tokenizer does not belong to these weights.",
            )
    return SpecialTokens(first, mask)


def _name_tokenizer_class(folder: Path, name: str) -> None:
    """Put `tokenizer_class` where it is missing: `AutoTokenizer` and 4.x pipelines know none for our config class."""
    name = name.removesuffix("Fast")
    name = "PreTrainedTokenizerFast" if name in _GENERIC_TOKENIZERS else name
    for file in ("tokenizer_config.json", "config.json"):
        settings = read_json_object(folder / file)
        name = settings.get("tokenizer_class") or name
        if settings.get("tokenizer_class") != name:
            _set_value(folder / file, "tokenizer_class", name)


def name_opening_token(folder: Path, token: int) -> None:
    """Put into the folder's configuration which token global 0 stands in for."""
    _set_value(folder / "config.json", "opening_token_id", token)


def _set_value(file: Path, name: str, value: Any) -> None:
    write_json(file, read_json_object(file) | {name: value})


def _first_known(*ids: int | None) -> int:
    return next((token for token in ids if token is not None), 0)
