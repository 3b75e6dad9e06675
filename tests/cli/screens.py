"""What every command shows, on terminals of 80 and 120 columns, in colour and plain: kept as text, and looked at.

    python -m tests.cli.screens           # renews tests/cli/screens/, from the results in tests/cli/results/
    cat tests/cli/screens/verify.80.colour.txt

Results of commands that take long are kept as well (`results/*.json`, from `--json`): what is drawn of them is what is
tested here, and `test_screens.py` holds their fields to those of today.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from lsg_convert.cli import app, render
from lsg_convert.cli.console import Console
from lsg_convert.cli.paths import next_steps
from lsg_convert.cli.progress_bar import stage_line
from lsg_convert.cli.render_sweep import sweep_tables
from lsg_convert.common.interruption import RUN

FOLDER = Path(__file__).parent / "screens"
RESULTS = Path(__file__).parent / "results"
WIDTHS = (80, 120)
FORMS = ("colour", "plain")
COMMANDS = ("", "convert", "verify", "push", "inspect", "families", "code", "bench", "sweep", "export")
Draw = Callable[[Console], None]


def result(name: str) -> dict[str, Any]:
    """A kept result."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _convert(console: Console) -> None:
    payload = result("convert")
    payload["output"] = str(Path.cwd() / "my models" / "lsg-bart-base-4096")
    console.notice("This will take 1.5 MB on the disk, up to 499 MB of memory, about 10 s.")
    console.result(payload, *render.conversion_summary(payload, console.clean))
    console.hint(next_steps(payload["output"], "AutoModelForSeq2SeqLM"), to_copy=True)


def _plan(console: Console) -> None:
    payload = result("inspect")
    payload["output"] = str(Path.cwd() / "lsg-bart-base-4096")
    console.result(payload, *render.plan_tables(payload, console.clean))


def _verify(console: Console) -> None:
    report = result("verify")
    sentence = "Failed: 1 of 16 checks (greedy decoding)."
    console.result(report, *render.report_table(report, sentence, console.clean))


def _record(console: Console) -> None:
    record = result("record")
    console.result(record, *render.record_tables(record, console.clean))


def _bench(console: Console) -> None:
    console.result(result("bench"), *render.bench_tables(result("bench"), console.clean))


def _sweep(console: Console) -> None:
    console.result(result("sweep"), *sweep_tables(result("sweep"), console.clean))


def _push(console: Console) -> None:
    console.result(result("push"), *render.push_tables(result("push"), console.clean))


def _progress(console: Console) -> None:
    """The line of a stage: a download, steps, and what has no end that is known."""
    width = int(os.environ["COLUMNS"]) - 2
    stages = (
        ("1/5 Downloading facebook/bart-base", 700e6, 9.1e9, 2.8e6, 3000.0),
        ("1/5 Downloading sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", 7e6, 471e6, 12.3e6, 38.0),
        ("3/5 Writing tensors", 400e6, 1.6e9, 810e6, 1.5),
        ("5/5 Comparing outputs", 3, 10, 0.5, 14.0),
        ("4/5 Importing torch and transformers", 0, None, None, None),
    )
    for description, completed, total, speed, left in stages:
        task = SimpleNamespace(
            description=description, completed=completed, total=total, speed=speed, time_remaining=left, elapsed=4.2
        )
        console.result({}, stage_line(task, width))


def _command(*arguments: str) -> Draw:
    return lambda console: (app.run(list(arguments)), None)[1]


SCREENS: dict[str, Draw] = {
    "convert": _convert,
    "inspect": _plan,
    "inspect-folder": _record,
    "verify": _verify,
    "bench": _bench,
    "sweep": _sweep,
    "push": _push,
    "progress": _progress,
    "families": _command("families"),
    "code": _command("code", "bert", "--output", "modeling_lsg_bert.py"),
    "version": _command("--version"),
    "mistake": _command("verfiy"),
    **{f"help-{name}".rstrip("-"): _command(*name.split(), "--help") for name in COMMANDS},
}


class _Terminal(io.StringIO):
    """A stream that says it is a terminal, or a pipe."""

    def __init__(self, attended: bool) -> None:
        super().__init__()
        self._attended = attended

    encoding = "utf-8"

    def isatty(self) -> bool:
        return self._attended


def draw(name: str, width: int | None, form: str) -> str:
    """What the screen `name` shows on both streams: in colour on a terminal; plain, and for no width, in a pipe."""
    terminal = _Terminal(form == "colour")
    RUN.go_on()
    with _surroundings(width), patch.object(sys, "stdout", terminal), patch.object(sys, "stderr", terminal):
        SCREENS[name](Console())
    shown = re.sub(
        r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", "0" * 64, terminal.getvalue()
    )  # neither is a matter of looks
    return re.sub(r"[\d,]+ lines", "1,948 lines", shown)


@contextmanager
def _surroundings(width: int | None) -> Iterator[None]:
    """An empty current folder, and a terminal's environment."""
    changes = {"TERM": "xterm-256color", "COLUMNS": str(width or ""), "NO_COLOR": ""}
    before, variables = Path.cwd(), dict(os.environ)
    for name in ("COLORTERM", "FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE"):
        os.environ.pop(name, None)
    os.environ.update(changes)
    for name, value in changes.items():
        if not value:
            del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(variables)


def main() -> None:
    """Write every screen anew."""
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.txt"):
        path.unlink()
    for name in SCREENS:
        for width in WIDTHS:
            for form in FORMS:
                (FOLDER / f"{name}.{width}.{form}.txt").write_text(draw(name, width, form), encoding="utf-8")


if __name__ == "__main__":
    main()
