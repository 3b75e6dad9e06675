"""Results as tables and text. Nothing here prints; `clean` makes what came from outside safe to show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsg_convert.plan.tensor_plan import ACTION_LABELS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Clean = Callable[[object], str]

MOST_CHANGES = 20
MOST_NAMES = 8
MARKS = {"passed": "✓", "failed": "✗", "measured": "measured", "not run": "not run"}
_MARK_STYLES = {"✓": "bold green", "✗": "bold red", "not run": "yellow"}

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
        texts = [clean(value_text(row.get(name))) for name in columns]
        table.add_row(*(Text(text, style=_MARK_STYLES.get(text, "")) for text in texts))
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
    facts = {"Source": source_text(plan["source"]), **plan_facts(plan)}
    if "output" in plan:
        facts["Output"] = here(plan["output"])
    facts |= left_behind_fact(plan.get("left_behind") or {})
    tables: list[RenderableType] = [facts_table(facts, clean)]
    if plan["changes"]:
        tables += changes_table(plan["changes"], clean)
    return tables + [f"Note: {clean(note)}" for note in plan["notes"]]


def plan_facts(plan: Mapping[str, Any]) -> dict[str, str]:
    """Return the main facts of a plan, in words."""
    longer = plan["max_len"] > plan["source_max_len"]
    return {
        "Model": plan["architecture"],
        "Length": f"{plan['source_max_len']} → {plan['max_len']} tokens"
        + (f" ({plan['positions']})" if longer else ""),
        "Attention": attention_text(plan["lsg"]),
        "Globals": globals_text(plan["lsg"], plan["global_init"]),
        "Weights": f"{plan['tensors']['total']} tensors, {size_text(plan['tensors']['bytes'])}",
        "Loads as": heads_text(plan["heads"]),
    }


def heads_text(auto_classes: Iterable[str]) -> str:
    """Return the Auto classes, the shared part of their names said once."""
    names = list(auto_classes)
    heads = [name.removeprefix("AutoModelFor") for name in names if name.startswith("AutoModelFor")]
    others = [name for name in names if not name.startswith("AutoModelFor")]
    return ", ".join(others) + (f"; AutoModelFor… {', '.join(heads)}" if heads else "")


def changes_table(changes: Sequence[Mapping[str, Any]], clean: Clean) -> list[RenderableType]:
    """Return the tensors that are not the source's own bytes, the first of them at least."""
    rows = [
        {
            "tensor": change["tensor"],
            "what happens": ACTION_LABELS.get(change["action"], change["action"]),
            "new shape": " × ".join(map(str, change["shape"])) if change.get("shape") else None,
            "type": change.get("dtype"),
        }
        for change in changes
    ]
    title = "Changed tensors (all others are copied byte for byte)"
    tables: list[RenderableType] = [rows_table_of(rows[:MOST_CHANGES], clean, title=title)]
    if len(rows) > MOST_CHANGES:
        tables.append(f"… and {len(rows) - MOST_CHANGES} more; --json has all.\n")
    return tables


def source_text(source: Mapping[str, Any]) -> str:
    """Return where a model is from."""
    commit = source.get("commit")
    name = source.get("repo_id") or source["name"]
    return f"{name} at {commit[:12]}" if commit else str(name)


def here(path: str) -> str:
    """Return a path as somebody standing in the current folder would write it."""
    from pathlib import Path

    try:
        return f"./{Path(path).relative_to(Path.cwd())}"
    except (ValueError, OSError):  # elsewhere; or the current folder is gone
        return path


def attention_text(lsg: Mapping[str, Any]) -> str:
    """Return the attention's settings in words."""
    text = f"blocks of {lsg['block_size']} tokens"
    if lsg["sparsity_type"] == "none" or not lsg["sparse_block_size"] or not lsg["sparsity_factor"]:
        return f"{text}, local only"
    reach = lsg["sparse_block_size"] * lsg["sparsity_factor"]
    return (
        f"{text}; beyond its neighbours {lsg['sparse_block_size']} sparse tokens a side "
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
    else:
        # Where inputs do not open with BOS or CLS, it is the special token that the family's inputs have.
        first = "BOS/CLS" if lsg["mask_first_token"] else "a special token"
        others = {"mask": "mask tokens", "random": "random words"}.get(global_init, global_init)
        parts.append(f"the first starts as {first}, the others as {others}" if count > 1 else f"it starts as {first}")
    if lsg["mask_first_token"]:
        parts.append("in place of the first token")
    return ", ".join(parts)


def report_table(report: Mapping[str, Any], sentence: str, clean: Clean) -> list[RenderableType]:
    """Return a verification report: one line a check, then the verdict in a sentence."""
    from rich.text import Text

    rows = [
        {
            "check": check["name"],
            "measured": check["measured"],
            "tolerance": check["tolerance"],
            "": MARKS[check["status"]],
            "seconds": f"{check['seconds']:.1f}",
        }
        for check in report["checks"]
    ]
    reasons: list[RenderableType] = [
        Text(clean(f"{check['name']}: {check['reason']}")) for check in report["checks"] if check["reason"]
    ]
    return [rows_table_of(rows, clean), *reasons, Text(clean(sentence), style="bold")]


def family_as_dict(family: Any) -> dict[str, Any]:
    """Return what `families` shows of one family."""
    from lsg_convert.plan.options import MAX_MAX_LEN

    kinds = {"sinusoids" if table.sinusoid else "learned" for table in family.positions}
    return {
        "model_type": family.model_type,
        "title": family.title,
        "example": family.example,
        "heads": {name: head.auto_class for name, head in family.heads.items()},
        "limits": {
            "max_len": MAX_MAX_LEN,
            "positions": " and ".join(sorted(kinds)) or "relative",
            "first_token": "global" if family.opens_with_bos and family.global_can_be_bos else "kept",
            "decoder": "the library's own" if family.is_seq2seq else None,
        },
    }


def families_table(families: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line a family."""
    rows = [
        {
            "model_type": family["model_type"],
            "for example": family["example"],
            "positions": family["limits"]["positions"],
            "heads": ", ".join(name.removeprefix("AutoModel").removeprefix("For") or "base" for name in heads),
        }
        for family in families
        for heads in [family["heads"].values()]
    ]
    return rows_table_of(rows, str)


def conversion_summary(result: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return the closing summary: what changed, sizes, time."""
    facts = {
        "Source": source_text(result["source"]),
        **plan_facts(result),
        "Verified": verification_text(result.get("verification")),
        "Output": f"{here(result['output'])}: {len(result['files'])} files, {size_text(result['size'])}, "
        f"written in {result['seconds']:.1f} s",
        **left_behind_fact(result.get("left_behind") or {}),
    }
    notes = [f"Note: {clean(note)}" for note in result["notes"]]
    return [facts_table(facts, clean), *changes_table(result["changes"], clean), *notes]


def left_behind_fact(left_behind: Mapping[str, str]) -> dict[str, str]:
    """Return the source's files that do not travel, by reason; nothing where all do."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_behind.items():
        reasons.setdefault(reason, []).append(name)
    texts = []
    for reason, names in reasons.items():
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        texts.append(f"{', '.join(names[:MOST_NAMES])}{more} ({reason})")
    return {"Left behind": "; ".join(texts)} if texts else {}


def verification_text(verification: Mapping[str, Any] | None) -> str:
    """Return the state of a folder's verification in a few words."""
    if not verification:
        return "not yet"
    return ", ".join(f"{check['name']} {MARKS[check['status']]}" for check in verification["checks"])


def saved_fact(saved: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what became of a model that was saved again; nothing of one that was not."""
    from lsg_convert.folder.record import SavedAgain

    return {"Saved again by": f"{saved['by']}; {SavedAgain(**saved).sentence}"} if saved else {}


def record_tables(record: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return what a converted folder is, from its own record."""
    files = record["files"]
    facts = {
        "Converted from": source_text(record["source"]),
        "Converted by": f"{record['tool']} {record['version']}",
        "Model": record["architecture"],
        "Length": f"{record['max_len']} tokens (source: {record['source_max_len']})",
        "Attention": attention_text(record["lsg"]),
        "Globals": globals_text(record["lsg"], record["global_init"]),
        **saved_fact(record.get("saved")),
        "Verified": verification_text(record.get("verification")),
        "Files": f"{len(files)}, {size_text(sum(file['size'] for file in files.values()))}",
    }
    changes = [] if record.get("saved") else changes_table(record["changes"], clean)
    return [facts_table(facts, clean), *changes]


def next_steps(output: str, auto_class: str) -> str:
    """Return what to do with a new folder."""
    folder = here(output)
    return (
        f"Load it:     {auto_class}.from_pretrained({folder!r}, trust_remote_code=True)\n"
        f"Prove it:    lsg-convert verify {folder}\n"
        f"Publish it:  lsg-convert push {folder}"
    )


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
