"""Whether there is enough memory for a check."""

from __future__ import annotations

from dataclasses import dataclass

from lsg_convert.common.estimate import RUNTIME
from lsg_convert.common.memory import available_memory


@dataclass(frozen=True)
class Limits:
    """The memory that checks may take: `maximum` bytes, or as many as are free."""

    maximum: int | None = None

    def too_large(self, needed: int) -> str | None:
        """Why `needed` bytes are too much, None when they are not."""
        if not needed:
            return None
        needed += RUNTIME
        limit, what = self.maximum, "--max-memory is"
        if limit is None:
            limit, what = available_memory(), "free are"
        if limit is None or needed <= limit:
            return None
        return f"needs about {needed / 2**30:.1f} GiB of memory; {what} {limit / 2**30:.1f} GiB"
