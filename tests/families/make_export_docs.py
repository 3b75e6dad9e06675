"""Write `docs/export.md`'s table: every family, every head and every selection of BERT, exported and compared.

Run as `python -m tests.families.make_export_docs`; takes some twenty minutes. Names after it choose families:
the other rows stay.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lsg_convert import convert
from lsg_convert.common.errors import LSGConvertError
from lsg_convert.export.run import Differs, ExportReport, export
from lsg_convert.families import FAMILIES
from lsg_convert.modeling.lsg_options import SPARSITY_TYPES
from tests.families.make_docs import table
from tests.tiny import FAMILIES as TINY
from tests.tiny import make_checkpoint, make_pair

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
MARK = "<!-- written by python -m tests.families.make_export_docs -->"
SOURCE_LENGTH = 512
HEADER = ["family", "class", "selection", "files", "largest difference", "tolerance there", "agree"]


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Family, library class and options of the conversions."""
    for kind in SPARSITY_TYPES[1:]:
        yield "bert", "BertModel", {"sparsity_type": kind}
    for name, family in TINY.items():
        yield name, family.architecture, {}
    for head in FAMILIES["bert"].heads:
        if head != TINY["bert"].architecture:
            yield "bert", head, {}
    yield "t5", "T5EncoderModel", {}
    yield "encoder-decoder", "EncoderDecoderModel", {}


def shown(name: str, architecture: str, options: dict[str, Any]) -> list[str]:
    """The first cells of a row."""
    title = FAMILIES[name].title if name in FAMILIES else "pair"
    return [title, f"`{architecture}`", options.get("sparsity_type", SPARSITY_TYPES[0])]


def measured(name: str, architecture: str, options: dict[str, Any]) -> list[str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source"
        if name == "encoder-decoder":
            make_pair("bert", "bert", source, max_positions=SOURCE_LENGTH)
        else:
            more = {"num_labels": 2} if architecture.endswith(("QuestionAnswering", "PreTraining")) else {}
            make_checkpoint(name, architecture, source, max_positions=SOURCE_LENGTH, **more)
        convert(source, output=Path(place) / "lsg", verify=False, max_len=4096, **options)
        try:
            report = export(Path(place) / "lsg")
        except Differs as differs:
            report = differs.report
        except LSGConvertError as error:
            return [*shown(name, architecture, options), "–", str(error), "–", "✗"]
    return [*shown(name, architecture, options), *_summary(report)]


def _summary(report: ExportReport) -> list[str]:
    agreeing = sum(comparison.passed is True for comparison in report.comparisons)
    compared = f"{agreeing} of {len(report.comparisons)}"
    held = [comparison for comparison in report.comparisons if comparison.tolerance is not None]
    worst = max(held, key=lambda comparison: comparison.difference / (comparison.tolerance or 1))
    files = ", ".join(f"`{Path(name).name}`" for name in report.files)
    mark = "✗" if report.failed else "✓"
    return [files, f"{worst.difference:.1e}", f"{worst.tolerance or 0:.0e}", f"{compared} {mark}"]


def rows_of(page: str) -> dict[tuple[str, ...], list[str]]:
    """The rows of the page's table, by family, class and selection."""
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines() if line[:2] == "| "]
    return {tuple(row[:3]): row for row in rows}


def main(chosen: list[str]) -> None:
    """Measure, and write each row into the page; others stay as they are."""
    text, _, page = PAGE.read_text(encoding="utf-8").partition(MARK)
    known, order = rows_of(page), []
    for name, architecture, options in cases():
        order.append(tuple(shown(name, architecture, options)))
        if not chosen or name in chosen:
            known[order[-1]] = measured(name, architecture, options)
            print(" | ".join(known[order[-1]]), flush=True)
    rows = [HEADER, *(known[key] for key in order if key in known)]
    PAGE.write_text(f"{text}{MARK}\n\n{table(rows)}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
