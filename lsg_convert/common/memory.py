"""How much memory there is."""

from __future__ import annotations

import re
from pathlib import Path


def available_memory() -> int | None:
    """Bytes that programs can still take on this machine, None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return None if match is None else int(match[1]) * 1024
