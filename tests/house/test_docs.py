"""What the documentation names is there, and a newcomer finds the attention in three hops."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source_tree import PACKAGE, ROOT, parsed
from tests.house.test_imports import FLOORS

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
_PATH = re.compile(rf"`((?:lsg_convert|tests|docs|examples|benchmarks|\.ci|{'|'.join(ROOMS)})/[\w./-]*)`")


def paths_in(text: str) -> Iterator[str]:
    """Paths in backticks that begin at the root or in a room of the product, without placeholders."""
    yield from (found for found in _PATH.findall(text) if "<" not in found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_in_documents_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = {path for path in paths_in(text) if not (ROOT / path).exists() and not (PACKAGE / path).exists()}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    missing = {target for target in targets if "://" not in target and not (document.parent / target).exists()}
    assert not missing


def test_a_newcomer_finds_the_window_of_a_block() -> None:
    """README → docs/architecture.md → the file → the function."""
    assert "](docs/architecture.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.search(r"attends to, start at\s+`(\w+)` in `([\w./]+)`", architecture)
    assert found is not None
    function, file = found.groups()
    nodes = parsed(ROOT / file).body
    window = next(node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == function)
    assert "window" in (ast.get_docstring(window) or "")


def test_the_floors_of_the_documentation_are_those_of_the_test() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.*) \|$", architecture, re.MULTILINE)
    named = {int(floor): set(re.findall(r"`(\w+)(?:/|\.py)`", rooms)) for floor, rooms in rows}
    expected = {
        floor: {room.replace("lsg_convert", "__init__") for room in rooms} for floor, rooms in enumerate(FLOORS, 1)
    }
    assert named == expected


def test_pictures_show_files_that_exist() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = architecture[
        architecture.index("```mermaid") : architecture.index("```\n", architecture.index("```mermaid") + 3)
    ]
    files = re.findall(r"[\w]+/[\w]+\.py", picture)
    assert len(files) > 8
    assert not [file for file in files if not (PACKAGE / file).exists()]
