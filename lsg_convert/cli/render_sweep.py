"""The table of a sweep, as the cards of published models have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lsg_convert.cli.tables import Clean, rows_table

if TYPE_CHECKING:
    from rich.console import RenderableType

_PLAIN = ("setting", "keys", "seconds", "mb", "pieces", "status", "front", "reason", "options")
_LABELS = {"mb": "MB"}


def sweep_tables(report: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return a line a setting, why some were not measured to the end, and what to take."""
    quality = report["quality"]
    what = "higher is better" if quality["higher_is_better"] else "lower is better"
    title = f"{clean(quality['name'])} ({what}), {quality['pieces']} pieces of up to {report['tokens']:,} tokens"
    rows = [_row(row) for row in report["results"]]
    source = report["source"]
    if source:
        figures = {name: value for name, value in source.items() if name != "tokens"}
        rows.append({"setting": f"source at {source['tokens']:,}", **figures, "": ""})
    recommended = report["recommended"]
    lines: list[RenderableType] = [rows_table(rows, clean, title, _LABELS)]
    reasons: dict[str, list[str]] = {}
    for row in report["results"]:
        if row["reason"]:
            reasons.setdefault(row["reason"], []).append(row["setting"])
    lines += [f"{', '.join(map(clean, settings))}: {clean(reason)}" for reason, settings in reasons.items()]
    lines += [clean(note) for note in report["notes"]]
    if recommended:
        lines.append(
            f"Take {clean(recommended['setting'])}: the fastest that is as good as the best one, as far as this tells."
        )
    return lines


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what the lines below say; what is on the Pareto front is marked."""
    left_out = (*_PLAIN, "cosine") if "agreement" in row else _PLAIN
    figures = {name: value for name, value in row.items() if name not in left_out}
    shown: dict[str, Any] = {"setting": row["setting"], "keys": row["keys"], **figures}
    shown |= {name: row[name] for name in ("seconds", "mb") if row.get(name) is not None}
    status = {"measured": "", "dominated": f"left after {row.get('pieces')}"}.get(row["status"], row["status"])
    return shown | {"": "front" if row["front"] else status}
