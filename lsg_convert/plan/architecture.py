"""Which kind of model a checkpoint is: what its config leaves unsaid, and the library class that it is converted as."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import parse_json_object, printable, read_json_object, read_limited, safe_file
from lsg_convert.families import FAMILIES, PAIRS, Family, family_of
from lsg_convert.sources.checkpoint import Checkpoint

SENTENCE_MODULES = "modules.json"
_ENCODER_SETTINGS = "sentence_bert_config.json"
_SETTINGS_LIMIT = 2**20
_EMBEDS = (None, "feature-extraction")  # a sentence encoder's task; others bring a head with them


def with_model_type(checkpoint: Checkpoint, asked: str | None) -> tuple[Checkpoint, list[str]]:
    """The checkpoint with what its config lacks or calls otherwise, as those of 2019 do, and what was assumed.

    The architecture that was asked for says which it is.

    Raises:
        RequestError: the config names none, and nothing was asked for, or no class of a family that is known.
    """
    config = checkpoint.config
    if config.get("model_type") is not None:
        return _with_todays_fields(checkpoint), []
    if asked is None:
        likely = _likely_architecture(checkpoint)
        raise RequestError(
            "config.json does not name a model_type, so the kind of model is not known.",
            f"Say it with --architecture; by its tensors it may be `--architecture {likely}`."
            if likely
            else "Say it with --architecture: `--architecture BertForMaskedLM` for a bert checkpoint.",
        )
    name = asked.removeprefix("LSG")
    families = (family for family in (*FAMILIES.values(), *PAIRS.values()) if name in family.heads)
    family = next(families, None)
    if family is None:
        raise RequestError(
            f"config.json does not name a model_type, and --architecture {printable(asked)!r} is of no family that can "
            "be converted.",
            "Give a class such as BertForMaskedLM; `lsg-convert families` lists them all.",
        )
    model_type = family.model_type.partition("/")[0]
    assumed = f"config.json names no model_type: {model_type!r} was assumed, since --architecture {name} was given"
    return replace(checkpoint, config={**config, "model_type": model_type}), [assumed]


def _with_todays_fields(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with fields that old configs call otherwise under today's names too."""
    config, family = checkpoint.config, family_of(checkpoint.config)
    names = family.former_fields.items() if family is not None else ()
    renamed = {today: config[former] for former, today in names if former in config and today not in config}
    return replace(checkpoint, config={**config, **renamed}) if renamed else checkpoint


def choose_architecture(checkpoint: Checkpoint, family: Family, asked: str | None) -> tuple[str, list[str]]:
    """The library class whose LSG version the folder is for, and what a user should know about the choice."""
    if asked is not None:
        name = asked.removeprefix("LSG")
        if name not in family.heads:
            allowed = ", ".join(family.heads)
            raise RequestError(
                f"--architecture {printable(asked)!r} is not a {family.title} architecture.", f"Allowed are {allowed}."
            )
        return name, _missing_head_notes(checkpoint, family, name)
    named = checkpoint.config.get("architectures") or [None]
    name = str(named[0]).removeprefix("LSG") if isinstance(named, list) and named else "None"
    name = family.former_heads.get(name, name)
    if not family.is_seq2seq and _is_sentence_encoder(checkpoint):
        notes = _missing_head_notes(checkpoint, family, family.base_class)
        if name not in ("None", family.base_class):
            notes.append(
                f"a sentence-transformers model, of which only the encoder is used: converted as {family.base_class}, "
                f"although the config names {printable(name)} (--architecture decides otherwise)"
            )
        return family.base_class, notes
    if name in family.heads:
        return name, _missing_head_notes(checkpoint, family, name)
    inferred = _architecture_of_tensors(checkpoint, family)
    given = "no architecture" if name == "None" else f"{printable(name)!r}, which is not a {family.title} architecture"
    return inferred, [f"the config names {given}; the weights say {inferred}"]


def _likely_architecture(checkpoint: Checkpoint) -> str | None:
    """What the config or the weights say of the class, where a family has such tensors."""
    named = checkpoint.config.get("architectures")
    first = named[0] if isinstance(named, list) and named else None
    for family in FAMILIES.values():
        if first in family.heads:
            return str(first)
    for prefix in ("{}.", ""):
        for family in FAMILIES.values():
            base = prefix.format(family.base_prefix)
            needed = [table.tensor for table in family.positions if table.kind != "sinusoids" and not table.is_used]
            tables = [[base + name] for name in needed] + [[base + name for name in family.word_embeddings]]
            if all(any(name in checkpoint.tensors for name in names) for names in tables):
                return _architecture_of_tensors(checkpoint, family)
    return None


def _is_sentence_encoder(checkpoint: Checkpoint) -> bool:
    """Whether sentence-transformers uses the checkpoint for its token vectors: `modules.json` begins with an encoder.

    What cannot be read says nothing: whether the modules travel is decided, and said, elsewhere.
    """
    folder = checkpoint.folder
    try:
        data = read_limited(safe_file(folder, SENTENCE_MODULES), _SETTINGS_LIMIT)
        modules: Any = parse_json_object(b'{"modules":' + data + b"}", SENTENCE_MODULES)["modules"]
        kind = (
            modules[0].get("type") if isinstance(modules, list) and modules and isinstance(modules[0], dict) else None
        )
        named = isinstance(kind, str) and kind.startswith("sentence_transformers.") and kind.endswith(".Transformer")
        if not named or not (folder / _ENCODER_SETTINGS).exists():
            return named
        return (
            read_json_object(safe_file(folder, _ENCODER_SETTINGS), _SETTINGS_LIMIT).get("transformer_task") in _EMBEDS
        )
    except RequestError:
        return False


def _architecture_of_tensors(checkpoint: Checkpoint, family: Family) -> str:
    """The head with the most kinds of its own tensors present; the first of the family's list among equals."""
    names = checkpoint.tensors
    candidates = {
        architecture: len(head.tensors)
        for architecture, head in family.heads.items()
        if head.tensors and all(any(name.startswith(own) for name in names) for own in head.tensors)
    }
    return max(candidates, key=candidates.__getitem__) if candidates else family.base_class


def _missing_head_notes(checkpoint: Checkpoint, family: Family, architecture: str) -> list[str]:
    own = family.heads[architecture].tensors
    tied = checkpoint.config.get("tie_word_embeddings", True)
    missing = [
        prefix
        for prefix in own
        if not any(name.startswith(prefix) for name in checkpoint.tensors)
        and not (tied and prefix in family.tied_head_tensors)
    ]
    if not missing:
        return []
    names = ", ".join(prefix.rstrip(".") for prefix in missing)
    return [f"the source has no {names}: {architecture} gets new, untrained weights there when it is loaded"]
