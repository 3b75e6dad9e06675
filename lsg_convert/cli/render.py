"""Results as tables and text. Nothing here prints; `clean` makes what came from outside safe to show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Clean = Callable[[object], str]

_ACTIONS = {
    "extend": "rows repeated to the new length",
    "new": "new: embeddings of the global tokens",
    "replace": "initialised anew",
    "cast": "changed in type",
    "drop": "left out: nothing reads it any more",
}
MOST_CHANGES = 20

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
    """Return the plan of a conversion: what comes out, and which tensors are not the source's own bytes."""
    lsg = plan["lsg"]
    longer = plan["max_len"] > plan["source_max_len"]
    facts = {
        "Family": f"{plan['title']} → {plan['architecture']}",
        "Length": f"{plan['source_max_len']} → {plan['max_len']} tokens"
        + (f" ({plan['positions']})" if longer else ""),
        "Attention": attention_text(lsg),
        "Globals": globals_text(lsg, plan["global_init"]),
        "Weights": f"{plan['tensors']['total']} tensors, {size_text(plan['tensors']['bytes'])}",
        "Loads as": ", ".join(plan["heads"]),
    }
    tables: list[RenderableType] = [facts_table(facts, clean)]
    if plan["changes"]:
        rows = [
            {
                "tensor": change["tensor"],
                "what happens": _ACTIONS.get(change["action"], change["action"]),
                "new shape": " × ".join(map(str, change["shape"])) if change.get("shape") else None,
                "type": change.get("dtype"),
            }
            for change in plan["changes"]
        ]
        shown = rows[:MOST_CHANGES]
        tables.append(rows_table_of(shown, clean, title="Changed tensors; all others are copied byte for byte"))
        if len(rows) > len(shown):
            tables.append(f"… and {len(rows) - len(shown)} more; --json has all.")
    tables += [f"Note: {clean(note)}" for note in plan["notes"]]
    return tables


def attention_text(lsg: Mapping[str, Any]) -> str:
    """Return the attention's settings in words."""
    text = f"blocks of {lsg['block_size']} tokens"
    if lsg["sparsity_type"] == "none" or not lsg["sparse_block_size"] or not lsg["sparsity_factor"]:
        return f"{text}, local only"
    reach = lsg["sparse_block_size"] * lsg["sparsity_factor"]
    return (
        f"{text}; beyond its neighbours {lsg['sparse_block_size']} sparse entries a side "
        f"({lsg['sparsity_type']}, factor {lsg['sparsity_factor']}: {reach} tokens further)"
    )


def globals_text(lsg: Mapping[str, Any], global_init: str) -> str:
    """Return the settings of the global tokens in words."""
    count = lsg["num_global_tokens"]
    if count == 0:
        return "none"
    parts = [str(count)]
    if global_init == "keep":
        parts.append("values kept from the source")
    elif count > 1:
        parts.append(f"the first starts as BOS/CLS, the others by {global_init}")
    else:
        parts.append("it starts as BOS/CLS" if global_init == "mask" else f"it starts by {global_init}")
    if lsg["mask_first_token"]:
        parts.append("in place of the first token")
    return ", ".join(parts)


def report_table(report: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return a verification report: one line a check."""
    return rows_table(report, clean)


def family_as_dict(family: Any) -> dict[str, Any]:
    """Return what `families` shows of one family."""
    return {
        "model_type": family.model_type,
        "title": family.title,
        "example": family.example,
        "heads": {name: head.auto_class for name, head in family.heads.items()},
        "limits": list(getattr(family, "limits", ())),
    }


def families_table(families: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line a family."""
    rows = [
        {
            "model_type": family["model_type"],
            "for example": family["example"],
            "heads": ", ".join(
                name.removeprefix("AutoModel").removeprefix("For") or "base" for name in family["heads"].values()
            ),
            **({"limits": "; ".join(family["limits"])} if any(each["limits"] for each in families) else {}),
        }
        for family in families
    ]
    return rows_table_of(rows, str)


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
