"""The files that ship in folders: what they may import, and that each family's file names all that it rests on."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

MODELING = Path(__file__).resolve().parents[2] / "lsg_convert" / "modeling"
# Completed in each folder by lines that name the files of its encoder's family.
TEMPLATES = {"modeling_lsg_encoder_decoder"}
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


def rests_on(path: Path) -> set[str]:
    """Return all our modules that a file needs, through others too."""
    found: set[str] = set()
    pending = [path]
    while pending:
        for name in imports(pending.pop())[0] - found:
            found.add(name)
            pending.append(MODELING / f"{name}.py")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_nothing_that_users_may_lack(path: Path) -> None:
    assert {name.partition(".")[0] for name in imports(path)[1]} <= ALLOWED


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.name.startswith("modeling_") and path.stem not in TEMPLATES],
    ids=lambda path: path.stem,
)
def test_names_all_that_it_rests_on(path: Path) -> None:
    """Releases before 5.1 copy only the files that the first one names."""
    assert rests_on(path) == imports(path)[0]
