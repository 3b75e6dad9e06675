"""Runs that are killed, interrupted or raced: what has the final name is complete, and the next run succeeds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lsg_convert.folder.integrity import check_folder
from tests.command import COMMAND, Run, fresh_environment, lsg_convert
from tests.hub import Fault, LoopbackHub
from tests.hub.server import WRITE_TOKEN
from tests.reliability.conftest import LENGTHS, tree
from tests.reliability.forked import forked

Row = Callable[..., None]
# many small shards: many points at which a run can be stopped
OPTIONS = (*LENGTHS, "--max-shard-size", "15KB", "--no-verify", "--output", "out")


def _stopped(source: Path, signal: str, point: int, *options: str) -> Run:
    return forked("./source", *OPTIONS, *options, cwd=source.parent, stop=(signal, point))


def _assert_complete(folder: Path) -> None:
    """All files are there, with the hashes that the record knows."""
    state = check_folder(folder)
    assert not state.missing and not state.changed and not state.extra, state


def _hidden(place: Path) -> list[str]:
    return [path.name for path in place.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("point", [0, 1, 3, 5, 8, 11, 14, 17, 20, 23])
def test_sigkill_at_ten_points(point: int, source: Path, row: Row) -> None:
    before = tree(source)
    killed = _stopped(source, "SIGKILL", point)
    assert killed.code == -9, killed.output
    assert not (source.parent / "out").exists(), "a folder that is not complete has the final name"
    assert tree(source) == before
    again = forked("./source", *OPTIONS, cwd=source.parent)
    assert again.code == 0, again.output
    _assert_complete(source.parent / "out")
    assert not _hidden(source.parent), "what the killed run left was not cleared away"
    row(
        "Interruption", f"SIGKILL after {point} steps of writing", killed, "no folder; the next run clears up, succeeds"
    )


@pytest.mark.parametrize("point", range(4))
def test_sigkill_while_replacing(point: int, source: Path, converted: Path, row: Row) -> None:
    """With --force over a complete folder there is a complete one at every moment, or after the next run."""
    out = source.parent / "out"
    shutil.move(converted, out)
    before = tree(out)
    # the last steps: files of the record, the old folder moved away, the new one moved in
    total = _count_steps(source)
    killed = _stopped(source, "SIGKILL", total - 1 - point, "--force")
    assert killed.code == -9, killed.output
    if out.exists():
        _assert_complete(out)
    else:
        kept = [name for name in _hidden(source.parent) if ".replaced-" in name]
        assert len(kept) == 1 and tree(source.parent / kept[0]) == before, "the old folder is lost"
    again = forked("./source", *OPTIONS, "--force", cwd=source.parent)
    assert again.code == 0, again.output
    _assert_complete(out)
    assert not _hidden(source.parent)
    row(
        "Interruption",
        f"SIGKILL {point + 1} steps before the end of --force",
        killed,
        "the old or the new folder, whole",
    )


_STEPS: dict[str, int] = {}


def _count_steps(source: Path) -> int:
    """How many points a replacing run has."""
    if "replace" not in _STEPS:
        place = source.parents[1] / "count"
        low, high = 10, 200
        while low < high:
            middle = (low + high) // 2
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(source.parent, place)
            if _stopped(place / "source", "SIGKILL", middle, "--force").code == -9:
                low = middle + 1
            else:
                high = middle
        _STEPS["replace"] = low
    return _STEPS["replace"]


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("point", [1, 9, 20])
def test_interrupted(name: str, code: int, point: int, source: Path, row: Row) -> None:
    before = tree(source.parent)
    stopped = _stopped(source, name, point)
    assert stopped.code == code, stopped.output
    assert "Traceback" not in stopped.output and "Interrupted" in stopped.stderr
    assert tree(source.parent) == before, "something was left behind"
    row("Interruption", f"{name} after {point} steps of writing", stopped)


def test_interrupted_while_replacing(source: Path, converted: Path, row: Row) -> None:
    out = source.parent / "out"
    shutil.move(converted, out)
    before = tree(out)
    stopped = _stopped(source, "SIGINT", 10, "--force")
    assert stopped.code == 130 and tree(out) == before and not _hidden(source.parent)
    row("Interruption", "SIGINT while replacing a folder with --force", stopped, "the old folder, untouched")


def test_two_at_once(source: Path, row: Row) -> None:
    command = [COMMAND, "./source", *OPTIONS, "--quiet"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen(command, cwd=source.parent, env=fresh_environment(), **pipes) for _ in range(2)]
    results = [(*process.communicate(timeout=120), process.returncode) for process in runs]
    codes = sorted(code for *_, code in results)
    assert codes == [0, 2], results
    assert not any("Traceback" in text for *texts, _ in results for text in texts)
    _assert_complete(source.parent / "out")
    assert not _hidden(source.parent)
    (loser,) = [Run(code, out, err) for out, err, code in results if code]
    row("Interruption", "two conversions into the same output at once", loser)


def test_two_at_once_with_force(source: Path, row: Row) -> None:
    command = [COMMAND, "./source", *OPTIONS, "--quiet", "--force"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen(command, cwd=source.parent, env=fresh_environment(), **pipes) for _ in range(2)]
    results = [Run(process.wait(timeout=120), *process.communicate()) for process in runs]
    assert 0 in {result.code for result in results}, results
    assert {result.code for result in results} <= {0, 2, 3} and not any("Traceback" in r.output for r in results)
    _assert_complete(source.parent / "out")
    assert not _hidden(source.parent)
    row(
        "Interruption",
        "two conversions with --force into the same output",
        results[0],
        "one whole folder, the last one's",
    )


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_installed_command_interrupted(name: str, code: int, source: Path, row: Row) -> None:
    """From outside, while it loads or works: a fresh process, stopped when its folder appears."""
    before = tree(source.parent)
    command = [COMMAND, "./source", *OPTIONS]
    process = subprocess.Popen(
        command, cwd=source.parent, env=fresh_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not _hidden(source.parent) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.Signals[name])
    out, err = process.communicate(timeout=60)
    run = Run(process.returncode, out, err)
    assert run.code == code and "Interrupted" in run.stderr and "Traceback" not in run.output, run
    assert tree(source.parent) == before
    row("Interruption", f"{name} from outside, once the folder appears", run)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_while_transferring(name: str, hub: LoopbackHub, source: Path, converted: Path, row: Row) -> None:
    """A slow download and a slow upload of several files end at once, not when the files are through."""
    hub.add("me/tiny", source)
    place = source.parent
    environment = hub.environment(place.parent / "cache", WRITE_TOKEN)
    hub.faults = [Fault("GET /_cdn/.*model", bytes_per_second=4000, times=None), Fault("PUT ", delay=20, times=None)]
    for title, waits_for, arguments in (
        ("download", "GET", ["inspect", "me/tiny"]),
        ("upload", "PUT", ["push", "sharded", "me/sharded"]),
    ):
        if title == "upload":
            assert forked("./source", *OPTIONS[:-1], "sharded", cwd=place).code == 0
        run, seconds = _interrupted_at_request(hub, waits_for, name, arguments, place, environment)
        assert run.code == {"SIGINT": 130, "SIGTERM": 143}[name] and "Traceback" not in run.output, run
        assert seconds < 10, "waited for whole files"
        row("Interruption", f"{name} in the middle of a slow {title}", run)
    hub.faults = []
    assert lsg_convert("inspect", "me/tiny", cwd=place, **environment).code == 0
    assert lsg_convert("push", "sharded", "me/sharded", cwd=place, **environment).code == 0


def _interrupted_at_request(
    hub: LoopbackHub, method: str, name: str, arguments: list[str], place: Path, environment: dict[str, str]
) -> tuple[Run, float]:
    """Send a run a signal once it transfers a large file; returns how long it took to end."""
    part = "/_lfs/" if method == "PUT" else "/_cdn/"
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=place,
        env=fresh_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not hub.requests(method, part) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(process.pid, signal.Signals[name])
    started = time.monotonic()
    out, err = process.communicate(timeout=60)
    return Run(process.returncode, out, err), time.monotonic() - started
