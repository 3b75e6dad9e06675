"""The interface of a check: what it is called, what it needs, and what comes of it."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar

from lsg_convert.common.errors import LSGConvertError, RequestError
from lsg_convert.common.files import printable
from lsg_convert.folder.report import FAILED, NOT_RUN, PASSED, Status

if TYPE_CHECKING:
    from lsg_convert.verification.subject import Subject


class Level(IntEnum):
    """The levels, in the order in which they run: each rests on those before it."""

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


class NotRunError(Exception):
    """Raised by a check that finds that it cannot measure; the text is the reason."""


@dataclass(frozen=True)
class Measurement:
    """What a check measured. `detail` names cause or place of a failure; `values` are the numbers behind the words."""

    passed: bool
    measured: str
    tolerance: str | None = None
    detail: str | None = None
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One line of a report. `reason` says why a check failed or was not run."""

    name: str
    level: Level
    status: Status
    measured: str | None = None
    tolerance: str | None = None
    reason: str | None = None
    seconds: float = 0.0
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool | None:
        """None when it was not run: that is no pass."""
        return {PASSED: True, FAILED: False}.get(self.status)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        plain = {"level": self.level.title, "passed": self.passed, "seconds": round(self.seconds, 3)}
        return asdict(self) | plain | {"values": _json_numbers(self.values)}


class Check(ABC):
    """One thing that is verified. `needs` are names that `Subject.lacks` knows."""

    name: ClassVar[str]
    level: ClassVar[Level]
    needs: ClassVar[tuple[str, ...]] = ()

    def applies(self, subject: Subject) -> bool:
        """Whether the check means anything for this kind of model; if not, the report leaves it out."""
        return True

    def memory(self, subject: Subject) -> int:
        """About how many bytes it takes."""
        return 0

    @abstractmethod
    def measure(self, subject: Subject) -> Measurement:
        """Measure; raises NotRunError where that turns out to be impossible."""


def applies(check: Check, subject: Subject) -> bool:
    """Whether `check` means anything for this model; where that cannot be found out, the check is to say why."""
    try:
        return check.applies(subject)
    except Exception:  # of any kind, in a folder that is broken
        return True


def run_check(check: Check, subject: Subject) -> Result:
    """The result of `check`; whatever goes wrong in it is its own failure and does not end the others."""
    started = time.monotonic()

    def result(status: Status, measurement: Measurement | None = None, reason: str | None = None) -> Result:
        seconds = time.monotonic() - started
        if measurement is None:
            return Result(check.name, check.level, status, reason=reason, seconds=seconds)
        found = measurement
        return Result(check.name, check.level, status, found.measured, found.tolerance, reason, seconds, found.values)

    try:
        reason = _first(subject.lacks(need) for need in check.needs) or subject.too_large(check.memory(subject))
        if reason:
            return result(NOT_RUN, reason=reason)
        measurement = check.measure(subject)
    except NotRunError as error:
        return result(NOT_RUN, reason=str(error))
    except MemoryError:
        return result(NOT_RUN, reason="not enough memory")
    except LSGConvertError as error:
        return result(FAILED, reason=error.message)
    except Exception as error:  # what a broken folder makes the libraries raise is of any kind
        return result(FAILED, reason=f"{type(error).__name__}: {printable(error, 500)}")
    return result(PASSED if measurement.passed else FAILED, measurement, measurement.detail)


def _json_numbers(value: Any) -> Any:
    """`value` with numbers that JSON has no name for, infinities and NaN, as text."""
    if isinstance(value, dict):
        return {key: _json_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_numbers(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)
