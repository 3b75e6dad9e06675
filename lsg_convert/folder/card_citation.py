"""How the authors of a source ask to be cited: the BibTeX entries of its card."""

from __future__ import annotations

import re
from pathlib import Path

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import read_start, safe_file
from lsg_convert.common.json_values import is_text

_CARD_LIMIT, _ENTRY_LIMIT, _MOST = 2 * 2**20, 4000, 3
_OPENS = re.compile(r"@(article|book|conference|incollection|inproceedings|misc|proceedings|techreport)\s*\{", re.I)


def source_citations(folder: Path) -> tuple[str, ...]:
    """The first BibTeX entries in the card of `folder`, as they stand there; no broken ones."""
    try:
        card = read_start(safe_file(folder, "README.md"), _CARD_LIMIT).decode("utf-8", errors="replace")
    except LSGConvertError:
        return ()
    entries = []
    end = 0
    for found in _OPENS.finditer(card):
        if found.start() >= end:
            entry = _closed(card[found.start() : found.start() + _ENTRY_LIMIT])
            end = found.start() + len(entry)
            if _is_harmless(entry) and entry not in entries:
                entries.append(entry)
        if len(entries) == _MOST:
            break
    return tuple(entries)


def _closed(text: str) -> str:
    """`text` up to the brace that closes its first one; nothing where none does."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == "}" and depth == 0:
            return text[: position + 1].replace("\r\n", "\n")
    return ""


def _is_harmless(entry: str) -> bool:
    """Whether it can stand inside a fence, line by line, and is seen as it is."""
    lines = entry.split("\n")
    shown = all(is_text(line) and line.replace("\t", " ").isprintable() for line in lines)
    return bool(entry) and shown and "```" not in entry and "<!--" not in entry
