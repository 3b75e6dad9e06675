"""How a stage of work looks on a terminal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lsg_convert.common.interruption import RUN
from lsg_convert.common.progress import Advance

if TYPE_CHECKING:
    from rich.console import Console

# Totals above this are bytes: no stage has that many steps.
BYTES_FROM = 100_000


@contextmanager
def progress_bar(console: Console, description: str, total: int | None) -> Iterator[Advance]:
    """Draw a bar for `total` steps or bytes, a spinner when the total is unknown; it vanishes when done."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
    if total is None:
        columns.append(TimeElapsedColumn())
    elif total > BYTES_FROM:
        columns += [BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    else:
        columns += [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with RUN.undone_by(_show_cursor), Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda units: progress.advance(task, units)


def _show_cursor() -> None:
    """Wipe the bar and show the terminal's cursor again: for when a signal ends the process."""
    with contextlib.suppress(OSError):
        os.write(2, b"\r\x1b[2K\x1b[?25h")
