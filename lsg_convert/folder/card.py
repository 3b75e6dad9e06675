"""The model card (README.md) of a converted folder: the source's metadata, what was done, how to use it.

The words stand in `card_template.md` and `card_verification.md`; here are the facts that fill them.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsg_convert.common.files import printable
from lsg_convert.folder.figures import ATTENTION, VERIFICATION
from lsg_convert.folder.record import Record
from lsg_convert.sources.resolve import Source

# What of the source's card still holds for the converted model. A licence is inherited or left out, never made up.
_INHERITED = (
    "language",
    "license",
    "license_name",
    "license_link",
    "datasets",
    "pipeline_tag",
    "library_name",
    "metrics",
)
_BEGIN, _END = "<!-- lsg-convert verify -->", "<!-- /lsg-convert verify -->"  # between them `verify` rewrites the card
_MARKS = {"passed": "✓", "failed": "✗", "not run": "–"}
_TAGS = ("lsg", "long-context", "custom_code")
_ACTIONS = {
    "extend": "position rows repeated",
    "compute": "sinusoids continued",
    "new": "new",
    "zeros": "new, zeros: a bias that training may change",
    "cast": "cast",
    "replace": "initialised again",
    "drop": "left out (an index buffer)",
}


def write_card(folder: Path, source: Source, record: Record) -> None:
    """Write `README.md` into `folder`."""
    (folder / "README.md").write_text(render_card(folder, source_metadata(source.folder), record), encoding="utf-8")


def source_metadata(folder: Path) -> dict[str, Any]:
    """The metadata block of the source's card; empty where there is none, or none that can be read."""
    import yaml

    path = folder / "README.md"
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return {}
    if not text.startswith("---"):
        return {}
    header, closing, _ = text.removeprefix("---").partition("\n---")
    try:
        metadata = yaml.safe_load(header[:100_000]) if closing else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def render_card(folder: Path, inherited: dict[str, Any], record: Record) -> str:
    """The card's text."""
    return _render(
        "card_template.md",
        **_verification(folder, record),
        metadata=_metadata(inherited, record),
        name=record.source.repo_id or record.source.name,
        record=record,
        lsg=record.lsg,
        settings=asdict(record.lsg),
        attention_picture=ATTENTION,
        actions=_ACTIONS,
        changed=[change for change in record.changes if change.action != "cast"],
        cast=sum(change.action == "cast" for change in record.changes),
    )


def updated_card(folder: Path, record: Record) -> str:
    """The text of the card in `folder` with the record's verification; what else it says stays."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    section = _render("card_verification.md", **_verification(folder, record))
    before, found, rest = text.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if found and closed:
        return before + section.rstrip("\n") + after
    return f"{text.rstrip()}\n\n{section}".lstrip()


def _metadata(inherited: dict[str, Any], record: Record) -> str:
    """The card's YAML header, without its fences."""
    from huggingface_hub import ModelCardData

    metadata = {key: inherited[key] for key in _INHERITED if inherited.get(key) is not None}
    tags = inherited.get("tags")
    others = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return ModelCardData(
        **metadata, base_model=record.source.repo_id, tags=list(dict.fromkeys([*_TAGS, *others]))
    ).to_yaml()


def _verification(folder: Path, record: Record) -> dict[str, Any]:
    """What fills the section that says what was verified, between its marks."""
    return {
        "begin": _BEGIN,
        "end": _END,
        "report": record.verification,
        "marks": _MARKS,
        "has_curves": (folder / VERIFICATION).is_file(),
        "curves_picture": VERIFICATION,
    }


def _render(template: str, **facts: Any) -> str:
    """A template of this folder, filled.

    By Jinja itself: `ModelCard.from_template` does the same, but importing it takes half as long as a small conversion.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"printable": printable, "cell": _cell}
    return environment.get_template(template).render(facts)


def _cell(text: str) -> str:
    """`text` as it can stand in a cell of a Markdown table."""
    return printable(text, 500).replace("|", "\\|")
