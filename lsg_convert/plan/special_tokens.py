"""The tokens that global embeddings are made of, as the folder's own tokenizer knows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable, read_json_object
from lsg_convert.families import Family
from lsg_convert.plan.tokenizer_files import read_tokenizer_files

_GENERIC_TOKENIZERS = ("PreTrainedTokenizer", "TokenizersBackend")


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the token that inputs open with and of the mask token (or what stands in for each)."""

    first: int
    mask: int


def read_special_tokens(folder: Path, vocabulary: int, family: Family) -> SpecialTokens:
    """Look the family's tokens up in the tokenizer of `folder`, and write down there what it leaves unsaid.

    Its files are enough for most; others are loaded by the library (never with code of their own).

    Raises:
        RequestError: the tokenizer does not load, or an id is outside the `vocabulary` rows of the word embeddings.
    """
    named = [family.mask_token] if family.mask_token else []
    files = read_tokenizer_files(folder, family.tokenizer_class, named)
    if files is not None:
        _name_tokenizer_class(folder, files.class_name)
        mask = files.vocabulary[family.mask_token] if family.mask_token else files.roles.get("mask")
        return _choose(files.roles.get, mask, vocabulary, family)
    tokenizer = _load(folder)
    _name_tokenizer_class(folder, type(tokenizer).__name__)
    # Releases differ in what a class returns: the folder's tokenizer returns what the source's does.
    _set_value(folder / "tokenizer_config.json", "model_input_names", list(tokenizer.model_input_names))
    _write_fast_file(folder, tokenizer)
    return special_tokens(tokenizer, vocabulary, family)


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


def _load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    from lsg_convert.common.quiet import libraries_quiet

    try:
        with libraries_quiet():
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # the library raises whatever its tokenizers raise
        raise RequestError(
            f"the source's tokenizer does not load: {printable(error, 300)}",
            _hint(folder),
        ) from error


def _hint(folder: Path) -> str:
    # The library asks for tiktoken then, which does not help.
    if any(folder.glob("*.model")) and not (folder / "tokenizer.json").is_file():
        return "It is a sentencepiece model, which two more packages read: pip install sentencepiece protobuf."
    return "Check its tokenizer files: AutoTokenizer.from_pretrained(folder)."


def _write_fast_file(folder: Path, tokenizer: Any) -> None:
    """Write `tokenizer.json` where it is missing: it loads without the packages that read sentencepiece models."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and not (folder / "tokenizer.json").exists():
        backend.save(str(folder / "tokenizer.json"))


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
    settings = read_json_object(file) | {name: value}
    file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _first_known(*ids: int | None) -> int:
    return next((token for token in ids if token is not None), 0)
