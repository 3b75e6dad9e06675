"""Folders loaded by a fresh process of any interpreter, from wherever users load them, a Hub on loopback included."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.command import run
from tests.hub import LoopbackHub

FORMS = ("folder", "saved", "hub", "snapshot")
Findings = dict[str, dict[str, Any]]


def load_everywhere(interpreter: Path, root: Path, cwd: Path, how: str) -> Findings:
    """What `load.py` finds out about the folders under `root`, by architecture."""
    with tempfile.TemporaryDirectory() as place, LoopbackHub(Path(place, "hub")) as hub:
        for recipe in sorted(root.glob("*/recipe.json")):
            hub.add(f"me/{recipe.parent.name}", recipe.parent / "converted")
        home = Path(place, "home")
        variables = {**hub.environment(home), "HF_MODULES_CACHE": str(home / "modules")}
        command = [str(interpreter), "-I", str(Path(__file__).with_name("load.py")), str(root), how]
        done = run(command, cwd, 1200, **variables)
    assert done.code == 0, done.output
    findings: Findings = json.loads(done.stdout)
    return findings
