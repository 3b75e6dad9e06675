"""Programs in processes forked from one that has the libraries loaded: five seconds of the processor saved a run.

`lsg_convert` and `python` are those of `tests.command`, for tests in which it plays no part what is imported, when, and
what is printed meanwhile. Nothing is left over from an earlier run. What the libraries read when they are imported (the
variables of the Hub) is heeded: a program that is given other ones is forked from a process without those libraries.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lsg_convert.plan import tokenizer_process
from tests.command import COMMAND, Run, fresh_environment, run

SERVER = Path(__file__).with_name("warm_server.py")
_READ_NOTHING = (
    "torch", "torch._dynamo", "torch.distributed.tensor", "torch.distributed.checkpoint", "torch.export",
    "scipy.optimize", "sklearn.metrics", "safetensors.torch", "tokenizers", "typer", "rich.progress", "numpy.random",
)  # fmt: skip
_ALL = (*_READ_NOTHING, "transformers.models.bert.modeling_bert", "transformers.models.auto.modeling_auto")
# Of the last one huggingface_hub takes what HF_HUB_OFFLINE says already.
_OF_NO_LIBRARY = {"COLUMNS", "LINES", "TERM", "NO_COLOR", "PYTEST_CURRENT_TEST", "PYTHONPATH", "TRANSFORMERS_OFFLINE"}
_OF_PYTHON = ("PYTHON", "LD_", "OMP_", "MKL_")  # read before anything is imported


class Server:
    """A process that has `modules` loaded, and forks."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(SERVER), *modules],
            env=fresh_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._end)

    def run(self, program: dict[str, Any], timeout: float) -> int:
        """Run a program to its end, and return its exit code."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(program), file=self._process.stdin, flush=True)
        child = int(self._process.stdout.readline() or "-1")
        assert child > 0, f"{SERVER.name} ended with exit code {self._process.wait()}"
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            os.kill(child, signal.SIGKILL)
            self._process.stdout.readline()
            raise subprocess.TimeoutExpired(program["arguments"], timeout)
        return int(self._process.stdout.readline())

    def _end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@cache
def _server(modules: tuple[str, ...]) -> Server:
    return Server(modules)


def lsg_convert(*arguments: object, cwd: Path, timeout: float = 300, **variables: str) -> Run:
    """Run the installed `lsg-convert` in `cwd`."""
    return script(COMMAND, *arguments, cwd=cwd, timeout=timeout, **variables)


def python(code: str, *arguments: object, cwd: Path, timeout: float = 300, **variables: str) -> Run:
    """Run Python code in `cwd`, isolated from the checkout."""
    return _run({"code": code}, [sys.executable, "-I", "-c", code], arguments, cwd, timeout, variables)


def script(path: str | Path, *arguments: object, cwd: Path, timeout: float = 300, **variables: str) -> Run:
    """Run a script in `cwd`; it may import what lies beside it."""
    return _run({"script": str(path)}, [sys.executable, str(path)], arguments, cwd, timeout, variables)


def _run(
    what: dict[str, str],
    command: list[str],
    arguments: Sequence[object],
    cwd: Path,
    timeout: float,
    variables: dict[str, str],
) -> Run:
    given, environment = [str(argument) for argument in arguments], fresh_environment(**variables)
    if any(name.startswith(_OF_PYTHON) for name in variables):
        return run([*command, *given], cwd, timeout, **variables)
    return _forked({**what, "arguments": given, "cwd": str(cwd)}, environment, b"", timeout)


def _forked(program: dict[str, Any], environment: dict[str, str], given: bytes, timeout: float) -> Run:
    usual = fresh_environment()
    other = {name for name in {*environment, *usual} if environment.get(name) != usual.get(name)} - _OF_NO_LIBRARY
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "stdin").write_bytes(given)
        streams = {stream: str(place / stream) for stream in ("stdin", "stdout", "stderr")}
        server = _server(_READ_NOTHING if other else _ALL)
        code = server.run({**program, **streams, "environment": environment}, timeout)
        return Run(code, *((place / stream).read_text(encoding="utf-8") for stream in ("stdout", "stderr")))


@contextmanager
def tokenizers() -> Iterator[None]:
    """Conversions in this process try tokenizers in processes that have the library loaded, while this lasts."""
    own = SimpleNamespace(run=_ask_tokenizer, TimeoutExpired=subprocess.TimeoutExpired)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer_process, "subprocess", own)
        yield


def _ask_tokenizer(command: list[str], *, input: bytes, env: dict[str, str], timeout: float, **_: Any) -> Any:
    """What `lsg_convert.plan.tokenizer_process` starts processes by."""
    *_, code, path = command
    done = _forked({"code": code, "arguments": [path], "cwd": str(Path.cwd())}, env, input, timeout)
    return subprocess.CompletedProcess(command, done.code, done.stdout.encode(), done.stderr.encode())
