"""The stranger's process: started early, as its imports take seconds, then asked, and its answer waited for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsg_convert.common.interruption import RUN
from lsg_convert.common.memory import available_memory
from lsg_convert.verification import stranger_process
from lsg_convert.verification.levels import Level

_REQUEST, _ANSWER = "request.json", "answer.json"
_TIMEOUT = 900.0  # seconds; a folder of BART-large's size takes about thirty
_ENOUGH = 2 * 2**30  # bytes free, of which two processes with the libraries take less than a half
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH")


@dataclass(frozen=True)
class StrangerProcess:
    """A fresh process, and the folder that it is asked and answers in."""

    running: subprocess.Popen[bytes]
    root: Path

    def ask(self, question: Callable[[Path], dict[str, Any]]) -> None:
        """Ask the `question` that is made for its folder."""
        (self.root / _REQUEST).write_text(json.dumps(question(self.root)), encoding="utf-8", newline="\n")
        assert self.running.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: its answer says how
            self.running.stdin.write(b"\n")
            self.running.stdin.flush()

    def has_ended(self) -> bool:
        """Whether it has nothing left to do."""
        return self.running.poll() is not None

    def answer(self) -> dict[str, Any]:
        """What it answers, or how it ended instead."""
        try:
            errors = self.running.communicate(timeout=_TIMEOUT)[1]
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {_TIMEOUT:.0f} s"}
        file, code = self.root / _ANSWER, self.running.returncode
        if file.is_file():
            answer: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return answer
        last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return {"error": f"the process ended with {how}: {' '.join(last)}"}

    def end(self) -> None:
        """End it, whatever it is doing, and remove its folder."""
        self.running.kill()
        self.running.communicate()
        shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def started() -> Iterator[StrangerProcess]:
    """The process, which imports the libraries and waits to be asked; it ends with the block.

    It has no token, no network and caches of its own.
    """
    root = Path(tempfile.mkdtemp(prefix="lsg-convert-"))
    try:
        kept = {name: value for name, value in os.environ.items() if name not in _TOKENS}
        home = {"HF_HOME": root / "home", "HF_HUB_CACHE": root / "hub", "HF_MODULES_CACHE": root / "modules"}
        quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        running = subprocess.Popen(
            [sys.executable, stranger_process.__file__, str(root / _REQUEST), str(root / _ANSWER)],
            env={**kept, **quiet, **{name: str(path) for name, path in home.items()}},
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    process = StrangerProcess(running, root)
    try:
        with RUN.undone_by(process.end):
            yield process
    finally:
        process.end()


@contextmanager
def started_beside(level: Level, max_memory: int | None) -> Iterator[StrangerProcess | None]:
    """The process while the libraries are imported here, where it will be asked and has a core and memory."""
    free = available_memory()
    if level < Level.EXACT or max_memory is not None or _cores() < 2 or (free is not None and free < _ENOUGH):
        yield None
        return
    with started() as process:
        yield process


def _cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
