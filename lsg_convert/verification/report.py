"""What a verification found, as an object, as plain data and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lsg_convert.common.errors import VerificationError
from lsg_convert.common.from_json import from_json
from lsg_convert.common.json_files import json_text
from lsg_convert.folder.report import FAILED, NOT_RUN, PARTIAL, PASSED, Verdict, VerificationReport
from lsg_convert.verification.levels import Level
from lsg_convert.verification.result import Result


@dataclass(frozen=True)
class Report:
    """The results of all checks up to `level`, and the circumstances they were measured in."""

    results: tuple[Result, ...]
    level: Level
    circumstances: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """`failed` if any check failed, else `partial` if any was not run, else `passed`."""
        statuses = {result.status for result in self.results}
        if FAILED in statuses:
            return FAILED
        return PARTIAL if NOT_RUN in statuses or not statuses else PASSED

    @property
    def passed(self) -> bool | None:
        """None for a partial verdict."""
        return {PASSED: True, FAILED: False}.get(self.verdict)

    @property
    def failed(self) -> bool:
        """Whether any check failed."""
        return self.verdict == FAILED

    def __getitem__(self, name: str) -> Result:
        """The result of the check `name`."""
        return next(result for result in self.results if result.name == name)

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        return self.as_record().sentence

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "verdict": self.verdict,
            "passed": self.passed,
            "level": self.level.title,
            "checks": [result.as_dict() for result in self.results],
            **self.circumstances,
        }

    def as_record(self) -> VerificationReport:
        """The report as a folder keeps it: without times, so that the same conversion writes the same folder."""
        return from_json(VerificationReport, self.as_dict(), "report")

    def to_json(self) -> str:
        """The report as JSON."""
        return json_text(self.as_dict())

    def raise_if_failed(self) -> None:
        """Raise VerificationError that names every check that failed."""
        failed = [result for result in self.results if result.status == FAILED]
        if failed:
            found = "; ".join(failure_text(result.as_dict()) for result in failed)
            raise VerificationError(
                f"the converted folder is not what its source is: {found}.",
                "Nothing was written. --no-verify writes it all the same, to look into it with lsg-convert verify.",
            )


def failure_text(check: Mapping[str, Any]) -> str:
    """A failed check in one clause: its name, what was measured, and why that is wrong."""
    measured = f"{check['measured']}, tolerance {check['tolerance']}" if check["tolerance"] else check["measured"]
    return f"{check['name']}: " + "; ".join(part for part in (measured, check["reason"]) if part)
