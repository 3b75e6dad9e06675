"""Errors that say that there was not enough memory."""

from __future__ import annotations

import errno
import re

# How allocators and the system's loader say it, whatever the type of their error: torch's are RuntimeErrors.
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory|failed to map segment"
    r"|unable to allocate",
    re.IGNORECASE,
)


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
