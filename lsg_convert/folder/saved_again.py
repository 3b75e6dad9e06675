"""Converted models that the library saved again: `save_pretrained`, `Trainer.save_model`, `SentenceTransformer.save`.

Such a folder has no record of ours, or one that was true before. Its configuration says what it is: a `model_type` of
ours, and the LSG options.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import parse_json_object, printable, read_json_object, read_limited, safe_file
from lsg_convert.families import Family, family_of
from lsg_convert.families.family import LSG_PREFIX
from lsg_convert.folder.record import RECORD_NAME, Record, read_record
from lsg_convert.sources.checkpoint import CONFIG_LIMIT

CONFIG = "config.json"
UNKNOWN = "an unknown program"  # has written a folder that has no record, and is not as the library saves one


def is_converted(folder: Path) -> bool:
    """Whether `folder` holds the record of a conversion, or a converted model that was saved again."""
    if (folder / RECORD_NAME).is_file():
        return True
    if not (folder / CONFIG).is_file():
        return False
    try:
        return family_of_converted(read_json_object(safe_file(folder, CONFIG), CONFIG_LIMIT)) is not None
    except LSGConvertError:
        return False


def is_saved_again(folder: Path) -> bool:
    """Whether the model in a folder with a record of ours is no longer the one that was converted into it."""
    try:
        record = read_record(folder)
    except LSGConvertError:  # one that this version does not understand says nothing of that
        return False
    return record.saved is not None or was_saved_since(folder, record)


def was_saved_since(folder: Path, record: Record) -> bool:
    """Whether the library has written the folder's configuration since the conversion recorded it."""
    entry = record.files.get(CONFIG)
    try:
        data = read_limited(safe_file(folder, CONFIG), CONFIG_LIMIT)
    except LSGConvertError:
        return False
    return entry is not None and hashlib.sha256(data).hexdigest() != entry.sha256 and saved_by(data) is not None


def saved_by(data: bytes) -> str | None:
    """The release of the library that wrote the configuration `data` of a converted model; None where none did.

    Its keys are sorted, which ours are not: an edit by hand, or a bit that flipped, does not look like that.
    """
    try:
        config = parse_json_object(data, CONFIG)
        as_written = json.dumps(config, indent=2, sort_keys=True) + "\n"
        release = config.get("transformers_version")
        is_its = isinstance(release, str) and data == as_written.encode() and family_of_converted(config) is not None
    except (LSGConvertError, UnicodeEncodeError):
        return None
    return f"transformers {printable(release, 40)}" if is_its else None


def family_of_converted(config: dict[str, Any]) -> Family | None:
    """The family of a configuration that is a converted model's."""
    ours = str(config.get("model_type")).startswith(LSG_PREFIX) and {"block_size", "num_global_tokens"} <= config.keys()
    return family_of(config) if ours else None
