"""How long work tells the face what it is doing, without knowing how it is shown."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

Advance = Callable[[int], None]
IMPORTING = "Importing torch and transformers"
_THREAD = "import of torch and transformers"
_LAST = "transformers.modeling_utils"  # what takes longest of what is imported
_SWITCH = 5e-4  # seconds after which an import lets other work have Python's lock, a tenth of what is usual


class Reporter(Protocol):
    """Receives progress; the command line draws it, the Python API ignores it."""

    def stage(self, description: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a stage of `total` units (bytes or steps, None when unknown); yields `advance(units)`."""
        ...

    def notice(self, text: str) -> None:
        """Say something that is of interest before the work begins."""
        ...


class SilentReporter:
    """Shows nothing."""

    @contextmanager
    def stage(self, description: str, total: int | None = None) -> Iterator[Advance]:
        """Enter a stage that nobody sees."""
        yield lambda units: None

    def notice(self, text: str) -> None:
        """Say nothing."""


class Steps:
    """Numbers what another reporter shows: `2/5 Writing tensors`. Stages of one step share its number."""

    def __init__(self, reporter: Reporter, total: int) -> None:
        self._reporter, self._total, self._number = reporter, total, 1

    def step(self) -> None:
        """The next stage begins a step of its own."""
        self._number = min(self._number + 1, self._total)

    def stage(self, description: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Enter a stage of the step that runs."""
        return self._reporter.stage(f"{self._number}/{self._total} {description}", total)

    def notice(self, text: str) -> None:
        """Pass it on."""
        self._reporter.notice(text)


def begin_importing() -> None:
    """Import torch and transformers beside what this process does until it needs them."""
    if _LAST not in sys.modules:
        threading.Thread(target=_import_quietly, name=_THREAD).start()


def import_libraries(reporter: Reporter) -> None:
    """Import torch and transformers, or wait until they are, which takes seconds, as a stage of its own."""
    if _LAST in sys.modules and not _is_importing():
        return
    with reporter.stage(IMPORTING):
        _import()


def _is_importing() -> bool:
    return any(thread.name == _THREAD for thread in threading.enumerate())


def _import_quietly() -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, _SWITCH))
    try:
        with suppress(Exception):  # who needs them imports them again, and is told what is wrong
            _import()
    finally:
        sys.setswitchinterval(usual)


def _import() -> None:
    with _without_collections():
        import torch  # noqa: F401
        import transformers.modeling_utils  # noqa: F401


@contextmanager
def _without_collections() -> Iterator[None]:
    """No garbage is looked for meanwhile, which is a fifth of the time that an import of so many modules takes; nor, in
    what was imported, later: the first collections would look through all of it, for half a second and more.
    """
    if not gc.isenabled():
        yield
        return
    no_models_yet = "torch" not in sys.modules  # a caller's own may be garbage one day
    gc.disable()
    try:
        yield
    finally:
        if no_models_yet:
            gc.freeze()
        gc.enable()
