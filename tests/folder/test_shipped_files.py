"""The modules that folders' code is made of: what they may import."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

MODELING = Path(__file__).resolve().parents[2] / "lsg_convert" / "modeling"
FILES = sorted(path for path in MODELING.glob("*.py") if path.name != "__init__.py")
ALLOWED = {"torch", "transformers", "safetensors", "packaging", *sys.stdlib_module_names}


def imports(path: Path) -> tuple[set[str], set[str]]:
    """Return (relative, absolute) modules that a file imports, wherever in it."""
    relative, absolute = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            (relative if node.level else absolute).add(node.module or "")
        elif isinstance(node, ast.Import):
            absolute |= {alias.name for alias in node.names}
    return relative, absolute


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_nothing_that_users_may_lack(path: Path) -> None:
    assert {name.partition(".")[0] for name in imports(path)[1]} <= ALLOWED
