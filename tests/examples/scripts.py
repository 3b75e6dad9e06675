"""Running the scripts of examples/ in a fresh process, as their users do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_script(name: str, *arguments: Any) -> str:
    """Run a script and return what it printed."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def result(folder: Path, name: str = "figures") -> Any:
    """What a script wrote into its output folder."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
