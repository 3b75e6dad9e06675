"""The model card (README.md) of a converted folder: the source's metadata, what was done, how to use it.

The words stand in `card_template.md` and the files that it includes; here are the facts that fill them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lsg_convert.common.errors import LSGConvertError
from lsg_convert.common.files import read_limited, safe_file
from lsg_convert.folder import markdown
from lsg_convert.folder.card_metadata import card_metadata, source_metadata
from lsg_convert.folder.figures import ATTENTION, VERIFICATION
from lsg_convert.folder.record import Record
from lsg_convert.folder.sentence_modules import embeds_sentences
from lsg_convert.plan.tensor_plan import ACTION_LABELS
from lsg_convert.sources.resolve import Source

# Sections that are rewritten later, by the name in the marks before and behind them.
_VERIFICATION = "verify"
_SECTIONS = {"origin": "card_origin.md", "changes": "card_changes.md", _VERIFICATION: "card_verification.md"}
_MARKS = {"passed": "✓", "failed": "✗", "measured": "measured", "not run": "not run"}
_CARD_LIMIT = 16 * 2**20
# What names the folder itself, and the repository's id once it is published.
_PATH_LINE = 'path = "."  # this folder, or its id on the Hub'
_ADD_KERNEL = "`lsg-convert . --attention-backend cpp`"


def write_card(folder: Path, source: Source, record: Record) -> None:
    """Write `README.md` into `folder`."""
    (folder / "README.md").write_text(render_card(folder, source_metadata(source.folder), record), encoding="utf-8")


def render_card(folder: Path, inherited: Mapping[str, str | list[str]], record: Record) -> str:
    """The card's text."""
    return _render("card_template.md", metadata=card_metadata(inherited, record), **_facts(folder, record))


def updated_card(folder: Path, record: Record) -> str:
    """The text of the card in `folder` with what the record says by now; what else it says stays.

    That is the verification and, of a model that was saved again, what it is called and what was changed. A card that
    somebody else wrote gets the verification at its end, if there is one.
    """
    text = _card_of(folder)
    if not text.strip() and record.saved:
        return render_card(folder, {}, record)
    facts = _facts(folder, record)
    for name, template in _SECTIONS.items():
        begin, end = f"<!-- lsg-convert {name} -->", f"<!-- /lsg-convert {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if found and closed and (name == _VERIFICATION or record.saved):
            text = before + _render(template, **facts).rstrip("\n") + after
        elif name == _VERIFICATION and (record.verification or not record.saved):
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
    return {
        "name": record.source.repo_id or record.source.name,
        "record": record,
        "lsg": record.lsg,
        "settings": asdict(record.lsg),
        "embeds_sentences": record.auto_class == "AutoModel" and embeds_sentences(folder),
        "path_line": _PATH_LINE,
        "add_kernel": _ADD_KERNEL,
        "has_picture": (folder / ATTENTION).is_file(),
        "attention_picture": ATTENTION,
        "actions": ACTION_LABELS,
        "changed": [change for change in record.changes if change.action != "cast"],
        "cast": sum(change.action == "cast" for change in record.changes),
        "code_files": {name: file for name, file in record.files.items() if name.startswith("modeling_lsg_")},
        "report": record.verification,
        "marks": _MARKS,
        "has_curves": (folder / VERIFICATION).is_file(),
        "curves_picture": VERIFICATION,
    }


def _render(template: str, **facts: Any) -> str:
    """A template of this folder, filled; foreign text goes through one of the filters `text`, `code` and `heading`.

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
    environment.filters |= {"text": markdown.text, "code": markdown.code, "heading": markdown.name}
    return environment.get_template(template).render(facts)
