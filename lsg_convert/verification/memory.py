"""How much memory there is, and about how much a check takes."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from lsg_convert.common.estimate import RUNTIME as RUNTIME

# How allocators and the system's loader say it, whatever the type of their error: torch's are RuntimeErrors.
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|failed to map segment"
    r"|unable to allocate",
    re.IGNORECASE,
)


def available_memory() -> int | None:
    """Bytes that programs can still take on this machine, None where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", text, re.MULTILINE)
    return None if match is None else int(match[1]) * 1024


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that there was not enough memory."""
    for _ in range(20):  # causes may form a circle
        if error is None:
            return False
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, RuntimeError | OSError | ImportError) and _NO_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False
