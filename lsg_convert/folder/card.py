"""The model card (README.md) of a converted folder: the source's metadata, what was done, how to use it.

The words stand in `card_template.md` and the files that it includes; here are the facts that fill them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import read_limited, safe_file
from lsg_convert.folder import markdown
from lsg_convert.folder.card_citation import source_citations
from lsg_convert.folder.card_metadata import card_metadata, source_metadata
from lsg_convert.folder.card_use import limit_facts, setting_facts, shipped_options, use_facts
from lsg_convert.folder.figures import ATTENTION, VERIFICATION
from lsg_convert.folder.record import ONNX_FOLDER, Record
from lsg_convert.plan.tensor_plan import ACTION_LABELS
from lsg_convert.sources.resolve import Source, is_hub_id

if TYPE_CHECKING:
    import jinja2

# Sections that are rewritten later, by the name in the marks before and behind them.
_VERIFICATION = "verify"
_LIMITS = "limits"
_ONNX = "onnx"  # stands in the card of a folder that was exported
_SECTIONS = {
    "origin": "card_origin.md",
    "use": "card_use.md",
    "changes": "card_changes.md",
    _LIMITS: "card_limits.md",
    _ONNX: "card_onnx.md",
    "settings": "card_settings.md",
    _VERIFICATION: "card_verification.md",
}
_MARKS = {"passed": "✓", "failed": "✗", "measured": "measured", "not run": "not run"}
_CARD_LIMIT = 16 * 2**20
# What names the folder itself, and the repository's id once it is published.
_PATH_LINE = 'path = "."  # this folder, or its id on the Hub'
_ADD_KERNEL = "`lsg-convert . --attention-backend cpp`"


def write_card(folder: Path, source: Source, record: Record) -> None:
    """Write `README.md` into `folder`."""
    card = render_card(folder, source_metadata(source.folder), record, source_citations(source.folder))
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")


def render_card(
    folder: Path, inherited: Mapping[str, str | list[str]], record: Record, citations: Sequence[str] = ()
) -> str:
    """The card's text; `inherited` and `citations` are from the source's card."""
    given = inherited.get("license_name") or inherited.get("license") or ""
    return _render(
        "card_template.md",
        metadata=card_metadata(inherited, record),
        licence=given if isinstance(given, str) else ", ".join(given),
        citations=citations,
        **_facts(folder, record),
    )


def updated_card(folder: Path, record: Record) -> str:
    """The text of the card in `folder` with what the record says by now; what else it says stays.

    That is the verification and the limits and, of a model that was saved again, all that its training or another head
    made untrue. A card that somebody else wrote gets the verification at its end, if there is one.
    """
    text = _card_of(folder)
    if not text.strip() and record.saved:
        return render_card(folder, {}, record)
    facts = _facts(folder, record)
    for name, template in _SECTIONS.items():
        begin, end = f"<!-- lsg-convert {name} -->", f"<!-- /lsg-convert {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if name == _ONNX and not facts["onnx_files"]:
            text = before.rstrip("\n") + "\n\n" + after.lstrip("\n") if found and closed else text
        elif found and closed and (name in (_LIMITS, _ONNX, _VERIFICATION) or record.saved):
            text = before + _render(template, **facts).rstrip("\n") + after
        elif name == _ONNX or (name == _VERIFICATION and (record.verification or not record.saved)):
            text = f"{text.rstrip()}\n\n{_render(template, **facts)}".lstrip()
    return text


def published_card(card: str, repo_id: str) -> str:
    """A card as it reads in the repository `repo_id`: what named the folder in it names the repository."""
    lines = [f'path = "{repo_id}"' if line == _PATH_LINE else line for line in card.split("\n")]
    return "\n".join(lines).replace(_ADD_KERNEL, _ADD_KERNEL.replace(" . ", f" {repo_id} "))


def _card_of(folder: Path) -> str:
    """The card that is there; nothing where there is none, or where it is a link that leads out."""
    try:
        return read_limited(safe_file(folder, "README.md"), _CARD_LIMIT).decode("utf-8", errors="replace")
    except LSGConvertError:
        return ""


def _facts(folder: Path, record: Record) -> dict[str, Any]:
    """What fills the templates."""
    lsg = shipped_options(folder, record)
    return {
        "name": record.source.repo_id or record.source.name,
        "has_address": record.source.repo_id is not None and is_hub_id(record.source.repo_id),
        "record": record,
        "lsg": lsg,
        "settings": asdict(lsg),
        "path_line": _PATH_LINE,
        "add_kernel": _ADD_KERNEL,
        "has_picture": (folder / ATTENTION).is_file(),
        "attention_picture": ATTENTION,
        "actions": ACTION_LABELS,
        "changed": [change for change in record.changes if change.action != "cast"],
        "cast": sum(change.action == "cast" for change in record.changes),
        "onnx_files": [f"`{file}`" for file in record.files if file.startswith(f"{ONNX_FOLDER}/")],
        "smaller": [f"`{file}`" for file in record.files if file.endswith(("_fp16.onnx", "_quantized.onnx"))],
        "code_files": {name: file for name, file in record.files.items() if name.startswith("modeling_lsg_")},
        "report": record.verification,
        "marks": _MARKS,
        "has_curves": (folder / VERIFICATION).is_file(),
        "curves_picture": VERIFICATION,
        **use_facts(folder, record),
        **limit_facts(record, lsg),
        **setting_facts(record),
    }


def _render(template: str, **facts: Any) -> str:
    """A template of this folder, filled; foreign text goes through one of the filters `text`, `code` and `heading`."""
    return str(_environment().get_template(template).render(facts))


@cache
def _environment() -> jinja2.Environment:
    """Jinja by itself: `ModelCard.from_template` does the same, and its import takes half as long as a conversion."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"text": markdown.text, "code": markdown.code, "heading": markdown.name}
    return environment
