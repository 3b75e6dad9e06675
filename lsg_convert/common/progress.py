"""How long work tells the face what it is doing, without knowing how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Receives progress; the command line draws it, the Python API ignores it."""

    def stage(self, description: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a stage of `total` units (bytes or steps, None when unknown); yields `advance(units)`."""
        ...


class SilentReporter:
    """Shows nothing."""

    @contextmanager
    def stage(self, description: str, total: int | None = None) -> Iterator[Advance]:
        yield lambda units: None
