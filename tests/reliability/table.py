"""The table of `docs/reliability.md`: what was done to the tool, what it said, how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import re
from pathlib import Path

from tests.command import Run

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
GROUPS = ("Network", "Upload", "Push refused", "Disk", "Interruption", "Hostile source", "Foreign files", "Secrets")
FUZZED = {"safetensors headers": 0, "configs": 0, "shard indexes": 0, "runs of a command": 0}

_INTRODUCTION = """\
# Reliability

What happens when something goes wrong, or somebody means harm. Every row is a test in `tests/reliability/`, run
through the installed command in a fresh process (where only what happens to folders matters, in one forked from a
process that has the libraries loaded). This page is written by those tests
(`LSG_WRITE_RELIABILITY=all python -m pytest tests/reliability`), and they fail when a row is missing from it.

After each of them: no half-written folder under the final name, no temporary left by a run that could still clean
up, the source untouched, nothing printed raw, and the next run succeeds. Network faults are real ones: a Hub on
loopback (`tests/hub/`), to which huggingface_hub's own client talks, resets connections, cuts bodies short, answers
429 and 500. Exit codes: 0 done, 1 a verification failed, 2 the request or the input is wrong, 3 a network, disk or
permission error, 130 Ctrl-C, 143 SIGTERM.
"""


class Table:
    """Rows by group, in the order of the tests."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], tuple[str, int]] = {}
        self._known = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else ""

    def enter(self, group: str, fault: str, run: Run, happened: str | None, private: tuple[str, ...]) -> None:
        """Take a run into the table; outside of writing it, make sure that the page has the row already."""
        assert group in GROUPS
        said = happened or _message(run)
        for text in private:
            said = said.replace(text, "…")
        said = re.sub(r"(127\.0\.0\.1|localhost):\d+", "huggingface.co", said)
        said = re.sub(r"…/(\w+/)*(?=[\w.-])", "", said)
        self._rows[group, fault] = (said, run.code)
        if not os.environ.get("LSG_WRITE_RELIABILITY"):
            assert f"| {_cell(fault)} |" in self._known, f"docs/reliability.md lacks the row '{fault}'"

    def write(self) -> None:
        """Write the page: the rows of this run, and those that other runs wrote (LSG_WRITE_RELIABILITY=all: anew)."""
        with (DOCUMENT.parent / ".reliability.lock").open("w") as lock:  # the workers of one run write one by one
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._write(anew=os.environ["LSG_WRITE_RELIABILITY"] == "all")

    def _write(self, anew: bool) -> None:
        page = DOCUMENT.read_text(encoding="utf-8")
        rows = {} if anew else _rows_of(page)
        rows |= {(group, _cell(fault)): (_cell(said), str(code)) for (group, fault), (said, code) in self._rows.items()}
        parts = [_INTRODUCTION]
        for group in GROUPS:
            parts.append(f"## {group}\n\n| what was done | what happened | exit code |\n|---|---|---|")
            parts[-1] += "".join(
                f"\n| {fault} | {said} | {code} |" for (of, fault), (said, code) in rows.items() if of == group
            )
            parts[-1] += "\n"
        counted = re.search(r"^hypothesis makes up .*$", page, re.MULTILINE)
        fuzzing = counted[0] if counted and not all(FUZZED.values()) else _fuzzing()
        parts.append(f"## Fuzzing\n\n{fuzzing}\n\n{len(rows)} rows above.\n")
        DOCUMENT.write_text("\n".join(parts), encoding="utf-8")


def _rows_of(page: str) -> dict[tuple[str, str], tuple[str, str]]:
    rows, group = {}, ""
    for line in page.splitlines():
        if line.startswith("## "):
            group = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| what was done"):
            fault, said, code = line.removeprefix("| ").removesuffix(" |").split(" | ")
            rows[group, fault] = (said, code)
    return rows


def _fuzzing() -> str:
    counted = ", ".join(f"{count:,} {name}" for name, count in FUZZED.items())
    return (
        f"hypothesis makes up and damages {counted}, in each run of the suite ({sum(FUZZED.values()):,} cases): "
        "each is read, or refused with a sentence. A run of a command (convert, inspect, verify, push, bench) on "
        "damaged files, each in a process of its own, ends with exit code 0 to 3, without a traceback, within 30 s, "
        "runs no foreign code, reads no file beside the folder, and changes none of its bytes. `make fuzz` does "
        "10,000 of them."
    )


def _message(run: Run) -> str:
    for line in run.stderr.splitlines():
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    try:
        return str(json.loads(run.stdout)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "it went well" if run.code == 0 else run.stderr.strip()[:100]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")
