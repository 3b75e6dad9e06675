"""The files that make a source usable beside its weights: tokenizer, generation settings, modules of a pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import is_plain_relative, parse_json_object, read_json_object, safe_file
from lsg_convert.common.json_files import write_json

TOKENIZER_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "source.spm",
)
_FILE_LIMIT = 200 * 2**20
_WRITTEN_BY_US = ("config.json", "README.md", "lsg_conversion.json", "verification.png", "attention.png")
_OTHER_ENDINGS = (
    ".safetensors", ".bin", ".index.json", ".h5", ".msgpack", ".onnx", ".ot", ".pt", ".pth", ".ckpt", ".gguf",
    ".tflite",
    ".py", ".pyc", ".ipynb", ".png", ".jpg", ".gif", ".zip", ".gz", ".tar", ".log",
)  # fmt: skip


def copy_companions(source: Path, target: Path, max_len: int) -> list[str]:
    """Copy what travels along, with every length limit raised to `max_len` tokens; returns the relative names.

    Raises:
        RequestError: there is no tokenizer.
    """
    names = _top_level(source) + _sentence_transformers_modules(source)
    if not any(name in names for name in TOKENIZER_VOCABULARIES):
        raise RequestError(
            f"there is no tokenizer in the source (looked for {', '.join(TOKENIZER_VOCABULARIES[:4])}, …).",
            "Save the model's tokenizer into its folder: tokenizer.save_pretrained(folder).",
        )
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(safe_file(source, name), target / name)
        edit = _EDITS.get(name)
        if edit is not None:
            _edit_json(target / name, edit, max_len)
    if "tokenizer_config.json" not in names:
        write_json(target / "tokenizer_config.json", {"model_max_length": max_len})
        names.append("tokenizer_config.json")
    return sorted(names)


def _top_level(source: Path) -> list[str]:
    return [
        path.name
        for path in sorted(source.iterdir())
        if path.is_file()
        and not path.name.startswith(".")
        and is_plain_relative(path.name)
        and path.name not in _WRITTEN_BY_US
        and not path.name.endswith(_OTHER_ENDINGS)
        and path.stat().st_size <= _FILE_LIMIT
    ]


def _sentence_transformers_modules(source: Path) -> list[str]:
    """Files of the folders that `modules.json` names, weights of pooling and projection layers included."""
    if not (source / "modules.json").is_file():
        return []
    modules = parse_modules(safe_file(source, "modules.json"))
    names: list[str] = []
    for module in modules:
        folder = module.get("path") or ""
        if not folder or not isinstance(folder, str) or not is_plain_relative(folder):
            continue
        names += [
            path.relative_to(source).as_posix()
            for path in sorted((source / folder).rglob("*"))
            if path.is_file() and path.suffix != ".py" and path.stat().st_size <= _FILE_LIMIT
        ]
    return names


def parse_modules(path: Path) -> list[dict[str, Any]]:
    """The modules of a sentence-transformers `modules.json` (a JSON list of objects)."""
    wrapped = parse_json_object(b'{"modules":' + path.read_bytes() + b"}", "modules.json")
    modules = wrapped["modules"]
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise RequestError("modules.json is not a list of modules.", "Download or copy the source again.")
    return modules


def _raise_tokenizer_limit(settings: dict[str, Any], max_len: int) -> None:
    settings["model_max_length"] = max_len
    if isinstance(settings.get("max_length"), int):  # a truncation that was saved with the tokenizer
        settings["max_length"] = max_len
    settings.pop("auto_map", None)  # the code it points at does not travel and is never run


def _raise_truncation(tokenizer: dict[str, Any], max_len: int) -> None:
    truncation = tokenizer.get("truncation")
    if isinstance(truncation, dict):
        truncation["max_length"] = max_len


def _raise_sentence_limit(settings: dict[str, Any], max_len: int) -> None:
    settings["max_seq_length"] = max_len


_EDITS: dict[str, Callable[[dict[str, Any], int], None]] = {
    "tokenizer_config.json": _raise_tokenizer_limit,
    "tokenizer.json": _raise_truncation,
    "sentence_bert_config.json": _raise_sentence_limit,
}


def _edit_json(path: Path, edit: Callable[[dict[str, Any], int], None], max_len: int) -> None:
    content = read_json_object(path)
    before = json.dumps(content, sort_keys=True)
    edit(content, max_len)
    if json.dumps(content, sort_keys=True) != before:
        write_json(path, content)
