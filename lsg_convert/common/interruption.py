"""What a signal does to a run: what is half done is taken back, the user is told, and the process ends there.

No exception is raised for it: libraries swallow exceptions that arrive while they are imported, print them as ignored
ones, or turn them into others. Work that leaves something on the disk says here how it is undone; the command line
(`cli/main.py`) installs the handler. Without it (the Python API) Ctrl-C is a KeyboardInterrupt as ever.

Only light modules of the standard library are imported here: this is loaded before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Ends the process: the number of the signal, and what to tell the user.
End = Callable[[int, str], None]


class Interruption:
    """The state of one process: how to undo what is half done, and whether its work is complete."""

    def __init__(self) -> None:
        self.achieved: str | None = None
        self._end: End | None = None
        self._undo: list[Callable[[], None]] = []
        self._kept: list[str] = []
        self._held = 0
        self._waiting: int | None = None
        self._ending = False
        self._late = 0

    def listen(self, end: End) -> None:
        """From now on signals that arrive end the process by `end`."""
        self._end = end

    def arrived(self, number: int) -> None:
        """Signal `number` has arrived: undo and end, later if this must not be now, not at all when all is done."""
        if self._end is None or self._ending:
            return  # a second Ctrl-C must not cut the cleaning short
        if self._held:
            self._waiting = number
        elif self.achieved is None:
            self._ending = True
            self._end(number, self._take_back())
        else:
            self._late += 1
            if self._late > 1:  # somebody who presses again does not want to wait for the summary
                done = f"; {self.achieved}" if self.achieved else ""
                self._end(number, f"Stopped while the result was shown{done}.")

    def complete(self, what: str = "") -> None:
        """The work is done, and `what` says what it left: signals come too late to undo it."""
        self.achieved = what

    def go_on(self) -> None:
        """What was complete was one part of the work: signals stop the next."""
        self.achieved, self._late = None, 0

    @contextmanager
    def undone_by(self, action: Callable[[], None]) -> Iterator[None]:
        """Within the block a signal makes `action` run; it raises OSError when something stays behind."""
        self.achieved = None  # there is something to lose again
        self._undo.append(action)
        try:
            yield
        finally:
            self._undo.remove(action)

    @contextmanager
    def keeping(self, what: str) -> Iterator[None]:
        """Within the block a signal leaves something behind that is of use later; `what` tells the user."""
        self._kept.append(what)
        try:
            yield
        finally:
            self._kept.remove(what)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block signals wait: it is done entirely or not at all."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            waiting = self._waiting
            if waiting is not None and not self._held:
                self._waiting = None
                self.arrived(waiting)

    def _take_back(self) -> str:
        stayed = []
        for action in reversed(self._undo):
            try:
                action()
            except OSError as error:  # noqa: PERF203
                stayed.append(str(error))
        if stayed:
            return f"Interrupted, and not all could be removed: {'; '.join(stayed)}."
        return f"Interrupted; {'; '.join(self._kept) or 'nothing was left behind'}."


RUN = Interruption()
