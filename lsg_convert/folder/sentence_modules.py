"""The modules of a sentence-transformers model: which are known, and what of their files travels.

`modules.json` names a Python class for every module, and whoever loads the folder imports it. Only the library's own
classes that work on an encoder's outputs travel; where one is not known, none does, since the others would compute
something else without it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import parse_json_object, printable, read_json_object, read_limited, safe_file
from lsg_convert.plan.architecture import SENTENCE_MODULES
from lsg_convert.sources.safetensors_header import read_header

MODULES = SENTENCE_MODULES
_MODEL_SETTINGS = "config_sentence_transformers.json"
_LIMIT = 2**20
_WEIGHT_LIMIT = 2**30
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_ENCODERS = ("Transformer", "MLMTransformer")
_WITH_WEIGHTS = ("Dense", "LayerNorm", "WeightedLayerPooling")
_OTHERS = ("Pooling", "Normalize", "Dropout", "SpladePooling")
_TYPE = re.compile(rf"sentence_transformers(\.[a-z]\w*)*\.(\w+\.)?({'|'.join((*_ENCODERS, *_WITH_WEIGHTS, *_OTHERS))})")
_PATH = re.compile(r"\d{1,3}_[A-Za-z]\w*", re.ASCII)
_WORD = re.compile(r"[A-Za-z][\w-]{0,63}", re.ASCII)
_ACTIVATION = re.compile(r"torch\.nn\.(modules\.(activation|linear)\.)?[A-Z]\w*", re.ASCII)
_ENCODER_KEYS = (
    "max_seq_length", "do_lower_case", "transformer_task", "modality_config", "module_output_name",
    "processing_kwargs", "unpad_inputs", "query_length", "document_length", "query_expansion",
)  # fmt: skip


@dataclass(frozen=True)
class SentenceModule:
    """A module beside the encoder: its folder, its settings, and the file of its weights where it has them."""

    path: str
    settings: dict[str, Any] | None
    weights: str | None


@dataclass(frozen=True)
class SentenceModules:
    """What travels of a sentence-transformers model: the list of modules, and those that have a folder."""

    listed: list[dict[str, Any]]
    modules: tuple[SentenceModule, ...]


def read_modules(source: Path) -> SentenceModules | None:
    """The modules of `source`; None where it has no `modules.json`.

    Raises:
        RequestError: says which module cannot travel, and why.
    """
    if not (source / MODULES).is_file():
        return None
    data = b'{"modules":' + read_limited(safe_file(source, MODULES), _LIMIT) + b"}"
    entries = parse_json_object(data, MODULES)["modules"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestError(f"{MODULES} is not a list of modules.", "Download or copy the source again.")
    modules = [_module(source, entry) for entry in entries]
    paths = [module.path.lower() for module in modules if module]
    if len(set(paths)) < len(paths):
        raise RequestError(f"{MODULES} names the same folder twice.")
    listed = [{key: entry.get(key) for key in ("idx", "name", "path", "type")} for entry in entries]
    for entry, copy in zip(entries, listed, strict=True):
        if isinstance(entry.get("kwargs"), list):
            copy["kwargs"] = [name for name in entry["kwargs"] if _is_word(name)]
    return SentenceModules(listed, tuple(module for module in modules if module))


def write_modules(source: Path, target: Path, found: SentenceModules) -> list[str]:
    """Write what travels into `target`; returns the relative names."""
    (target / MODULES).write_text(json.dumps(found.listed, indent=2) + "\n", encoding="utf-8", newline="\n")
    names = [MODULES]
    for module in found.modules:
        (target / module.path).mkdir()
        if module.settings is not None:
            names.append(f"{module.path}/config.json")
            (target / names[-1]).write_text(
                json.dumps(module.settings, indent=2) + "\n", encoding="utf-8", newline="\n"
            )
        if module.weights:
            names.append(f"{module.path}/model.safetensors")
            _write_weights(source, f"{module.path}/{module.weights}", target / module.path)
    return names


def embeds_sentences(folder: Path) -> bool:
    """Whether `folder` is loaded as a `SentenceTransformer`: not a reranker, nor a model of sparse vectors."""
    if not (folder / MODULES).is_file():
        return False
    settings = {}
    if (folder / _MODEL_SETTINGS).exists():
        settings = read_json_object(safe_file(folder, _MODEL_SETTINGS), _LIMIT)
    return settings.get("model_type", "SentenceTransformer") == "SentenceTransformer"


def safe_encoder_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """What travels of a `sentence_bert_config.json`: arguments for the library's loaders do not."""
    return {key: _plain(settings[key]) for key in _ENCODER_KEYS if key in settings}


def safe_model_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """What travels of a `config_sentence_transformers.json`: prompts, similarity and versions."""
    words = ("model_type", "default_prompt_name", "similarity_fn_name", "truncate_dim")
    safe: dict[str, Any] = {key: _plain(settings[key]) for key in words if key in settings}
    for key in ("__version__", "prompts"):
        if isinstance(settings.get(key), dict):
            safe[key] = {name: text for name, text in settings[key].items() if isinstance(text, str)}
    return safe


def _module(source: Path, entry: dict[str, Any]) -> SentenceModule | None:
    """A module with a folder; None for the encoder, whose files are the model's own."""
    kind, path = entry.get("type"), entry.get("path")
    match = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if match is None:
        raise RequestError(f"{MODULES} names {printable(kind)!r}, no module of sentence-transformers that is known")
    if match[3] in _ENCODERS:
        if path not in ("", None):
            raise RequestError(f"{MODULES} has its encoder in {printable(path)!r}, not where the model's config is")
        return None
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise RequestError(f"{MODULES} names the folder {printable(path)!r}; a module's is named like 1_Pooling")
    folder = source / path
    settings = None
    if (folder / "config.json").exists():
        settings = _settings(read_json_object(safe_file(source, f"{path}/config.json"), _LIMIT))
    weights = None
    if match[3] in _WITH_WEIGHTS:
        weights = next((name for name in _WEIGHTS if (folder / name).exists()), None)
    return SentenceModule(path, settings, weights)


def _settings(settings: dict[str, Any]) -> dict[str, Any]:
    """A module's settings: numbers, switches, words, and the activation as a class of torch."""
    plain = {key: _plain(value) for key, value in settings.items() if key != "activation_function"}
    activation = settings.get("activation_function")
    if activation is not None:
        if not isinstance(activation, str) or not (_ACTIVATION.fullmatch(activation) or _is_word(activation)):
            raise RequestError(f"{printable(activation)!r} is no activation of torch.nn")
        plain["activation_function"] = activation
    return plain


def _plain(value: Any) -> Any:
    """`value` with text only where it is a word: no path, no module, no repository."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if _is_word(key)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if not isinstance(value, str) or _is_word(value) else None


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _write_weights(source: Path, name: str, target: Path) -> None:
    """Write a module's weights as safetensors: a pickle is read by the restricted reader and stays behind."""
    path = safe_file(source, name)
    if name.endswith(".safetensors"):
        read_header(path)  # raises for whatever is not one
        (target / "model.safetensors").write_bytes(read_limited(path, _WEIGHT_LIMIT))
        return
    from lsg_convert.folder.writer import TensorEntry, write_safetensors
    from lsg_convert.sources.torch_files import TorchFile

    if path.stat().st_size > _WEIGHT_LIMIT:
        raise RequestError(f"{printable(name)} is larger than {_WEIGHT_LIMIT // 2**20} MB.")
    file = TorchFile(path)
    write_safetensors(target, [TensorEntry.of(name, file.tensor(name)) for name in file.described()])
