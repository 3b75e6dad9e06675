"""Results as tables and text. Nothing here prints; `clean` makes what came from outside safe to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsg_convert.cli.paths import here
from lsg_convert.cli.tables import MARKS, Clean, Fitting, facts_table, payload_tables, rows_table, stacked_table
from lsg_convert.common.sizes import size_text
from lsg_convert.plan.tensor_plan import ACTION_LABELS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MOST_CHANGES = 20
MOST_NAMES = 8
MOST_FILES = 5
_BENCH_LABELS = {
    "converted_s": "converted\ns", "converted_mb": "converted\nMB", "dense_s": "dense\ns", "dense_mb": "dense\nMB",
    "time_ratio": "time\nratio", "memory_ratio": "memory\nratio",
}  # fmt: skip


def plan_tables(plan: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return the plan of a conversion: what comes out, and which tensors are not the source's own bytes."""
    facts: dict[str, str | None] = {"Source": source_text(plan["source"]), **plan_facts(plan)}
    if "output" in plan:
        facts["Output"] = here(plan["output"])
    facts["Will take"] = estimate_text(plan.get("estimate"))
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
    if len(names) == 1:
        return names[0]
    heads = [name.removeprefix("AutoModelFor") for name in names if name.startswith("AutoModelFor")]
    others = [name for name in names if not name.startswith("AutoModelFor")]
    parts = (", ".join(others), f"AutoModelFor… {', '.join(heads)}" if heads else "")
    return "; ".join(part for part in parts if part)


def changes_table(changes: Sequence[Mapping[str, Any]], clean: Clean) -> list[RenderableType]:
    """Return the tensors that are not the source's own bytes, the first of them at least."""
    title = "Changed tensors (all others are copied byte for byte)"
    shown = [
        {
            "tensor": change["tensor"],
            "what happens": ACTION_LABELS.get(change["action"], change["action"]),
            "new shape": " × ".join(map(str, change["shape"])) if change.get("shape") else "–",
            "type": change.get("dtype") or "–",
        }
        for change in changes[:MOST_CHANGES]
    ]
    narrow = [((row["new shape"], row["type"]), row["tensor"], row["what happens"]) for row in shown]
    tables: list[RenderableType] = [
        Fitting(
            rows_table(shown, clean, title),
            stacked_table(narrow, ("new shape", "type", "tensor, and what happens"), clean, title),
        )
    ]
    if len(changes) > MOST_CHANGES:
        tables.append(clean(f"… and {len(changes) - MOST_CHANGES} more; --json has all.\n"))
    return tables


def source_text(source: Mapping[str, Any]) -> str:
    """Return where a model is from."""
    commit = source.get("commit")
    name = source.get("repo_id") or source["name"]
    return f"{name} at {commit[:12]}" if commit else str(name)


def attention_text(lsg: Mapping[str, Any]) -> str:
    """Return the attention's settings in words."""
    text = f"blocks of {lsg['block_size']} tokens"
    if lsg.get("local_attention") == "sliding":
        windows = sorted({*lsg["attention_window"]})
        text = f"sliding windows of {' to '.join(str(each) for each in {windows[0]: 0, windows[-1]: 0})} tokens"
    if lsg["sparsity_type"] == "none" or not lsg["sparse_block_size"] or not lsg["sparsity_factor"]:
        return f"{text}, local only"
    reach = lsg["sparse_block_size"] * lsg["sparsity_factor"]
    return (
        f"{text}; beyond its neighbours {lsg['sparse_block_size']} sparse tokens a side "
        f"({lsg['sparsity_type']}, factor {lsg['sparsity_factor']}: {reach} tokens further)"
    )


def globals_text(lsg: Mapping[str, Any], global_init: str) -> str:
    """Return the settings of the global tokens in words."""
    count, rule = lsg["num_global_tokens"], lsg.get("automatic_globals", "none")
    if count == 0:
        return "none" if rule == "none" else f"none learned; of the input by the rule '{rule}'"
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
    if rule != "none":
        parts.append(f"and of the input by the rule '{rule}'")
    return ", ".join(parts)


def report_table(report: Mapping[str, Any], sentence: str, clean: Clean) -> list[RenderableType]:
    """Return a verification report: one line a check, then the verdict in a sentence."""
    from rich.text import Text

    wide, narrow = [], []
    for check in report["checks"]:
        mark, seconds = MARKS[check["status"]], f"{check['seconds']:.1f}"
        within = f"; tolerance {check['tolerance']}" if check["tolerance"] else ""
        rest = {"measured": check["measured"], "tolerance": check["tolerance"], "s": seconds}
        wide.append({"": mark, "check": check["name"], **rest})
        narrow.append(
            {"": mark, "check": check["name"], "measured": f"{check['measured'] or '–'}{within}", "s": seconds}
        )
    reasons: list[RenderableType] = [
        Text(clean(f"{check['name']}: {check['reason']}")) for check in report["checks"] if check["reason"]
    ]
    table = Fitting(rows_table(wide, clean), rows_table(narrow, clean))
    return [table, *reasons, Text(clean(sentence), style="bold")]


def bench_tables(report: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return what a benchmark measured."""
    return payload_tables(report, clean, _BENCH_LABELS)


def export_tables(report: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return how far each file is from PyTorch's outputs, and what was written."""
    marks = {True: "✓", False: "✗", None: "measured"}
    rows = [
        {
            "tokens": row["tokens"],
            "batch": row["batch"],
            "difference": f"{row['difference']:.1e}",
            "tolerance": None if row["tolerance"] is None else f"{row['tolerance']:.0e}",
            "": marks[row["passed"]] + f", ties of keys: {row['ties']}" * bool(row["ties"]),
        }
        for row in report["comparisons"]
    ]
    tables: list[RenderableType] = []
    for file in dict.fromkeys(row["file"] for row in report["comparisons"]):
        own = [shown for shown, row in zip(rows, report["comparisons"], strict=True) if row["file"] == file]
        tables.append(rows_table(own, clean, f"{clean(file)}: onnxruntime against PyTorch"))
    if report["failed"]:
        return [*tables, "The outputs differ: nothing was written."]
    files = [{"file": name, "size": size_text(size)} for name, size in report["files"].items()]
    return [*tables, rows_table(files, clean, f"In {clean(here(report['folder']))}")]


def push_tables(result: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return what was published, or would be, and where."""
    largest = sorted(result["files"].items(), key=lambda file: -file[1])
    names = ", ".join(f"{name} ({size_text(size)})" for name, size in largest[:MOST_FILES])
    more = f", and {len(largest) - MOST_FILES} more" if len(largest) > MOST_FILES else ""
    left_out = result["left_out"]
    dropped = f" and {len(left_out) - MOST_NAMES} more" if len(left_out) > MOST_NAMES else ""
    visible = {True: "private", False: "public", None: None}[result["private"]]
    facts = {
        "Repository": result["repo_id"],
        "Address": result["url"],
        "Branch": result["revision"],
        "Visible": visible,
        "Saved again by": result["saved"],
        "Verified": result["verified"],
        "Size": f"{size_text(result['bytes'])} in {len(largest)} files",
        "Files": f"{names}{more}",
        "Left out": ", ".join(left_out[:MOST_NAMES]) + dropped if left_out else None,
        "Pull request": result["pull_request"],
        "Commit": result["commit"],
    }
    return [facts_table(facts, clean)]


def family_as_dict(family: Any) -> dict[str, Any]:
    """Return what `families` shows of one family."""
    from lsg_convert.plan.options import MAX_MAX_LEN

    kinds = {table.kind for table in family.positions if table.is_used is None}
    return {
        "model_type": family.model_type,
        "title": family.title,
        "example": family.example,
        "heads": {name: head.auto_class for name, head in family.heads.items()},
        "limits": {
            "max_len": MAX_MAX_LEN,
            "positions": " and ".join(sorted(kinds)) or ("rotary" if family.rotary else "relative"),
            "first_token": "global" if family.global_stands_in else "kept",
            "decoder": "the library's own" if family.is_seq2seq else None,
        },
    }


def families_table(families: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line a family."""
    rows = [
        (
            (family["model_type"], family["limits"]["positions"]),
            family["example"],
            ", ".join(
                name.removeprefix("AutoModel").removeprefix("For") or "base" for name in family["heads"].values()
            ),
        )
        for family in families
    ]
    return stacked_table(rows, ("model type", "positions", "for example, and heads"), str)


def conversion_summary(result: Mapping[str, Any], clean: Clean) -> list[RenderableType]:
    """Return the closing summary: what changed, sizes, time."""
    facts = {
        "Source": source_text(result["source"]),
        **plan_facts(result),
        "Verified": verification_text(result.get("verification")),
        "Output": f"{here(result['output'])}: {len(result['files'])} files, {size_text(result['size'])}",
        "Time": timing_text(result["timing"]),
        **left_behind_fact(result.get("left_behind") or {}),
    }
    notes = [f"Note: {clean(note)}" for note in result["notes"]]
    return [facts_table(facts, clean), *changes_table(result["changes"], clean), *notes]


def timing_text(timing: Mapping[str, float]) -> str:
    """Return how long each part took: "written in 1 s, checked in 9 s"."""
    shown = {part: seconds for part, seconds in timing.items() if part != "read" or seconds >= 1}
    return ", ".join(f"{part} in {seconds_text(seconds)}" for part, seconds in shown.items())


def seconds_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s" if seconds >= 1 else f"{seconds:.1f} s"


def estimate_text(estimate: Mapping[str, float] | None) -> str | None:
    """Return what a conversion is expected to take."""
    if not estimate:
        return None
    from lsg_convert.common.estimate import Estimate

    return Estimate(int(estimate["disk"]), int(estimate["memory"]), estimate["seconds"]).sentence


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
    groups: dict[str, list[str]] = {}
    for check in verification["checks"]:
        groups.setdefault(MARKS[check["status"]], []).append(check["name"])
    return "; ".join(f"{mark} {' · '.join(names)}" for mark, names in groups.items())


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
