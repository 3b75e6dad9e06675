"""How stages of work look on a terminal: one line, whatever the width, with the time left where it can be known."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.text import Text

from lsg_convert.cli.stand_ins import spelled
from lsg_convert.common.interruption import RUN
from lsg_convert.common.progress import Advance
from lsg_convert.common.sizes import size_text

# Totals above this are bytes: no stage has that many steps.
BYTES_FROM = 100_000
_WIDE = 100
_SPINNER = 2  # columns
_NARROWEST = 12  # for a description


class ProgressDisplay:
    """The stages that are open: the innermost is what is shown."""

    def __init__(self, console: Console) -> None:
        encoding = console.encoding
        spinner = "dots" if encoding.lower().startswith("utf") else "line"
        self._progress = Progress(
            SpinnerColumn(spinner, finished_text=" "), _Line(console.width, encoding), console=console, transient=True
        )
        self._open: list[TaskID] = []

    @contextmanager
    def stage(self, description: str, total: int | None) -> Iterator[Advance]:
        """Show a stage of `total` steps or bytes until the block ends; it vanishes then."""
        with ExitStack() as running:
            if not self._open:
                running.enter_context(RUN.undone_by(_show_cursor))
                running.enter_context(self._progress)
            self._show_last(False)
            task = self._progress.add_task(description, total=total)
            self._open.append(task)
            try:
                yield lambda units: self._progress.advance(task, units)
            finally:
                self._open.remove(task)
                self._progress.remove_task(task)
                self._show_last(True)

    def _show_last(self, visible: bool) -> None:
        if self._open:
            self._progress.update(self._open[-1], visible=visible)


class _Line(ProgressColumn):
    """All of a stage's line but the spinner."""

    max_refresh = 0.2

    def __init__(self, width: int, encoding: str) -> None:
        super().__init__()
        self._width, self._encoding = width, encoding

    def render(self, task: Task) -> Text:
        """Draw it."""
        return stage_line(task, self._width - _SPINNER, self._encoding)


def stage_line(task: Any, width: int, encoding: str = "utf-8") -> Text:
    """Description, bar and figures of a stage in `width` columns; the description is what is cut."""
    figures = stage_figures(task)
    bar = "" if not task.total else _bar(task.completed / task.total, 20 if width >= _WIDE else 8)
    if width - len(figures) - len(bar) - 3 < _NARROWEST:  # what is done matters more than how far it is
        bar = ""
    if width - len(figures) - 1 < _NARROWEST:
        figures = ""
    room = width - len(figures) - len(bar) - 2 * bool(bar) - 1
    description = str(task.description)
    if len(description) > room:
        description = f"{description[: max(room - 1, 0)]}…"
    line = Text(spelled(description, encoding))
    if bar:
        line.append("  ").append(spelled(bar, encoding), style="cyan")
    return line.append(f" {figures}" if figures else "", style="dim")


def stage_figures(task: Any) -> str:
    """How far a stage is, and the time that is left, or else the time that it has taken."""
    if not task.total:
        return _clock(task.elapsed or 0)
    left = "" if task.time_remaining is None else f", {_clock(task.time_remaining)} left"
    if task.total <= BYTES_FROM:
        return f"{task.completed:.0f} of {task.total:.0f}{left or f', {_clock(task.elapsed or 0)}'}"
    speed = f", {size_text(task.speed)}/s" if task.speed else ""
    return f"{100 * task.completed / task.total:.0f}% of {size_text(task.total)}{speed}{left}"


def _bar(share: float, width: int) -> str:
    done = min(int(share * width), width)
    return "━" * done + "─" * (width - done)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _show_cursor() -> None:
    """Wipe the bar and show the terminal's cursor again: for when a signal ends the process."""
    with contextlib.suppress(OSError):
        os.write(2, b"\r\x1b[2K\x1b[?25h")
