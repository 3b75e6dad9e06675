"""Foreign names and values inside Markdown: shown as they are, never as links, markup or HTML."""

from __future__ import annotations

import re

from lsg_convert.common.files import printable

_PLAIN = re.compile(r"(?!www\b)[A-Za-z0-9]+(?:[._/-](?!www\b)[A-Za-z0-9]+)*", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")
_MARKUP = re.compile(r"([\\`*_{}\[\]|~$])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\bwww(?=\.)|@")


def text(value: object, limit: int = 500) -> str:
    """`value` as running text or in a cell of a table."""
    shown = printable(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _MARKUP.sub(r"\\\1", shown)
    # a word joiner: what looks like an address is one without being asked
    return _ADDRESS.sub(lambda match: match[0] + "\u2060", shown)


def code(value: object, limit: int = 200) -> str:
    """`value` as a code span, outside of tables: its fence is longer than any that is in it."""
    shown = printable(value, limit)
    longest = max((len(ticks) for ticks in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if not shown or shown[0] in " `" or shown[-1] in " `" else ""
    return f"{fence}{pad}{shown or ' '}{pad}{fence}"


def name(value: object) -> str:
    """A name in a heading: as it is where nothing in it means anything, else as a code span."""
    shown = printable(value, 200)
    return shown if _PLAIN.fullmatch(shown) else code(value)
