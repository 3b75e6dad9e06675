"""The metadata block of a source's model card: the few fields that still hold for the converted model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import is_plain_relative, read_start, safe_file
from lsg_convert.common.json_values import is_text

# A licence is inherited or left out, never made up.
TEXTS = ("license", "license_name", "license_link", "pipeline_tag", "library_name")
LISTS = ("language", "datasets", "metrics", "tags")
_CARD_LIMIT = 2 * 2**20  # cards with thousands of evaluation results have half of that
_FIELD_LIMIT = 20_000
_ITEM_LIMIT, _MAX_ITEMS = 200, 500
_TOP_LEVEL = re.compile(r"^[\"']?([A-Za-z_]\w*)[\"']?[ \t]*:", re.ASCII)


def source_metadata(folder: Path) -> dict[str, str | list[str]]:
    """The metadata of the source's card by field, texts and lists of texts; what cannot be read is left out."""
    try:
        start = read_start(safe_file(folder, "README.md"), _CARD_LIMIT).decode("utf-8", errors="replace")
    except LSGConvertError:
        return {}
    lines = start.splitlines()
    if not lines or lines[0].rstrip() != "---":
        return {}
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        return {}
    metadata = {field: _value(field, block) for field, block in _blocks(lines[1:end]).items()}
    return {field: metadata[field] for field in (*TEXTS, *LISTS) if metadata.get(field)}  # type: ignore[misc]


def _blocks(lines: list[str]) -> dict[str, str]:
    """The lines of every field that is wanted: each is parsed by itself, whatever is wrong with the others."""
    blocks: dict[str, list[str]] = {}
    field = ""
    for line in lines:
        found = _TOP_LEVEL.match(line)
        if found:
            field = found[1]
            blocks[field] = []
        if field in TEXTS or field in LISTS:
            blocks[field].append(line)
    return {field: "\n".join(block) for field, block in blocks.items() if block}


def _value(field: str, block: str) -> str | list[str] | None:
    """A field's value: every scalar is the text that stands there, `no` a language and not a denial."""
    import yaml

    if len(block) > _FIELD_LIMIT:
        return None
    try:
        loaded: Any = yaml.load(block, Loader=yaml.BaseLoader)  # makes nothing but texts, lists and dicts
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    value = loaded.get(field) if isinstance(loaded, dict) else None
    if field == "license_link":
        return value if isinstance(value, str) and _is_harmless_link(value) else None
    if isinstance(value, list):
        items = [item for item in value[:_MAX_ITEMS] if _is_item(item)]
        return items if field in LISTS or field == "license" else None
    return value if _is_item(value) else None


def _is_item(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _ITEM_LIMIT
        and value.isprintable()
        and is_text(value)
        and value.lower() not in ("null", "~")
    )


def _is_harmless_link(value: str) -> bool:
    return _is_item(value) and (value.startswith(("https://", "http://")) or is_plain_relative(value))
