"""How much memory there is, and about how much a check takes."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable

RUNTIME = 450 * 10**6  # Python, torch, transformers and a tokenizer
# How allocators and the system's loader say it, whatever the type of their error: torch's are RuntimeErrors.
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|failed to map segment"
    r"|unable to allocate",
    re.IGNORECASE,
)
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_memory(size: str | int | None) -> int | None:
    """Bytes in a size like `4GB`, `500MiB` or `1000000`; None is no limit of the user's.

    Raises:
        RequestError: it is not a size.
    """
    if size is None or isinstance(size, int):
        return size
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", size)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise RequestError(f"--max-memory {printable(size)!r} is not a size.", "Give a number with MB or GB, like 4GB.")
    return int(float(match[1]) * unit)


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
