"""What comes of a check."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from lsg_convert.folder.report import FAILED, PASSED, Status
from lsg_convert.verification.levels import Level


class NotRunError(Exception):
    """Raised by a check that finds that it cannot measure; the text is the reason."""


@dataclass(frozen=True)
class Measurement:
    """What a check measured; `passed` is None where nothing says what would be too much.

    `detail` names cause or position of a failure; `values` are the numbers behind the words.
    """

    passed: bool | None
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
        """None when it was not run, or only measured: neither is a pass."""
        return {PASSED: True, FAILED: False}.get(self.status)

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        plain = {"level": self.level.title, "passed": self.passed, "seconds": round(self.seconds, 3)}
        return asdict(self) | plain | {"values": _json_numbers(self.values)}


def _json_numbers(value: Any) -> Any:
    """`value` with numbers that JSON has no name for, infinities and NaN, as text."""
    if isinstance(value, dict):
        return {key: _json_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_numbers(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
