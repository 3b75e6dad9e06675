"""The command line in a process of its own, forked from one that has the libraries loaded: two seconds saved a run.

What it does to folders is the same as in a fresh process; where the process itself matters, the tests start one.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path

from tests.command import Run

_PRELOADED = ["tests.reliability.preloaded"]
_WRITES = ("os.mkdir", "os.rename")


def forked(
    *arguments: object,
    cwd: Path,
    stop: tuple[str, int] | None = None,
    file_limit: int | None = None,
    timeout: int = 120,
) -> Run:
    """Run `lsg-convert` with `arguments` in `cwd`.

    `stop=("SIGKILL", 3)` sends the process that signal once it has done three things to the folder it writes;
    `file_limit` is the size in bytes that a file may have.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    place = cwd.parent / "forked"
    place.mkdir(exist_ok=True)
    process = context.Process(target=_child, args=([str(a) for a in arguments], cwd, place, stop, file_limit))
    process.start()
    process.join(timeout)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{arguments} took longer than {timeout} s")
    assert process.exitcode is not None
    return Run(process.exitcode, (place / "stdout").read_text(), (place / "stderr").read_text())


def _child(arguments: list[str], cwd: Path, place: Path, stop: tuple[str, int] | None, file_limit: int | None) -> None:
    os.chdir(cwd)
    os.environ["COLUMNS"] = "100"
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    if file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    if stop is not None:
        stop_at(signal.Signals[stop[0]], stop[1])
    from lsg_convert.cli.main import main

    code = main(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def stop_at(number: signal.Signals, point: int) -> None:
    """Send this process `number` as soon as it has done `point` things to a folder without its final name.

    Counted are folders made, files opened for writing, folders moved.
    """
    done = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not writing and event not in _WRITES:
            return
        names = arguments[:2] if event == "os.rename" else arguments[:1]
        if any(marker in str(name) for name in names for marker in (".partial-", ".replaced-")):
            if done == point:
                os.kill(os.getpid(), number)
            done += 1

    sys.addaudithook(watch)
