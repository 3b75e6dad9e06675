"""Running the scripts of examples/, each in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import warm

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_script(name: str, *arguments: Any) -> str:
    """Run a script and return what it printed."""
    done = warm.script(EXAMPLES / name, *arguments, cwd=EXAMPLES.parent)
    assert done.code == 0, done.stderr[-3000:]
    return done.stdout


def result(folder: Path, name: str = "figures") -> Any:
    """What a script wrote into its output folder."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
