"""What a sweep found: a row for each setting, the Pareto front, and the line to load the recommended one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.bench.plot import write_points
from lsg_convert.sweep.choice import Candidate, pareto_front, recommended
from lsg_convert.sweep.grid import Setting
from lsg_convert.sweep.state import MEASURED, NOT_RUN, Measured


@dataclass(frozen=True)
class SweepReport:
    """The settings in the order of the table, with what was measured of each.

    quality: the figure that is compared. reference: the source's figures. num_global_tokens: the folder's own.
    """

    folder: str
    auto_class: str
    quality: str
    higher_is_better: bool
    tokens: int
    pieces: int
    num_global_tokens: int
    reference: Mapping[str, float] | None
    source_tokens: int
    machine: Mapping[str, Any]
    settings: Sequence[Setting]
    measured: Mapping[str, Measured]
    notes: Sequence[str] = ()

    def candidates(self) -> list[Candidate]:
        """The settings of which something was measured."""
        return [
            candidate(setting.name, self.measured[setting.name], self.quality, self.higher_is_better)
            for setting in self.settings
            if self.measured[setting.name].pieces
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each setting; figures are means over the pieces that were measured."""
        front = pareto_front(self.candidates())
        rows = []
        for setting in self.settings:
            found = self.measured[setting.name]
            row: dict[str, Any] = {"setting": setting.name, "keys": setting.attended_keys(self.num_global_tokens)}
            if found.status != NOT_RUN:
                names = found.pieces[0] if found.pieces else {}
                row |= {name: _rounded(_mean(found.pieces, name)) for name in names}
                row |= {name: _rounded(value) for name, value in found.agreement.items()}
                row["seconds"] = _rounded(found.seconds)
                row["mb"] = None if found.peak_bytes is None else round(found.peak_bytes / 1e6, 1)
                row["pieces"] = len(found.pieces)
            row |= {"status": found.status, "front": setting.name in front, "reason": found.reason}
            rows.append(row | {"options": setting.options})
        return rows

    @property
    def recommended(self) -> Setting | None:
        """The cheapest setting that is as good as the best one, as far as these pieces can tell."""
        name = recommended(self.candidates())
        return next((setting for setting in self.settings if setting.name == name), None)

    @property
    def line(self) -> str | None:
        """The code that loads the recommended setting."""
        setting = self.recommended
        if setting is None:
            return None
        options = ", ".join(f"{name}={value!r}" for name, value in setting.options.items())
        return f"{self.auto_class}.from_pretrained({self.folder!r}, trust_remote_code=True, {options})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values: what `--json` prints."""
        setting = self.recommended
        return {
            "folder": self.folder,
            "quality": {"name": self.quality, "higher_is_better": self.higher_is_better, "pieces": self.pieces},
            "tokens": self.tokens,
            "source": self.reference and {"tokens": self.source_tokens, **self.reference},
            "results": self.rows(),
            "recommended": setting and {"setting": setting.name, "options": setting.options, "line": self.line},
            "machine": dict(self.machine),
            "notes": list(self.notes),
        }

    def plot(self, path: Path) -> None:
        """Draw quality against seconds, with the Pareto front, as `write_points` does."""
        points = {
            row["setting"]: (row["seconds"], row[self.quality])
            for row in self.rows()
            if row["status"] == MEASURED and row["seconds"] is not None
        }
        front = [name for name in pareto_front(self.candidates()) if name in points]
        write_points(path, points, front, "seconds for one text of the full length", self.quality)


def candidate(name: str, found: Measured, quality: str, higher_is_better: bool) -> Candidate:
    """A setting as it is compared."""
    sign = 1 if higher_is_better else -1
    scores = [sign * piece[quality] for piece in found.pieces]
    return Candidate(name, found.seconds or 0.0, scores, found.status == MEASURED)


def _mean(pieces: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(piece[name] for piece in pieces) / len(pieces)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
