"""The report of a verification as a folder keeps it, in its record and its card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["passed", "failed", "measured", "not run"]
Verdict = Literal["passed", "failed", "partial"]

PASSED: Literal["passed"] = "passed"
FAILED: Literal["failed"] = "failed"
MEASURED: Literal["measured"] = "measured"  # nothing says what would be too much
NOT_RUN: Literal["not run"] = "not run"
PARTIAL: Literal["partial"] = "partial"


@dataclass(frozen=True)
class CheckReport:
    """One line of a report. `reason` says why a check failed or was not run; `values` are the numbers measured."""

    name: str
    level: str
    status: Status
    measured: str | None = None
    tolerance: str | None = None
    reason: str | None = None
    passed: bool | None = None
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VerificationReport:
    """All lines, the verdict, and the circumstances that they were measured in."""

    verdict: Verdict
    level: str
    checks: tuple[CheckReport, ...]
    passed: bool | None = None
    source: str | None = None
    device: str | None = None
    dtype: str | None = None
    text: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether any check failed, or the verdict says so."""
        return self.verdict == FAILED or self.passed is False

    def named(self, status: str) -> list[str]:
        """The names of the checks that ended with `status`."""
        return [check.name for check in self.checks if check.status == status]

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        passed, failed, measured, not_run = map(self.named, (PASSED, FAILED, MEASURED, NOT_RUN))
        total = len(self.checks)
        if self.verdict == FAILED:
            return f"Failed: {len(failed)} of {total} checks ({', '.join(failed)})."
        if self.verdict == PASSED and not measured:
            return f"Passed: all {total} checks, up to {self.level}."
        counts = f"{len(passed)} passed" + f", {len(measured)} measured" * bool(measured)
        if self.verdict == PARTIAL:
            return f"Partial: {counts}, {len(not_run)} could not run ({', '.join(not_run)})."
        return f"Passed: {counts}, up to {self.level}."

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)
