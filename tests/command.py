"""The installed command and other programs, each in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = str(Path(sysconfig.get_path("scripts")) / "lsg-convert")


@dataclass(frozen=True)
class Run:
    """What a process left."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that stdout must be."""
        return json.loads(self.stdout)

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def fresh_environment(**variables: str) -> dict[str, str]:
    """Return an environment without tokens and without the checkout on the import path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HF_TOKEN")}
    return {**environment, "HF_HUB_OFFLINE": "1", "COLUMNS": "100", **variables}


def lsg_convert(*arguments: object, cwd: Path, timeout: float = 300, **variables: str) -> Run:
    """Run the installed `lsg-convert` in `cwd`."""
    return run([COMMAND, *map(str, arguments)], cwd, timeout, **variables)


def python(code: str, *arguments: object, cwd: Path, interpreter: str = sys.executable, timeout: float = 300) -> Run:
    """Run Python code in a fresh process in `cwd`, isolated from the checkout."""
    return run([interpreter, "-I", "-c", code, *map(str, arguments)], cwd, timeout)


def run(command: list[str], cwd: Path, timeout: float = 300, **variables: str) -> Run:
    """Run any program to its end."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=fresh_environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Run(done.returncode, done.stdout, done.stderr)
