"""Text that somebody else wrote, made safe for a terminal, a log and any encoding."""

from __future__ import annotations

import re

_LONGEST_WORD, _LONGEST_MESSAGE = 300, 1000
_LONG_WORD = re.compile(rf"(\S{{{_LONGEST_WORD - 1}}})\S{{2,}}")


def printable(text: object, limit: int = 120) -> str:
    """`text` with control and other unprintable characters escaped, cut to `limit`: safe for a terminal and a log."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in str(text)[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def sentence(text: str) -> str:
    """A message that may hold foreign names as one printable line; names of more than 300 characters are cut."""
    return printable(_LONG_WORD.sub(r"\1…", text), _LONGEST_MESSAGE)
