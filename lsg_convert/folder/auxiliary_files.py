"""The files that make a source usable beside its weights: tokenizer, generation settings, modules of a pipeline.

What is copied is on a list of known names, is read once within a known size, and is of the kind that its name says.
Everything else stays behind and is named: secrets, training data, code, other formats.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import parse_json_object, printable, read_limited, safe_file
from lsg_convert.common.json_files import json_text, write_json
from lsg_convert.folder.sentence_modules import (
    MODULES,
    SentenceModules,
    read_modules,
    safe_encoder_settings,
    safe_model_settings,
    write_modules,
)
from lsg_convert.folder.tokenizer_settings import safe_special_tokens, safe_tokenizer_settings
from lsg_convert.plan.foreign_keys import without_foreign_keys
from lsg_convert.sources.checkpoint import weight_file_names

Settings = dict[str, Any]

TOKENIZER_VOCABULARIES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "sentencepiece.bpe.model", "spiece.model",
    "spm.model", "source.spm",
)  # fmt: skip
_TOKENIZER = re.compile(
    r"tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)"
    r"|target_vocab\.json|merges\.txt|dict\.txt|bpe\.codes|(source|target)\.spm"
    r"|(tokenizer|sentencepiece|sentencepiece\.bpe|spiece|spm|spm_char|tokenizer_model)\.model",
    re.ASCII,
)
_GENERATION = "generation_config.json"
_LICENCE = re.compile(r"(LICEN[CS]E|NOTICE|COPYING)([-_][\w-]{1,40})?(\.(txt|md|rst))?", re.ASCII | re.IGNORECASE)
_SENTENCE = re.compile(r"sentence_[a-z-]{1,20}_config\.json|config_sentence_transformers\.json", re.ASCII)
_FILE_LIMIT = 64 * 2**20
_LICENCE_LIMIT = 2**20
_MOST_NAMES = 2000  # of those that stay behind
_READ_ELSEWHERE = ("config.json", "README.md", "lsg_conversion.json")
NOT_NEEDED = "not on the list of files that a converted model needs"


@dataclass(frozen=True)
class AuxiliaryFiles:
    """What of a source travels beside its weights, and what does not: name → why."""

    names: tuple[str, ...]
    sentence_modules: SentenceModules | None
    left_behind: dict[str, str]


def survey(source: Path) -> AuxiliaryFiles:
    """What would be copied of `source`, and what would be left behind; nothing but module settings is read."""
    modules, why_no_modules = None, NOT_NEEDED
    try:
        modules = read_modules(source)
    except RequestError as error:  # the encoder is of use without them
        why_no_modules = error.message
    names: list[str] = []
    left: dict[str, str] = {}
    used = {*_READ_ELSEWHERE, *weight_file_names(source), *([MODULES] if modules else [])}
    folders = {module.path for module in modules.modules} if modules else set()
    for name, is_folder in _listing(source):
        if name in used or (is_folder and name in folders):
            continue
        wanted = _TOKENIZER.fullmatch(name) or name == _GENERATION or (modules and _SENTENCE.fullmatch(name))
        if not is_folder and (wanted or _is_licence(source, name)):
            names.append(name)
        else:
            is_module = name == MODULES or _SENTENCE.fullmatch(name)
            left[printable(name) + "/" * is_folder] = why_no_modules if is_module else NOT_NEEDED
    for module in modules.modules if modules else ():
        known = {"config.json", module.weights}
        for name, is_folder in _listing(source / module.path):
            if name not in known or is_folder:
                left[f"{module.path}/{printable(name)}" + "/" * is_folder] = NOT_NEEDED
    return AuxiliaryFiles(tuple(names), modules, left)


def copy_auxiliary_files(source: Path, target: Path, max_len: int, found: AuxiliaryFiles | None = None) -> list[str]:
    """Copy what travels along, with every length limit raised to `max_len` tokens; returns the relative names.

    Raises:
        RequestError: there is no tokenizer, or a file is not what its name says.
    """
    found = found or survey(source)
    require_tokenizer(found.names)
    names = _copy(source, target, found.names, max_len)
    if found.sentence_modules:
        names += write_modules(source, target, found.sentence_modules)
    if "tokenizer_config.json" not in names:
        write_json(target / "tokenizer_config.json", {"model_max_length": max_len})
        names.append("tokenizer_config.json")
    return sorted(names)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer of `source` alone, as it is but for what its files must not say."""
    names = [name for name, is_folder in _listing(source) if not is_folder and _TOKENIZER.fullmatch(name)]
    require_tokenizer(names)
    _copy(source, target, names, None)


def has_tokenizer(folder: Path) -> bool:
    """Whether there is a tokenizer's vocabulary in `folder`."""
    return any((folder / name).is_file() for name in TOKENIZER_VOCABULARIES)


def require_tokenizer(names: Iterable[str]) -> None:
    """Raise RequestError unless a vocabulary is among `names`."""
    if not {*names} & {*TOKENIZER_VOCABULARIES}:
        raise RequestError(
            f"there is no tokenizer in the source (looked for {', '.join(TOKENIZER_VOCABULARIES[:4])}, …).",
            "Save the model's tokenizer into its folder: tokenizer.save_pretrained(folder).",
        )


def _copy(source: Path, target: Path, names: Iterable[str], max_len: int | None) -> list[str]:
    written = []
    for name in names:
        limit = _LICENCE_LIMIT if _LICENCE.fullmatch(name) else _FILE_LIMIT
        data = read_limited(safe_file(source, name), limit)
        (target / name).write_bytes(_checked(name, data, max_len))
        written.append(name)
    return written


def _checked(name: str, data: bytes, max_len: int | None) -> bytes:
    """The bytes to write for a file's: the same, unless its settings change; raises RequestError for another kind."""
    if name.endswith((".model", ".spm")):
        if data[:1] != b"\n":  # a sentencepiece model is a protobuf message that begins with its pieces
            raise RequestError(f"{name} is not a sentencepiece model.", "Download or copy the source again.")
        return data
    if name.endswith(".json"):
        content = parse_json_object(data, name)
        edited = _edit(name)(content, max_len)
        return data if edited == content else _dumped(edited)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{name} is not text in UTF-8.", "Download or copy the source again.") from error
    return data


def _edit(name: str) -> Callable[[Settings, int | None], Settings]:
    return _EDITS.get(name, _sentence_settings if _SENTENCE.fullmatch(name) else lambda content, max_len: content)


def _tokenizer_settings(settings: Settings, max_len: int | None) -> Settings:
    safe = safe_tokenizer_settings(settings)
    if max_len is not None:
        safe["model_max_length"] = max_len
        if isinstance(safe.get("max_length"), int):  # a truncation that was saved with the tokenizer
            safe["max_length"] = max_len
    return safe


def _tokenizer(tokenizer: Settings, max_len: int | None) -> Settings:
    truncation = tokenizer.get("truncation")
    if isinstance(truncation, dict) and max_len is not None:
        return {**tokenizer, "truncation": {**truncation, "max_length": max_len}}
    return tokenizer


def _added_tokens(tokens: Settings, max_len: int | None) -> Settings:
    if not all(type(number) is int and number >= 0 for number in tokens.values()):
        raise RequestError("added_tokens.json is not a table of tokens and their ids.")
    return tokens


def _sentence_settings(settings: Settings, max_len: int | None) -> Settings:
    return safe_encoder_settings(settings) | ({} if max_len is None else {"max_seq_length": max_len})


_EDITS: dict[str, Callable[[Settings, int | None], Settings]] = {
    "tokenizer_config.json": _tokenizer_settings,
    "tokenizer.json": _tokenizer,
    "special_tokens_map.json": lambda settings, max_len: safe_special_tokens(settings),
    "added_tokens.json": _added_tokens,
    _GENERATION: lambda settings, max_len: without_foreign_keys(settings),
    "config_sentence_transformers.json": lambda settings, max_len: safe_model_settings(settings),
}


def _is_licence(source: Path, name: str) -> bool:
    """Whether a file is a licence: by its name, its size, and as text that lies in the folder itself."""
    if not _LICENCE.fullmatch(name):
        return False
    try:
        text = read_limited(safe_file(source, name), _LICENCE_LIMIT).decode("utf-8")
    except (RequestError, UnicodeDecodeError):
        return False
    return "\0" not in text


def _listing(folder: Path) -> list[tuple[str, bool]]:
    """Names in `folder`, sorted, and whether each is a folder; of very many those that matter, and some others."""
    if not folder.is_dir():
        return []
    found: list[tuple[str, bool]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(found) < _MOST_NAMES or any(
                kind.fullmatch(entry.name) for kind in (_TOKENIZER, _LICENCE, _SENTENCE)
            ):
                found.append((entry.name, entry.is_dir(follow_symlinks=False)))
    return sorted(found)


def _dumped(content: Settings) -> bytes:
    # A vocabulary is too long to be indented: json does that in Python, which takes seconds for 250,000 words.
    model = content.get("model")
    return json_text(content, indented=not (isinstance(model, dict) and "vocab" in model)).encode()
