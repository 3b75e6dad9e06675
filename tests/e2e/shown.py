"""The code that documents show, block by block and command by command."""

from __future__ import annotations

import re
from collections.abc import Iterator


def blocks(document: str) -> Iterator[tuple[str, str]]:
    """Yield (language, code) of every block, and of each shell block every `lsg-convert` command by itself."""
    for language, code in re.findall(r"^```(\w+)\n(.*?)^```", document, re.MULTILINE | re.DOTALL):
        if language != "bash":
            yield language, code
            continue
        for line in code.splitlines():
            command = line.partition("#")[0].strip()
            if command.startswith("lsg-convert "):
                yield language, command
