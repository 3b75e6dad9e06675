"""Every screen is as it was looked at: `make screens` renews them, and their difference is to be read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert.families import listed_families
from tests.cli.screens import FOLDER, FORMS, SCREENS, WIDTHS, draw, result

TABLES = ("convert", "inspect", "inspect-folder", "verify", "bench", "sweep", "push", "families")
# Lines to be copied stay whole, however narrow the terminal.
COPIED = re.compile(r"^(Load it|Prove it|Publish it): |^modeling_\w+\.py: ")


@pytest.mark.parametrize("name", SCREENS)
def test_is_as_it_was_looked_at(name: str) -> None:
    for width in WIDTHS:
        for form in FORMS:
            kept = (FOLDER / f"{name}.{width}.{form}.txt").read_text(encoding="utf-8")
            assert draw(name, width, form) == kept, f"{name}.{width}.{form}: see `make screens`, then `git diff`"


def test_nothing_else_is_kept() -> None:
    names = {f"{name}.{width}.{form}.txt" for name in SCREENS for width in WIDTHS for form in FORMS}
    assert {path.name for path in FOLDER.iterdir()} == names


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("width", WIDTHS)
def test_fits(name: str, width: int) -> None:
    coloured = re.sub(r"\x1b\[[0-9;]*m", "", draw(name, width, "colour"))
    too_long = [line for line in coloured.splitlines() if len(line) > width and not COPIED.search(line)]
    assert not too_long


@pytest.mark.parametrize("name", SCREENS)
def test_plain_is_plain(name: str) -> None:
    assert "\x1b" not in draw(name, 80, "plain")


@pytest.mark.parametrize("name", TABLES)
def test_a_pipe_gets_wide_tables(name: str) -> None:
    assert draw(name, None, "plain") == draw(name, 120, "plain")


@pytest.mark.parametrize("width", WIDTHS)
def test_families_break_no_word_and_no_id(width: int) -> None:
    words = set(re.split(r"[\s,]+", draw("families", width, "plain")))
    for family in listed_families():
        heads = {
            head.auto_class.removeprefix("AutoModel").removeprefix("For") or "base" for head in family.heads.values()
        }
        assert {family.model_type, family.example, *heads} <= words


def test_headings_of_a_benchmark_are_whole() -> None:
    headings = draw("bench", 80, "plain").partition("Results\n")[2].partition("───")[0]
    assert " ".join(headings.split()) == "converted converted dense dense time memory mode tokens s MB s MB ratio ratio"


def test_marks_have_colours() -> None:
    shown = draw("verify", 80, "colour")
    for mark, colour in (("✓", "1;32"), ("✗", "1;31"), ("measured", "36"), ("not run", "33")):
        assert f"\x1b[{colour}m{mark}" in shown
    assert "\x1b[1;32m✓" in draw("convert", 80, "colour")


def test_push_speaks_to_people() -> None:
    shown = draw("push", 80, "plain")
    assert "1.6 MB in 13 files" in shown and "and 8 more" in shown
    assert str(result("push")["bytes"]) not in shown


def test_a_download_is_one_line() -> None:
    lines = draw("progress", 80, "plain").splitlines()
    assert len(lines) == 5
    assert lines[0].endswith("8% of 9.1 GB, 2.8 MB/s, 50:00 left")
    assert lines[4] == "4/5 Importing torch and transformers 0:04"


def test_kept_results_have_todays_fields(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    from lsg_convert.conversion import convert, inspect
    from lsg_convert.folder.publish import push
    from lsg_convert.verification.run import verify

    source = tmp_path / "source"
    shutil.copytree(checkpoint("bart", "BartModel"), source)
    made = convert(source, output=tmp_path / "out", verify=False, max_len=128)
    assert result("convert").keys() == made.as_dict().keys()
    assert result("inspect").keys() == {"converted", *inspect(source).as_dict()}
    assert made.record is not None
    assert result("record").keys() == {"converted", *made.record.as_dict()}
    assert result("push").keys() == push(tmp_path / "out", "me/x", dry_run=True).as_dict().keys()
    report = verify(tmp_path / "out", level="integrity").as_dict()
    assert result("verify").keys() == report.keys()
    assert {frozenset(check) for check in result("verify")["checks"]} == {
        frozenset(check) for check in report["checks"]
    }
