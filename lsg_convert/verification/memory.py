"""How much memory there is, and about how much a check takes."""

from __future__ import annotations

import re
from pathlib import Path

RUNTIME = 450 * 10**6  # Python, torch, transformers and a tokenizer


def available_memory() -> int | None:
    """Bytes that programs can still take on this machine, None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return None if match is None else int(match[1]) * 1024
