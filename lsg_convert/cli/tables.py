"""Values as text, and tables that fit: words and ids are not broken where there is a way around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

Clean = Callable[[object], str]

MARKS = {"passed": "✓", "failed": "✗", "measured": "measured", "not run": "not run"}
MARK_STYLES = {
    "✓": "bold green", "✗": "bold red", "ok": "bold green", "FAIL": "bold red", "not run": "yellow", "measured": "cyan",
}  # fmt: skip


class Fitting:
    """The first of several renderables that is no wider than the terminal; the last where none is."""

    def __init__(self, *candidates: Table) -> None:
        self.candidates = candidates

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Choose by what each would take at most."""
        from rich.measure import Measurement

        *wide, narrowest = self.candidates
        unbound = options.update(width=10_000)
        fits = (each for each in wide if Measurement.get(console, unbound, each).maximum <= options.max_width)
        yield next(fits, narrowest)


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


def marked(text: str) -> Text:
    """`text` with its marks in their colours."""
    from rich.text import Text

    if text in MARK_STYLES:
        return Text(text, style=MARK_STYLES[text])
    shown = Text(text)
    for mark in "✓✗":
        shown.highlight_words([mark], MARK_STYLES[mark])
    return shown


def facts_table(facts: Mapping[str, Any], clean: Clean, title: str | None = None) -> Table:
    """Return a table of names and values; what is None is left out."""
    from rich.text import Text

    table = _table(title, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None:
            table.add_row(Text(clean(name).replace("_", " ")), marked(clean(value_text(value))))
    return table


def rows_table(
    rows: Iterable[Mapping[str, Any]], clean: Clean, title: str | None = None, labels: Mapping[str, str] | None = None
) -> Table:
    """Return a table of rows that share their columns; `labels` are headings. Columns of numbers are never narrowed."""
    rows = list(rows)
    table = _table(title)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for name in columns:
        numbers = all(isinstance(row.get(name, 0), int | float) for row in rows)
        heading = (labels or {}).get(name) or clean(name).replace("_", " ")
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold", no_wrap=numbers)
    for row in rows:
        table.add_row(*(marked(clean(value_text(row.get(name)))) for name in columns))
    return table


def stacked_table(
    rows: Sequence[tuple[Sequence[str], str, str]], headings: Sequence[str], clean: Clean, title: str | None = None
) -> Table:
    """Return a table of short cells and one wide cell of two lines: a name, and what is said of it."""
    from rich.text import Text

    table = _table(title)
    table.padding, table.show_edge = (0, 1, 0, 0), False  # ids of 44 characters fit into 80 columns
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    for short, name, said in rows:
        wide = Text.assemble((clean(name), "bold"), "\n", clean(said))
        table.add_row(*(marked(clean(cell)) for cell in short), wide)
    return table


def payload_tables(
    payload: Mapping[str, Any], clean: Clean, labels: Mapping[str, str] | None = None
) -> list[RenderableType]:
    """Return tables for a result of plain values, groups of values, and lists of rows."""
    plain = {name: value for name, value in payload.items() if not _is_rows(value) and not isinstance(value, Mapping)}
    tables: list[RenderableType] = [facts_table(plain, clean)] if plain else []
    for name, value in payload.items():
        heading = clean(name).replace("_", " ").capitalize()
        if _is_rows(value):
            tables.append(rows_table(value, clean, heading, labels))
        elif isinstance(value, Mapping) and value:
            tables.append(facts_table(value, clean, heading))
    return tables


def _table(title: str | None, show_header: bool = True) -> Table:
    from rich import box
    from rich.table import Table

    style = box.SIMPLE_HEAD if show_header else box.SIMPLE
    return Table(box=style, show_header=show_header, title=title, title_justify="left", pad_edge=False)


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
