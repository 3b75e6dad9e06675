"""Results as tables and text. Nothing here prints; `clean` makes what came from outside safe to show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Clean = Callable[[object], str]

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_text(size: float) -> str:
    """Return a number of bytes as people read it."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"


def value_text(value: Any) -> str:
    """Return one value of a result for a table cell."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={value_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    return str(value)


def facts_table(facts: Mapping[str, Any], clean: Clean, title: str | None = None) -> Table:
    """Return a table of names and values."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_header=False, title=title, title_justify="left", pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(clean(name).replace("_", " ")), Text(clean(value_text(value))))
    return table


def rows_table_of(rows: Iterable[Mapping[str, Any]], clean: Clean, title: str | None = None) -> Table:
    """Return a table of rows that share their columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name in columns:
        numbers = all(isinstance(row.get(name, 0), int | float) for row in rows)
        table.add_column(clean(name).replace("_", " "), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(value_text(row.get(name)))) for name in columns))
    return table


def rows_table(payload: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return tables for a result of plain values, groups of values, and lists of rows."""
    plain = {name: value for name, value in payload.items() if not _is_rows(value) and not isinstance(value, Mapping)}
    tables: list[RenderableType] = [facts_table(plain, clean)] if plain else []
    for name, value in payload.items():
        heading = clean(name).replace("_", " ").capitalize()
        if _is_rows(value):
            tables.append(rows_table_of(value, clean, title=heading))
        elif isinstance(value, Mapping) and value:
            tables.append(facts_table(value, clean, title=heading))
    return tables


def plan_tables(plan: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return the plan of a conversion, or what a folder is."""
    return rows_table(plan, clean)


def report_table(report: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return a verification report: one line a check."""
    return rows_table(report, clean)


def family_as_dict(family: Any) -> dict[str, Any]:
    """Return what `families` shows of one family."""
    return {
        "name": family.name,
        "model_type": family.model_type,
        "heads": list(family.heads),
        "limits": family.limits,
    }


def families_table(families: Iterable[Mapping[str, Any]]) -> Table:
    """Return one line a family."""
    return rows_table_of(families, str)


def conversion_summary(result: Any, clean: Clean) -> list[RenderableType]:
    """Return the closing summary: what changed, sizes, time."""
    return rows_table(result.as_dict(), clean)


def next_steps(result: Any) -> str:
    """Return what to do with a new folder."""
    folder = result.output
    return (
        f"Load it:    AutoModel.from_pretrained({str(folder)!r}, trust_remote_code=True)\n"
        f"Prove it:   lsg-convert verify {folder}\n"
        f"Publish it: lsg-convert push {folder}"
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
