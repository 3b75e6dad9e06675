"""Stages: numbered, named by what happens, one inside of another, on one line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from lsg_convert.cli.progress_bar import ProgressDisplay, stage_figures, stage_line
from lsg_convert.cli.render import seconds_text, timing_text
from lsg_convert.common.progress import IMPORTING, Advance, SilentReporter, Steps, import_libraries
from lsg_convert.conversion import convert
from lsg_convert.verification.run import verify
from tests.command import lsg_convert, python


class Recorder(SilentReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def stage(self, description: str, total: int | None = None) -> Iterator[Advance]:
        self.told.append(description)
        yield lambda units: None

    def notice(self, text: str) -> None:
        self.told.append(text)


def test_stages_of_a_conversion_are_numbered(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    recorder = Recorder()
    convert(checkpoint("bert", "BertModel"), output=tmp_path / "out", max_len=128, reporter=recorder)
    told = [each for each in recorder.told if IMPORTING not in each]  # which this process has done
    assert told[:2] == ["1/5 Reading the source", "2/5 Reading the tokenizer"]
    assert told[2].startswith("This will take ")
    assert told[3] == "3/5 Writing tensors"
    assert told[4] == "4/5 Comparing tensors"
    assert told[5:] and all(each.startswith("5/5 ") for each in told[5:])


def test_checks_of_a_verification_are_numbered(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    convert(checkpoint("bert", "BertModel"), output=tmp_path / "out", max_len=128, verify=False)
    recorder = Recorder()
    report = verify(tmp_path / "out", level="integrity", reporter=recorder)
    count = len(report.results)
    checks = [f"{number}/{count} Checking: {each.name}" for number, each in enumerate(report.results, 1)]
    assert [each for each in recorder.told if "Checking: " in each] == checks


def test_importing_is_a_stage_of_its_own(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    done = lsg_convert(checkpoint("bert", "BertModel"), "--max-len", 128, "-v", cwd=tmp_path)
    assert done.code == 0, done.output
    seconds = {line.rpartition(": ")[0]: line.rpartition(": ")[2] for line in done.stderr.splitlines() if " s" in line}
    assert float(seconds[f"4/5 {IMPORTING}"].removesuffix(" s")) > 0.5
    assert float(seconds["4/5 Comparing tensors"].removesuffix(" s")) < 0.5


def test_libraries_that_are_there_are_no_stage() -> None:
    import torch  # noqa: F401
    import transformers.modeling_utils  # noqa: F401

    recorder = Recorder()
    import_libraries(recorder)
    assert recorder.told == []


def test_what_needs_no_library_waits_for_none(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    """A conversion compares tensors while torch is imported."""
    source = checkpoint("bert", "BertModel")
    assert lsg_convert(source, "--max-len", 128, "--no-verify", "-o", "out", cwd=tmp_path).code == 0
    code = f"""
import sys
from pathlib import Path
from lsg_convert.folder.record import read_record
from lsg_convert.sources.resolve import resolve_source
from lsg_convert.verification.run import Settings, Subject, load_text
from lsg_convert.verification.tensor_comparison import compare_copies
folder = Path("out")
subject = Subject(folder, read_record(folder), resolve_source({str(source)!r}), load_text(), Settings(), fresh=True)
print({{*compare_copies(subject)}}, "torch" in sys.modules)
"""
    assert python(code, cwd=tmp_path).stdout == "{None} False\n"


def test_an_import_beside_other_work_leaves_nothing_changed(tmp_path: Path) -> None:
    code = """
import sys, threading
from lsg_convert.common.progress import SilentReporter, begin_importing, import_libraries
usual = sys.getswitchinterval()
begin_importing()
import_libraries(SilentReporter())
for thread in threading.enumerate():
    thread is threading.main_thread() or thread.join()
print(sys.getswitchinterval() == usual, "torch" in sys.modules)
"""
    assert python(code, cwd=tmp_path).stdout == "True True\n"


@pytest.mark.parametrize(("before", "frozen"), [("", True), ("import torch", False)])
def test_what_was_imported_is_not_looked_through_for_garbage(before: str, frozen: bool, tmp_path: Path) -> None:
    """Unless a caller had torch: what he has made with it may be garbage one day."""
    code = f"""
import gc
{before}
from lsg_convert.common.progress import SilentReporter, import_libraries
import_libraries(SilentReporter())
print(gc.get_freeze_count() > 100_000, gc.isenabled())
"""
    assert python(code, cwd=tmp_path).stdout == f"{frozen} True\n"


def test_what_a_package_imports_stays_light(tmp_path: Path) -> None:
    code = "import lsg_convert.common.progress, sys; print('torch' in sys.modules)"
    assert python(code, cwd=tmp_path).stdout == "False\n"


def test_steps_share_their_number_and_end_with_the_last() -> None:
    recorder = Recorder()
    steps = Steps(recorder, 2)
    for step in (False, False, True, True):
        if step:
            steps.step()
        with steps.stage("work"):
            pass
    assert recorder.told == ["1/2 work", "1/2 work", "2/2 work", "2/2 work"]


def test_one_stage_inside_another() -> None:
    """The innermost is shown, the outer one again behind it; nothing stays when all are done."""
    stream = io.StringIO()
    display = ProgressDisplay(Console(file=stream, force_terminal=True, width=80, color_system=None))
    with display.stage("outer", None):
        with display.stage("inner", 10) as advance:
            advance(3)
            assert [task.description for task in display._progress.tasks if task.visible] == ["inner"]
        assert [task.description for task in display._progress.tasks if task.visible] == ["outer"]
    with display.stage("next", None):
        assert [task.description for task in display._progress.tasks] == ["next"]
    assert display._progress.tasks == []


@pytest.mark.parametrize("width", [40, 60, 78, 118, 200])
@pytest.mark.parametrize("total", [None, 7, 10**11])
def test_a_stage_is_one_line(width: int, total: int | None) -> None:
    task = SimpleNamespace(
        description="12/16 Downloading " + "a-long-name/" * 20,
        completed=(total or 0) // 3,
        total=total,
        speed=1e9,
        time_remaining=40_000.0,
        elapsed=7_300.0,
    )
    assert len(stage_line(task, width)) <= width
    assert stage_line(task, width, "ascii").plain.isascii()
    if total:
        assert stage_figures(task).endswith("11:06:40 left")


@pytest.mark.parametrize(
    ("timing", "said"),
    [
        ({"read": 0.1, "written": 1.2, "checked": 9.3}, "written in 1 s, checked in 9 s"),
        ({"read": 65.0, "written": 0.21}, "read in 65 s, written in 0.2 s"),
        ({"written": 130.0}, "written in 2 min"),
    ],
)
def test_the_summary_says_what_took_how_long(timing: dict[str, float], said: str) -> None:
    assert timing_text(timing) == said
    assert seconds_text(0.04) == "0.0 s"
