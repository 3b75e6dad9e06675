"""The interface of a check: what it is called, what it needs, and how it is run."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from typing import ClassVar

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import printable
from lsg_convert.folder.report import FAILED, MEASURED, NOT_RUN, PASSED, Status
from lsg_convert.verification.levels import Level
from lsg_convert.verification.memory import is_out_of_memory
from lsg_convert.verification.result import Measurement, NotRunError, Result
from lsg_convert.verification.subject import Subject


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

    def begin(self, subject: Subject, until: ExitStack) -> bool:
        """Start what is measured beside the other checks, to end with `until`; False where there is no such thing."""
        return False

    def between(self, subject: Subject) -> None:  # noqa: B027 (most checks begin nothing)
        """Called between the other checks, and in long ones: give back the cores that are no longer needed."""

    @abstractmethod
    def measure(self, subject: Subject) -> Measurement:
        """Measure; raises NotRunError where that turns out to be impossible."""


def applies(check: Check, subject: Subject) -> bool:
    """Whether `check` means anything for this model; where that cannot be found out, the check is to say why."""
    try:
        return check.applies(subject)
    except Exception:  # of any kind, in a folder that is broken
        return True


def begins(check: Check, subject: Subject, until: ExitStack) -> bool:
    """Whether `check` is being measured from now on, beside others; what hinders it, it says in its turn."""
    try:
        if not applies(check, subject) or _obstacle(check, subject):
            return False
        return check.begin(subject, until)
    except Exception:  # of any kind, in a folder that is broken
        return False


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
        reason = _obstacle(check, subject)
        if reason:
            return result(NOT_RUN, reason=reason)
        measurement = check.measure(subject)
    except NotRunError as error:
        return result(NOT_RUN, reason=str(error))
    except Exception as error:  # what a broken folder makes the libraries raise is of any kind
        if is_out_of_memory(error):
            return result(NOT_RUN, reason="not enough memory")
        if isinstance(error, LSGConvertError):
            return result(FAILED, reason=error.message)
        return result(FAILED, reason=f"{type(error).__name__}: {printable(error, 500)}")
    status = MEASURED if measurement.passed is None else PASSED if measurement.passed else FAILED
    return result(status, measurement, measurement.detail)


def _obstacle(check: Check, subject: Subject) -> str | None:
    """Why `check` cannot run, None where it can."""
    return _first(subject.lacks(need) for need in check.needs) or subject.limits.too_large(check.memory(subject))


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)
