"""Faults that the loopback Hub commits on demand: what a network and a busy server do to a client."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """Applies to requests whose `METHOD /path` matches `where`: not the first `skip` of them, then `times` (None: all).

    One of: an answer with `status`; the connection reset once `reset_at` bytes of the body went over the line
    (of the answer for a download, of the request for an upload); the body ended after `truncate_at` bytes;
    a `delay` before the answer; at most `bytes_per_second`; an `action` to be run before the answer.
    """

    where: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reset_at: int | None = None
    truncate_at: int | None = None
    delay: float = 0.0
    bytes_per_second: int | None = None
    action: Callable[[], object] | None = None
    skip: int = 0
    times: int | None = 1
    hits: int = 0

    def applies(self, request: str) -> bool:
        """Whether it is this request's turn; counts it when it is."""
        if not re.search(self.where, request) or (self.times is not None and self.hits >= self.times):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        return True
