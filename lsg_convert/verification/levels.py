"""The levels of verification, in the order in which they run: each rests on those before it."""

from __future__ import annotations

from enum import IntEnum

from lsg_convert.common.errors import RequestError
from lsg_convert.common.files import printable


class Level(IntEnum):
    """What a check belongs to."""

    INTEGRITY = 1
    EXACT = 2
    KERNEL = 3
    DRIFT = 4
    REACH = 5

    @property
    def title(self) -> str:
        """What people read."""
        return _TITLES[self]


_TITLES = {
    Level.INTEGRITY: "integrity",
    Level.EXACT: "exact parity",
    Level.KERNEL: "kernel parity",
    Level.DRIFT: "drift",
    Level.REACH: "reach",
}


def parse_level(level: int | str | None) -> Level:
    """The level named by number, by title or by how the title begins; None is the highest.

    Raises:
        RequestError: there is none of that name.
    """
    if level is None:
        return max(Level)
    wanted = str(level).strip().lower().replace("-", " ").replace("_", " ")
    for candidate in Level:
        if wanted == str(candidate.value) or (wanted and candidate.title.startswith(wanted)):
            return candidate
    allowed = ", ".join(f"{each.value} ({each.title})" for each in Level)
    raise RequestError(f"--level {printable(level)!r} is not a level of verification.", f"Allowed are {allowed}.")
