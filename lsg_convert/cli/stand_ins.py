"""Characters that the encoding of a terminal or pipe lacks, in those that it has: `->` for an arrow."""

from __future__ import annotations

_STAND_INS = {
    "→": "->", "…": "...", "×": "x", "✓": "ok", "✗": "FAIL", "–": "-", "—": "-", "−": "-", "Δ": "diff", "≤": "<=",
    "≥": ">=", "≈": "~", "·": "-", "─": "-", "━": "-", "│": "|", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


def spelled(text: str, encoding: str | None) -> str:
    """`text` as far as possible in the characters of `encoding`."""
    if _can_write(text, encoding or "utf-8"):
        return text
    return "".join(
        character if _can_write(character, encoding or "utf-8") else _STAND_INS.get(character, character)
        for character in text
    )


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
