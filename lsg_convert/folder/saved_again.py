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
from lsg_convert.common.files import parse_json_object, read_json_object, read_limited, safe_file
from lsg_convert.families import Family, family_of
from lsg_convert.families.family import LSG_PREFIX
from lsg_convert.folder.record import RECORD_NAME, Record, read_record
from lsg_convert.sources.checkpoint import CONFIG_LIMIT

CONFIG = "config.json"


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
        config = parse_json_object(data, CONFIG)
    except LSGConvertError:
        return False
    if entry is None or hashlib.sha256(data).hexdigest() == entry.sha256 or family_of_converted(config) is None:
        return False
    # Its keys are sorted, which ours are not: an edit by hand, or a bit that flipped, does not look like that.
    return "transformers_version" in config and data.decode() == json.dumps(config, indent=2, sort_keys=True) + "\n"


def family_of_converted(config: dict[str, Any]) -> Family | None:
    """The family of a configuration that is a converted model's."""
    ours = str(config.get("model_type")).startswith(LSG_PREFIX) and {"block_size", "num_global_tokens"} <= config.keys()
    return family_of(config) if ours else None
