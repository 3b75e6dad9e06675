"""A signal at any moment of a run: it ends with its own code and one sentence, and leaves all or nothing.

Moments are counted from when our first line has run: until then Python itself answers (see `cli/main.py`).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert.folder.integrity import check_folder
from tests.command import COMMAND, Run, fresh_environment
from tests.reliability.conftest import LENGTHS, tree

Row = Callable[..., None]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

MOMENTS = 40 if os.environ.get("LSG_LONG") else 10
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
OPTIONS = (*LENGTHS, "--output", "out")


def _listens(process: subprocess.Popen[str]) -> bool:
    """Whether the process has a handler for SIGTERM: Python has none of its own."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=place,
        env=fresh_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    while not _listens(process) and process.poll() is None:
        time.sleep(0.0005)
    return process


def _stopped_after(seconds: float, name: str, place: Path, *arguments: str) -> Run:
    process = _start(place, *arguments)
    time.sleep(seconds)
    if process.poll() is None:
        process.send_signal(signal.Signals[name])
    out, err = process.communicate(timeout=120)
    return Run(process.returncode, out, err)


def _assert_all_or_nothing(run: Run, name: str, place: Path, before: dict[str, str]) -> None:
    assert run.code in (0, CODES[name]), run
    for sign in ("Traceback", "Exception ignored", "unhandled", "terminate called"):
        assert sign not in run.output, run
    if run.code:
        said = [line for line in run.stderr.splitlines() if not line.startswith("This will take ")]
        assert said == ["Error: Interrupted; nothing was left behind."] and not run.stdout, run
        assert tree(place) == before
    else:
        state = check_folder(place / "out")
        assert not state.missing and not state.changed and not state.extra, state
        assert {path.name for path in place.iterdir()} == {"source", "out"}


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("milliseconds", [0, 1, 5, 10, 20, 40, 70, 100, 150, 200, 300])
def test_while_it_starts(milliseconds: int, name: str, source: Path, row: Row) -> None:
    place = source.parent
    before = tree(place)
    run = _stopped_after(milliseconds / 1000, name, place, "./source", *OPTIONS)
    _assert_all_or_nothing(run, name, place, before)
    if name != "SIGHUP":
        row("Interruption", f"{name} {milliseconds} ms after the first line", run, "interrupted, or not begun")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verify", "count"),
    [
        ("--no-verify", MOMENTS),
        ("--verify", MOMENTS // 2),  # each loads torch
        pytest.param("--verify", MOMENTS, marks=pytest.mark.product),
    ],
)
def test_at_moments_of_a_whole_run(verify: str, count: int, source: Path, row: Row) -> None:
    """Evenly over a run, with more in its last tenth; libraries and the tokenizer are loaded on the way."""
    place = source.parent
    before = tree(place)
    process = _start(place, "./source", *OPTIONS, verify)
    started = time.monotonic()
    out, err = process.communicate(timeout=120)
    lasted = time.monotonic() - started
    assert process.returncode == 0, out + err
    generator = random.Random(7)
    moments = [lasted * number / count for number in range(1, count)]
    moments += [lasted * (0.9 + 0.15 * generator.random()) for _ in range(count // 2)]
    for number, moment in enumerate(moments):
        subprocess.run(["rm", "-rf", place / "out"], check=True)
        name = list(CODES)[number % 2]
        run = _stopped_after(moment, name, place, "./source", *OPTIONS, verify)
        _assert_all_or_nothing(run, name, place, before)
    what = "a verified conversion" if verify == "--verify" else "a conversion"
    row("Interruption", f"SIGINT and SIGTERM all over {what}", run, "all or nothing, each time")


def test_as_json(source: Path, row: Row) -> None:
    run = _stopped_after(0.05, "SIGINT", source.parent, "./source", *OPTIONS, "--json")
    assert run.code == 130 and run.stderr == ""
    assert json.loads(run.stdout)["error"]["exit_code"] == 130
    row("Interruption", "SIGINT with --json", run)


def test_twice(source: Path, row: Row) -> None:
    """Somebody who presses again and again does not stop the cleaning."""
    place = source.parent
    before = tree(place)
    process = _start(place, "./source", *OPTIONS)
    while not list(place.glob(".out*")) and process.poll() is None:
        time.sleep(0.001)
    for _ in range(20):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.0005)
    run = Run(process.wait(60), *process.communicate())
    _assert_all_or_nothing(run, "SIGINT", place, before)
    row("Interruption", "SIGINT twenty times", run)


def test_what_is_ignored_stays_ignored(source: Path, row: Row) -> None:
    """`nohup` and a shell's background have their children ignore signals."""
    place = source.parent
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" HUP INT; exec "$0" "$@"', COMMAND, "./source", *OPTIONS, "--no-verify"],
        cwd=place,
        env=fresh_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(20):
        time.sleep(0.05)
        if process.poll() is None and Path(f"/proc/{process.pid}/cmdline").read_bytes().find(b"trap") < 0:
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    row("Interruption", "SIGHUP and SIGINT under nohup", Run(0, out, err), "converted")


def test_little_is_loaded_before_signals_are_dealt_with(tmp_path: Path) -> None:
    """What is imported before the handlers is Python's own, and light."""
    code = (
        "import re, sys; before = set(sys.modules); from lsg_convert.cli.main import main; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = {name for name in done.stdout.split() if not name.startswith("lsg_convert")}
    assert loaded <= {"__future__", "signal", "contextlib", "typing", "collections.abc", "io", "os", "gc"}, loaded
